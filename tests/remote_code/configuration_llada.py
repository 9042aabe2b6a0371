"""The configuration of a LLaDA checkpoint, by its own names."""

from typing import Any

from transformers import PretrainedConfig


class LLaDAConfig(PretrainedConfig):
    model_type = "llada"
    attribute_map = {  # noqa: RUF012 (as transformers has it)
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "num_key_value_heads": "n_kv_heads",
        "hidden_size": "d_model",
        "intermediate_size": "mlp_hidden_size",
        "max_position_embeddings": "max_sequence_length",
    }

    def __init__(self, **values: Any) -> None:
        fixed = {
            "block_type": "llama", "block_group_size": 1, "rope": True, "alibi": False,
            "rope_full_precision": True, "attention_layer_norm": False, "include_bias": False,
            "include_qkv_bias": False, "scale_logits": False, "input_emb_norm": False,
            "layer_norm_type": "rms", "activation_type": "silu", "weight_tying": False,
            "attention_dropout": 0.0, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        }  # fmt: skip
        sizes = {
            "vocab_size": 32, "d_model": 32, "n_layers": 2, "n_heads": 4, "n_kv_heads": 4,
            "mlp_hidden_size": 64, "max_sequence_length": 96,
        }  # fmt: skip
        for name, value in {**fixed, **sizes}.items():
            setattr(self, name, values.pop(name, value))
        self.embedding_size = values.pop("embedding_size", self.vocab_size)
        super().__init__(**{**values, "tie_word_embeddings": False})
