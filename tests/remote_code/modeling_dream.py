"""A network with the modules of a Dream checkpoint: Qwen2 that reads both ways."""

from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_outputs import CausalLMOutputWithPast


class DreamConfig(Qwen2Config):
    model_type = "Dream"


class DreamModel(Qwen2ForCausalLM):
    config_class = DreamConfig

    def forward(
        self, input_ids: torch.Tensor, attention_mask: Any = None, **_: Any
    ) -> CausalLMOutputWithPast:
        rows, tokens = input_ids.shape
        both_ways = torch.ones(rows, 1, tokens, tokens, dtype=torch.bool)
        return super().forward(input_ids=input_ids, attention_mask=both_ways, use_cache=False)
