"""The sizes that config.json gives, against the classes of transformers themselves."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import CONFIG_MAPPING

from analysis.catalog.sizes import CLASSES, has_no_attention, text_sizes
from analysis.errors import ModelUnreadable
from analysis.loading.config_classes import written

# Keys and values of published config.json files, those that bear on sizes.
PUBLISHED: dict[str, dict[str, Any]] = {
    "bloom-560m": {"model_type": "bloom", "n_embed": 1024, "n_head": 16, "n_layer": 24,
                   "seq_length": 2048, "vocab_size": 250880},
    "mpt-7b": {"model_type": "mpt", "d_model": 4096, "n_heads": 32, "n_layers": 32,
               "max_seq_len": 2048, "vocab_size": 50432, "attn_config": {"alibi": True}},
    "falcon-7b": {"model_type": "falcon", "hidden_size": 4544, "num_attention_heads": 71,
                  "num_hidden_layers": 32, "multi_query": True, "vocab_size": 65024},
    "gpt-j-6b": {"model_type": "gptj", "n_embd": 4096, "n_head": 16, "n_layer": 28,
                 "n_positions": 2048, "vocab_size": 50400, "rotary_dim": 64},
    "glm-4-9b-hf": {"model_type": "glm", "hidden_size": 4096, "num_attention_heads": 32,
                    "num_hidden_layers": 40, "num_key_value_heads": 4, "vocab_size": 151552,
                    "max_position_embeddings": 8192},
    "gpt-oss-20b": {"model_type": "gpt_oss", "hidden_size": 2880, "num_attention_heads": 64,
                    "num_hidden_layers": 24, "num_key_value_heads": 8, "vocab_size": 201088,
                    "max_position_embeddings": 131072},
    "gemma-3-4b": {"model_type": "gemma3",
                   "text_config": {"model_type": "gemma3_text", "hidden_size": 2560,
                                   "num_hidden_layers": 34, "sliding_window": 1024}},
    "llama-4-scout": {"model_type": "llama4",
                      "text_config": {"model_type": "llama4_text", "hidden_size": 5120,
                                      "num_attention_heads": 40, "num_hidden_layers": 48,
                                      "num_key_value_heads": 8, "vocab_size": 202048,
                                      "max_position_embeddings": 10485760}},
    "qwen2.5-vl-3b": {"model_type": "qwen2_5_vl", "hidden_size": 2048, "num_attention_heads": 16,
                      "num_hidden_layers": 36, "num_key_value_heads": 2, "vocab_size": 151936,
                      "max_position_embeddings": 128000},
    "llava-1.5-7b": {"model_type": "llava",
                     "text_config": {"model_type": "llama", "max_position_embeddings": 4096,
                                     "vocab_size": 32064}},
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configurations_are_read_as_their_class_reads_them(
    name: str, tmp_path: Path
) -> None:
    given = PUBLISHED[name]
    sizes = text_sizes(given, tokenizer=tmp_path)
    text = CONFIG_MAPPING[given["model_type"]].from_dict(given).get_text_config(decoder=True)
    heads = text.num_attention_heads
    assert sizes == {
        "layers": text.num_hidden_layers,
        "heads": heads,
        "key_value_heads": getattr(text, "num_key_value_heads", None) or heads,
        "width": text.hidden_size,
        "context": getattr(text, "max_position_embeddings", getattr(text, "max_seq_len", 0)),
        "vocabulary": text.vocab_size,
    }


def test_code_of_a_checkpoint_is_read_by_the_names_that_it_uses(tmp_path: Path) -> None:
    """ChatGLM's class is not in transformers; no code of a folder is run for its sizes."""
    given = {
        "model_type": "chatglm", "num_layers": 28, "hidden_size": 4096, "seq_length": 131072,
        "num_attention_heads": 32, "multi_query_group_num": 2, "padded_vocab_size": 65024,
    }  # fmt: skip
    sizes = text_sizes(given, tokenizer=tmp_path)
    assert tuple(sizes.values()) == (28, 32, 2, 4096, 131072, 65024)


def test_a_size_that_is_no_number_is_named(tmp_path: Path) -> None:
    given = {**PUBLISHED["gpt-j-6b"], "n_layer": [1, 2]}
    with pytest.raises(ModelUnreadable, match=r"gives \[1, 2\] as n_layer"):
        text_sizes(given, tokenizer=tmp_path)


def test_classes_that_count_no_heads_have_no_attention() -> None:
    assert [kind for kind in ("mamba", "rwkv", "jamba", "llama", "t5", "own")
            if has_no_attention({"model_type": kind})] == ["mamba", "rwkv"]  # fmt: skip


def test_what_is_kept_of_the_classes_is_what_transformers_says() -> None:
    assert CLASSES.read_text() == written(), "run: make schema"


def test_sizes_are_read_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from analysis.catalog.sizes import text_sizes;"
        f"text_sizes({PUBLISHED['gpt-j-6b']!r}, tokenizer=Path({str(tmp_path)!r}));"
        "import analysis.catalog.entries;"
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
