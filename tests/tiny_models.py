"""Tiny transformers folders of real architectures, made afresh: nothing is downloaded."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

CORPUS = [
    "Anna has the ball and Tom has the book.",
    "Where is the ball? The ball is in the kitchen.",
    "Tom went to the garden with the ball, and Anna read the book.",
]


def byte_tokenizer(vocabulary: int = 320, *, mask: bool = False) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer that begins each text with <s>; any text can be encoded."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    specials = ["<s>", "</s>", "<pad>", *(["<mask>"] if mask else [])]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(CORPUS, trainer)
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", core.token_to_id("<s>"))]
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=core, **names, **({"mask_token": "<mask>"} if mask else {})
    )


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def spread(model: PreTrainedModel) -> PreTrainedModel:
    """Larger random weights, so that distributions are far from uniform."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.25)
    return model


def make_llama(folder: Path) -> Path:
    """Rotary positions, grouped key/value heads."""
    tokenizer = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=96,
        bos_token_id=0, eos_token_id=1, tie_word_embeddings=True,
    )  # fmt: skip
    return save(spread(LlamaForCausalLM(config)), tokenizer, folder)


def make_gpt2(folder: Path) -> Path:
    """Learned positions, full heads."""
    tokenizer = byte_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=96,
        bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    return save(spread(GPT2LMHeadModel(config)), tokenizer, folder)


def make_bert(folder: Path, *, vocabulary: int = 300) -> Path:
    """A masked language model; another vocabulary size is another vocabulary."""
    tokenizer = byte_tokenizer(vocabulary, mask=True)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=64,
    )  # fmt: skip
    return save(spread(BertForMaskedLM(config)), tokenizer, folder)
