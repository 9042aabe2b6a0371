"""A tiny model of each family of docs/models.md: the real class, the real layout of its attention.

Each maker returns a model with random weights whose vocabulary is `VOCABULARY`.
"""

from collections.abc import Callable
from typing import Any

import transformers as hf

VOCABULARY = 320
SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip
WIDE = {**SIZES, "intermediate_size": 64, "max_position_embeddings": 128}
GROUPED = {**WIDE, "num_key_value_heads": 2}
ENDS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
LLAMA3 = {
    "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64, "rope_theta": 500000.0,
}  # fmt: skip
LONG_ROPE = {
    "rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0, 3.0, 4.0, 5.0],
    "rope_theta": 10000.0, "original_max_position_embeddings": 64,
}  # fmt: skip
EXPERTS = {"num_experts_per_tok": 2}

Make = Callable[[], hf.PreTrainedModel]


def _of(model: Any, config: Any, **values: Any) -> Make:
    def make() -> hf.PreTrainedModel:
        made: hf.PreTrainedModel = model(config(**values, **ENDS))
        return made

    return make


TEXT: dict[str, Make] = {
    "GPT-2": _of(
        hf.GPT2LMHeadModel, hf.GPT2Config,
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=128,
    ),
    "GPT-Neo": _of(
        hf.GPTNeoForCausalLM, hf.GPTNeoConfig, vocab_size=VOCABULARY, hidden_size=32, num_layers=2,
        num_heads=4, attention_types=[[["global", "local"], 1]], window_size=16,
        max_position_embeddings=128,
    ),
    "GPT-NeoX (Pythia)": _of(hf.GPTNeoXForCausalLM, hf.GPTNeoXConfig, **WIDE, rotary_pct=0.25),
    "GPT-J": _of(
        hf.GPTJForCausalLM, hf.GPTJConfig,
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=128, rotary_dim=4,
    ),
    "OPT": _of(
        hf.OPTForCausalLM, hf.OPTConfig,
        **SIZES, ffn_dim=64, max_position_embeddings=128, word_embed_proj_dim=32,
    ),
    "OPT-350m": _of(
        hf.OPTForCausalLM, hf.OPTConfig, **SIZES, ffn_dim=64, max_position_embeddings=128,
        word_embed_proj_dim=16, do_layer_norm_before=False,
    ),
    "BLOOM": _of(
        hf.BloomForCausalLM, hf.BloomConfig,
        vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4,
    ),
    "MPT": _of(
        hf.MptForCausalLM, hf.MptConfig,
        vocab_size=VOCABULARY, d_model=32, n_heads=4, n_layers=2, max_seq_len=128,
    ),
    "Falcon": _of(
        hf.FalconForCausalLM, hf.FalconConfig, **SIZES, new_decoder_architecture=True,
        num_kv_heads=2, bias=False, parallel_attn=True, max_position_embeddings=128,
    ),
    "Falcon 7B": _of(
        hf.FalconForCausalLM, hf.FalconConfig, **SIZES, multi_query=True, bias=False,
        parallel_attn=True, max_position_embeddings=128,
    ),
    "Falcon RW (ALiBi)": _of(
        hf.FalconForCausalLM, hf.FalconConfig, **SIZES, alibi=True, multi_query=False, bias=True,
        parallel_attn=False, max_position_embeddings=128,
    ),
    "Phi-2": _of(
        hf.PhiForCausalLM, hf.PhiConfig, **WIDE, partial_rotary_factor=0.5,
    ),
    "Phi-3": _of(
        hf.Phi3ForCausalLM, hf.Phi3Config, **{**GROUPED, "max_position_embeddings": 256},
        original_max_position_embeddings=64, rope_parameters=LONG_ROPE,
    ),
    "Phi-4": _of(hf.Phi3ForCausalLM, hf.Phi3Config, **GROUPED),
    "Llama 2": _of(hf.LlamaForCausalLM, hf.LlamaConfig, **WIDE),
    "Llama 3": _of(hf.LlamaForCausalLM, hf.LlamaConfig, **GROUPED, rope_parameters=LLAMA3),
    "Llama 3.2": _of(
        hf.LlamaForCausalLM, hf.LlamaConfig,
        **GROUPED, rope_parameters=LLAMA3, tie_word_embeddings=True,
    ),
    "Mistral": _of(hf.MistralForCausalLM, hf.MistralConfig, **GROUPED, sliding_window=16),
    "Mixtral": _of(
        hf.MixtralForCausalLM, hf.MixtralConfig, **GROUPED, num_local_experts=4, **EXPERTS
    ),
    "Qwen 2.5": _of(
        hf.Qwen2ForCausalLM, hf.Qwen2Config, **GROUPED, tie_word_embeddings=True
    ),
    "Qwen 3": _of(hf.Qwen3ForCausalLM, hf.Qwen3Config, **GROUPED, head_dim=16),
    "Qwen 3 MoE": _of(
        hf.Qwen3MoeForCausalLM, hf.Qwen3MoeConfig, **GROUPED, head_dim=16,
        num_experts=4, moe_intermediate_size=32, **EXPERTS,
    ),
    "Gemma 1": _of(
        hf.GemmaForCausalLM, hf.GemmaConfig, **WIDE, num_key_value_heads=1, head_dim=8
    ),
    "Gemma 2": _of(
        hf.Gemma2ForCausalLM, hf.Gemma2Config, **GROUPED, head_dim=8, sliding_window=16,
        query_pre_attn_scalar=8,
    ),
    "Gemma 3": _of(
        hf.Gemma3ForCausalLM, hf.Gemma3TextConfig, **GROUPED, head_dim=8, sliding_window=16,
        query_pre_attn_scalar=8, layer_types=["sliding_attention", "full_attention"],
    ),
    "OLMo-2": _of(hf.Olmo2ForCausalLM, hf.Olmo2Config, **GROUPED),
    "Cohere": _of(hf.CohereForCausalLM, hf.CohereConfig, **GROUPED, use_qk_norm=True),
    "Cohere 2": _of(
        hf.Cohere2ForCausalLM, hf.Cohere2Config, **GROUPED, sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "gpt-oss": _of(
        hf.GptOssForCausalLM, hf.GptOssConfig, **GROUPED, head_dim=8, sliding_window=16,
        num_local_experts=4, layer_types=["sliding_attention", "full_attention"], **EXPERTS,
    ),
    "StableLM": _of(
        hf.StableLmForCausalLM, hf.StableLmConfig, **GROUPED, partial_rotary_factor=0.5
    ),
    "GLM-4": _of(
        hf.Glm4ForCausalLM, hf.Glm4Config, **GROUPED, head_dim=8, partial_rotary_factor=0.5
    ),
    "Granite": _of(hf.GraniteForCausalLM, hf.GraniteConfig, **GROUPED, residual_multiplier=0.22),
    "SmolLM 3": _of(hf.SmolLM3ForCausalLM, hf.SmolLM3Config, **GROUPED),
    "Persimmon": _of(hf.PersimmonForCausalLM, hf.PersimmonConfig, **WIDE),
    "DeepSeek V3": _of(
        hf.DeepseekV3ForCausalLM, hf.DeepseekV3Config, **{**WIDE, "num_key_value_heads": 4},
        kv_lora_rank=16, q_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8,
        n_routed_experts=4, n_shared_experts=1, n_group=1, topk_group=1, first_k_dense_replace=1,
        moe_intermediate_size=32, **EXPERTS,
    ),
    "Llama 4": _of(
        hf.Llama4ForCausalLM, hf.Llama4TextConfig, **GROUPED, head_dim=8, num_local_experts=4,
        intermediate_size_mlp=64, attention_chunk_size=16, num_experts_per_tok=1,
        interleave_moe_layer_step=1,
    ),
    "Qwen 3-Next": _of(
        hf.Qwen3NextForCausalLM, hf.Qwen3NextConfig, **GROUPED, head_dim=8,
        layer_types=["linear_attention", "full_attention"], linear_conv_kernel_dim=4,
        linear_key_head_dim=8, linear_value_head_dim=8, linear_num_key_heads=2,
        linear_num_value_heads=4, num_experts=4, moe_intermediate_size=32,
        shared_expert_intermediate_size=32, **EXPERTS,
    ),
}  # fmt: skip
