"""The byte-level BPE tokenizer that the language models of the story world share."""

from collections.abc import Iterable

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

BOS, EOS, PAD, MASK = "<s>", "</s>", "<pad>", "<mask>"
SPECIALS = (BOS, EOS, PAD, MASK)  # ids 0, 1, 2, 3


def tokenizer_train(texts: Iterable[str], *, max_entries: int = 2048) -> PreTrainedTokenizerFast:
    """A tokenizer of at most `max_entries` entries in which every frequent word is one token.

    All 256 bytes are entries, so that any text can be encoded. `<s>` is put in front of every
    encoded text.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max_entries,
        min_frequency=2,
        show_progress=False,
        special_tokens=[AddedToken(text, special=True) for text in SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A",
        pair=f"{BOS} $A {BOS} $B",
        special_tokens=[(BOS, bpe.token_to_id(BOS))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        mask_token=MASK,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
