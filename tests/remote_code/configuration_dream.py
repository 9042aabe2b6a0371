"""The configuration of a Dream checkpoint, by the names of its config.json."""

from typing import Any

from transformers import PretrainedConfig

VALUES = {
    "vocab_size": 32, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_act": "silu",
    "max_position_embeddings": 96, "initializer_range": 0.02, "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0, "attention_dropout": 0.0,
    "mask_token_id": 3, "pad_token_id": 2,
}  # fmt: skip


class DreamConfig(PretrainedConfig):
    model_type = "Dream"
    keys_to_ignore_at_inference = ["past_key_values"]  # noqa: RUF012 (as transformers has it)

    def __init__(self, **values: Any) -> None:
        for name, value in VALUES.items():
            setattr(self, name, values.pop(name, value))
        ends = {"pad_token_id": self.pad_token_id, "tie_word_embeddings": False}
        super().__init__(**{**values, **ends})
