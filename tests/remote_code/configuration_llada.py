"""The configuration of a LLaDA checkpoint, by its own names and with what transformers 5 drops.

As the published class it hands every value on: transformers 5 keeps no `use_cache` of them.
"""

from typing import Any

from transformers import PretrainedConfig

FIXED = {
    "block_type": "llama", "block_group_size": 1, "rope": True, "alibi": False,
    "rope_full_precision": True, "attention_layer_norm": False, "include_bias": False,
    "include_qkv_bias": False, "scale_logits": False, "input_emb_norm": False,
    "layer_norm_type": "rms", "activation_type": "silu", "weight_tying": False,
    "attention_dropout": 0.0, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "init_device": None,
}  # fmt: skip
SIZES = {
    "vocab_size": 32, "embedding_size": 32, "d_model": 32, "n_layers": 2, "n_heads": 4,
    "n_kv_heads": 4, "mlp_hidden_size": 64, "max_sequence_length": 96,
}  # fmt: skip


class LLaDAConfig(PretrainedConfig):
    model_type = "llada"
    keys_to_ignore_at_inference = ["past_key_values"]  # noqa: RUF012 (as transformers has it)

    def __init__(self, use_cache: bool = False, **values: Any) -> None:  # noqa: FBT001, FBT002
        super().__init__(**{**FIXED, **SIZES, **values, "use_cache": use_cache})

    @property
    def num_attention_heads(self) -> int:
        return int(self.n_heads)

    @property
    def num_hidden_layers(self) -> int:
        return int(self.n_layers)

    @property
    def hidden_size(self) -> int:
        return int(self.d_model)
