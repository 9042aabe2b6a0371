"""A network with the modules of a LLaDA checkpoint: Llama blocks that read both ways.

It fails on transformers 5 where the published file does: it never calls `post_init`, its
`tie_weights` takes no arguments, and it asks its config for what that no longer has.
"""

import math
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .configuration_llada import LLaDAConfig


class RMSLayerNorm(nn.Module):
    def __init__(self, config: LLaDAConfig) -> None:
        super().__init__()
        self.eps = config.rms_norm_eps
        self.weight = nn.Parameter(torch.ones(config.d_model))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


class RotaryEmbedding(nn.Module):
    def __init__(self, config: LLaDAConfig) -> None:
        super().__init__()
        self.width = config.d_model // config.n_heads
        self.theta = config.rope_theta

    def turn(self, x: torch.Tensor) -> torch.Tensor:
        steps = torch.arange(0, self.width, 2, device=x.device).float() / self.width
        angles = torch.arange(x.shape[2], device=x.device).float()[:, None] / self.theta**steps
        angles = torch.cat([angles, angles], -1)
        left, right = x.chunk(2, -1)
        return x * angles.cos() + torch.cat([-right, left], -1) * angles.sin()

    def forward(self, q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.turn(q), self.turn(k)


class LLaDALlamaBlock(nn.Module):
    def __init__(self, config: LLaDAConfig) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.d_model, config.mlp_hidden_size
        self.attn_norm = RMSLayerNorm(config)
        self.ff_norm = RMSLayerNorm(config)
        self.rotary_emb = RotaryEmbedding(config)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.attn_out = nn.Linear(width, width, bias=False)
        self.ff_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.ff_out = nn.Linear(hidden, width, bias=False)
        self.act = nn.SiLU()

    def attention(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        attention_bias: torch.Tensor | None = None,
        layer_past: Any = None,
        use_cache: bool = False,  # noqa: FBT001, FBT002 (as the bridge calls it)
    ) -> tuple[torch.Tensor, None]:
        rows, tokens, width = q.shape
        q, k, v = (x.view(rows, tokens, self.config.n_heads, -1).transpose(1, 2) for x in (q, k, v))
        q, k = self.rotary_emb(q, k)
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(rows, tokens, width)
        return self.attn_out(mixed), None

    def forward(
        self, x: torch.Tensor, attention_bias: torch.Tensor | None = None, **_: Any
    ) -> tuple[torch.Tensor, None]:
        normed = self.attn_norm(x)
        mixed, _ = self.attention(self.q_proj(normed), self.k_proj(normed), self.v_proj(normed))
        x = x + mixed
        normed = self.ff_norm(x)
        return x + self.ff_out(self.act(self.ff_proj(normed)) * self.up_proj(normed)), None


class LLaDAModel(nn.Module):
    def __init__(self, config: LLaDAConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.embedding_size, config.d_model),
                "blocks": nn.ModuleList(LLaDALlamaBlock(config) for _ in range(config.n_layers)),
                "ln_f": RMSLayerNorm(config),
                "ff_out": nn.Linear(config.d_model, config.embedding_size, bias=False),
            }
        )

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        x = self.transformer["wte"](input_ids)
        for block in self.transformer["blocks"]:
            x, _ = block(x)
        return self.transformer["ff_out"](self.transformer["ln_f"](x))


class LLaDAModelLM(PreTrainedModel):
    config_class = LLaDAConfig
    base_model_prefix = "model"
    _no_split_modules = ["LLaDALlamaBlock"]  # noqa: RUF012 (as transformers has it)

    def __init__(self, config: LLaDAConfig, model: LLaDAModel | None = None, **_: Any) -> None:
        super().__init__(config)
        self.model = model or LLaDAModel(config)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        use_cache: Any = None,
        return_dict: Any = None,
    ) -> Any:
        if use_cache is None:
            use_cache = self.config.use_cache
        if return_dict is None:
            return_dict = self.config.use_return_dict
        logits = self.model(input_ids)
        return CausalLMOutputWithPast(logits=logits) if return_dict else (logits,)

    def can_generate(self) -> bool:
        return True

    def prepare_inputs_for_generation(self, input_ids: torch.Tensor, **_: Any) -> dict[str, Any]:
        """With it transformers makes a subclass, to which it adds `generate`."""
        return {"input_ids": input_ids}

    def get_input_embeddings(self) -> nn.Module:
        return self.model.transformer["wte"]

    def get_output_embeddings(self) -> nn.Module:
        return self.model.transformer["ff_out"]

    def tie_weights(self) -> None:
        if self.config.weight_tying:
            self.model.transformer["ff_out"] = self.model.transformer["wte"]
