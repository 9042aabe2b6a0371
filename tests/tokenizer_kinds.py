"""Small tokenizers of every kind that models come with, trained on a few sentences."""

import json
from collections.abc import Callable
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

CORPUS = [
    "One day, Lily and Tim went to the park. He saw the hen there.",
    "Lily had a cat, and the cat was happy. Tim was sad about 15 toys.",
    "Where is the cat? Here it is, where the others are: at home.",
] * 4
SPECIALS = ["<unk>", "<s>", "</s>"]
BYTE_PIECES = [f"<0x{byte:02X}>" for byte in range(256)]


def _fast(core: Tokenizer, **more: Any) -> PreTrainedTokenizerFast:
    core.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", core.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", bos_token="<s>", eos_token="</s>", **more
    )


def _bpe_with_bytes(core: Tokenizer) -> Tokenizer:
    core.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=420, special_tokens=[*SPECIALS, *BYTE_PIECES], show_progress=False
        ),
    )
    # The bytes are trained as special so that they come first; here they are ordinary pieces.
    plain = Tokenizer(
        models.BPE(
            vocab=core.get_vocab(), merges=_merges(core), unk_token="<unk>", byte_fallback=True
        )
    )
    plain.normalizer, plain.pre_tokenizer, plain.decoder = (
        core.normalizer, core.pre_tokenizer, core.decoder,
    )  # fmt: skip
    plain.add_special_tokens(SPECIALS)
    return plain


def _merges(core: Tokenizer) -> list[tuple[str, str]]:
    found = json.loads(core.to_str())["model"]["merges"]
    return [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in found]


def _byte_decoder() -> decoders.Decoder:
    return decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )


def prepending() -> PreTrainedTokenizerFast:
    """As Llama 2: a normalizer puts ▁ before each text; other characters become bytes."""
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Metaspace()  # so that no piece reaches over a space
    core.decoder = _byte_decoder()
    created = _bpe_with_bytes(core)
    created.pre_tokenizer = None  # type: ignore[assignment]
    created.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return _fast(created)


def metaspace(scheme: str) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)  # type: ignore[arg-type]
    core.decoder = decoders.Sequence(
        [
            decoders.ByteFallback(),
            decoders.Metaspace(prepend_scheme=scheme),  # type: ignore[arg-type]
        ]
    )
    return _fast(_bpe_with_bytes(core))


def byte_level(*, prefix_space: bool = False) -> PreTrainedTokenizerFast:
    """As GPT-2, or with a space before every text, as RoBERTa's."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=330,
            special_tokens=SPECIALS,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return _fast(core)


def word_piece() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.WordPiece(unk_token="<unk>"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece(cleanup=False)
    core.train_from_iterator(
        CORPUS,
        trainers.WordPieceTrainer(vocab_size=120, special_tokens=SPECIALS, show_progress=False),
    )
    return _fast(core)


def unigram() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.Unigram())
    core.normalizer = normalizers.NFKC()
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    core.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(
            vocab_size=120, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False
        ),
    )
    return _fast(core)


KINDS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "prepending": prepending,
    "metaspace first": lambda: metaspace("first"),
    "metaspace always": lambda: metaspace("always"),
    "metaspace never": lambda: metaspace("never"),
    "bytes": byte_level,
    "bytes after a space": lambda: byte_level(prefix_space=True),
    "word pieces": word_piece,
    "unigram": unigram,
}
