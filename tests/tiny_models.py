"""Tiny transformers folders of real architectures, made afresh: nothing is downloaded."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    RobertaConfig,
    RobertaForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.remote_code.configuration_dream import DreamConfig
from tests.remote_code.configuration_llada import LLaDAConfig
from tests.remote_code.modeling_llada import LLaDAModelLM
from tests.tokenizer_kinds import prepending

REMOTE_CODE = Path(__file__).parent / "remote_code"

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


def make_prepending_llama(folder: Path) -> Path:
    """A Llama whose tokenizer puts ▁ before every text; 16 of its ids are no token."""
    tokenizer = prepending()
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 16, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
        bos_token_id=1, eos_token_id=2, tie_word_embeddings=True,
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


def _make_small(config: Any, model: Any, folder: Path, **values: Any) -> Path:
    """A model of these two classes with the byte tokenizer; `values` go into its config."""
    tokenizer = byte_tokenizer()
    return save(spread(model(config(**_sizes(tokenizer), **values, **_ends()))), tokenizer, folder)


def make_qwen2(folder: Path) -> Path:
    """Rotary positions, biased queries and keys, grouped key/value heads."""
    return _make_small(Qwen2Config, Qwen2ForCausalLM, folder, num_key_value_heads=2)


def make_gemma(folder: Path) -> Path:
    """Scaled embeddings, a single key/value head."""
    return _make_small(GemmaConfig, GemmaForCausalLM, folder, num_key_value_heads=1, head_dim=8)


def make_gemma2(folder: Path) -> Path:
    """Scaled embeddings, norms after each part, soft caps on scores and logits."""
    return _make_small(Gemma2Config, Gemma2ForCausalLM, folder, num_key_value_heads=2, head_dim=8)


def make_gemma3(folder: Path) -> Path:
    """Scaled embeddings, norms after each part and on queries and keys."""
    return _make_small(
        Gemma3TextConfig, Gemma3ForCausalLM, folder, num_key_value_heads=2, head_dim=8
    )


def make_roberta(folder: Path) -> Path:
    """A masked language model whose positions begin after the padding id."""
    tokenizer = byte_tokenizer(300, mask=True)
    config = RobertaConfig(**_sizes(tokenizer), **_ends())
    return save(spread(RobertaForMaskedLM(config)), tokenizer, folder)


def make_modernbert(folder: Path, **values: Any) -> Path:
    """A masked language model with local and global layers; `values` go into config.json."""
    tokenizer = byte_tokenizer(300, mask=True)
    config = ModernBertConfig(
        **_sizes(tokenizer), **_ends(), cls_token_id=0, sep_token_id=1, local_attention=16,
        global_attn_every_n_layers=2, **values,
    )  # fmt: skip
    return save(spread(ModernBertForMaskedLM(config)), tokenizer, folder)


def make_t5(folder: Path) -> Path:
    """An encoder and a decoder."""
    tokenizer = byte_tokenizer()
    config = T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        pad_token_id=2, eos_token_id=1, decoder_start_token_id=2,
    )  # fmt: skip
    return save(spread(T5ForConditionalGeneration(config)), tokenizer, folder)


def make_bart(folder: Path) -> Path:
    """Likewise, with learned positions."""
    tokenizer = byte_tokenizer()
    config = BartConfig(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64,
        decoder_ffn_dim=64, max_position_embeddings=96, bos_token_id=0, eos_token_id=1,
        pad_token_id=2, decoder_start_token_id=1, forced_eos_token_id=1,
    )  # fmt: skip
    return save(spread(BartForConditionalGeneration(config)), tokenizer, folder)


def make_llada(folder: Path) -> Path:
    """LLaDA as its checkpoints lie: with the Python files of its network."""
    tokenizer = byte_tokenizer(300, mask=True)
    size = len(tokenizer)
    mask = {"mask_token_id": tokenizer.mask_token_id}
    config = LLaDAConfig(vocab_size=size, embedding_size=size, **mask, **_ends())
    network = spread(LLaDAModelLM(config))  # type: ignore[no-untyped-call]
    weights = {name: weight.contiguous() for name, weight in network.state_dict().items()}
    _save_parts(weights, config, "LLaDAModelLM", tokenizer, folder)
    edit_config(folder, use_cache=False)
    classes = {"AutoConfig": "configuration_llada.LLaDAConfig"}
    classes |= {"AutoModel": "modeling_llada.LLaDAModelLM"}
    return _with_code(folder, classes, "configuration_llada.py", "modeling_llada.py")


def make_dream(folder: Path) -> Path:
    """As LLaDA, for Dream, whose logits are shifted one position to the left.

    Its weights are those of a Qwen2, by their names too.
    """
    tokenizer = byte_tokenizer(300, mask=True)
    sizes = {**_sizes(tokenizer), **_ends(), "num_key_value_heads": 2}
    weights = spread(Qwen2ForCausalLM(Qwen2Config(**sizes))).state_dict()
    config = DreamConfig(**sizes, mask_token_id=tokenizer.mask_token_id)
    _save_parts(weights, config, "DreamModel", tokenizer, folder)
    GenerationConfig(eos_token_id=1, pad_token_id=2).save_pretrained(folder)
    classes = {"AutoConfig": "configuration_dream.DreamConfig"}
    classes |= {"AutoModel": "modeling_dream.DreamModel"}
    files = ("configuration_dream.py", "generation_utils.py", "modeling_dream.py")
    return _with_code(folder, classes, *files)


def _save_parts(
    weights: dict[str, torch.Tensor],
    config: PretrainedConfig,
    architecture: str,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
) -> None:
    """As `save`, for classes that transformers 5 cannot save, or cannot even build."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config.save_pretrained(folder)
    edit_config(folder, architectures=[architecture])
    tokenizer.save_pretrained(folder)


def _with_code(folder: Path, classes: dict[str, str], *files: str) -> Path:
    """Name the classes of the folder's own code, and put it there."""
    for name in files:
        shutil.copy(REMOTE_CODE / name, folder)
    edit_config(folder, auto_map=classes)
    return folder


def edit_config(folder: Path, **values: Any) -> None:
    """Set values in config.json; None takes one away."""
    file = folder / "config.json"
    config = {**json.loads(file.read_text()), **values}
    file.write_text(
        json.dumps({name: value for name, value in config.items() if value is not None})
    )


def _sizes(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    return {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 96,
    }  # fmt: skip


def _ends() -> dict[str, int]:
    return {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
