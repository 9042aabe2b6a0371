"""Checkpoints whose quantized weights transformers reads alone, as published by its config keys."""

from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from analysis.catalog import formats
from analysis.catalog.metadata import read_metadata
from analysis.loading.quantized import loaded_bytes
from analysis.model import Model
from tests.load_folder import load_folder
from tests.tiny_models import byte_tokenizer, edit_config, make_llama, save, spread

LARGEST_FP8 = 448
FP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
BLOCK = 32  # values that share a scale of MXFP4, two to a byte


def assert_passed(model: Model) -> None:
    assert model.info.dtype == "float32"
    assert all(weight.dtype == torch.float32 for weight in model.plain.parameters())
    assert model.info.self_check is not None
    assert model.info.self_check.passed
    metadata = read_metadata(model.path)
    assert metadata.parameters == model.info.parameters
    assert loaded_bytes(model.path, metadata) == 4 * model.info.parameters


def test_fp8_is_read_as_its_values_times_their_scales(tmp_path: Path) -> None:
    """DeepSeek's and Qwen's form: float8_e4m3fn and the inverse scale of each block."""
    folder = make_llama(tmp_path / "fp8")
    stored = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        stored[name] = weight
        if name.endswith("proj.weight"):
            scale = weight.abs().max() / LARGEST_FP8
            stored[name] = (weight / scale).to(torch.float8_e4m3fn)
            stored[f"{name}_scale_inv"] = scale.reshape(1, 1)
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    edit_config(
        folder,
        quantization_config={
            "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
            "weight_block_size": [128, 128],
        },
    )  # fmt: skip
    model = load_folder(folder)
    assert_passed(model)
    name = "model.layers.1.self_attn.q_proj.weight"
    read = dict(model.plain.named_parameters())[name]
    assert torch.equal(read, stored[name].float() * stored[f"{name}_scale_inv"])


def make_gpt_oss(folder: Path) -> Path:
    config = transformers.GptOssConfig(
        vocab_size=320, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_local_experts=4,
        num_experts_per_tok=2, max_position_embeddings=96, bos_token_id=0, eos_token_id=1,
        pad_token_id=2, layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    torch.manual_seed(0)
    return save(spread(transformers.GptOssForCausalLM(config)), byte_tokenizer(), folder)


def test_mxfp4_is_read_as_its_values_times_their_scales(tmp_path: Path) -> None:
    """OpenAI's form of gpt-oss: experts as two values to a byte, an exponent for each 32."""
    folder = make_gpt_oss(tmp_path / "mxfp4")
    generator = torch.Generator().manual_seed(1)
    stored = load_file(folder / "model.safetensors")
    for name in [name for name in stored if name.endswith(("gate_up_proj", "down_proj"))]:
        experts, width, out = stored.pop(name).shape
        shape = (experts, out, width // BLOCK, BLOCK // 2)
        blocks = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        stored[f"{name}_blocks"] = blocks
        stored[f"{name}_scales"] = torch.full(shape[:-1], 124, dtype=torch.uint8)
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    kept = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens"]
    edit_config(
        folder,
        quantization_config={"quant_method": "mxfp4", "modules_to_not_convert": [*kept, "lm_head"]},
    )
    model = load_folder(folder)
    assert_passed(model)
    name = "model.layers.0.mlp.experts.down_proj"
    blocks = stored[f"{name}_blocks"].long()
    values = FP4[torch.stack([blocks % 16, blocks // 16], -1)] * 2.0 ** (124 - 127)
    expected = values.flatten(2).transpose(1, 2)
    assert torch.equal(dict(model.plain.named_parameters())[name], expected)


GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32}
PACKED = {
    "qweight": torch.zeros(4, 32, dtype=torch.int32),
    "qzeros": torch.zeros(1, 4, dtype=torch.int32),
    "scales": torch.zeros(1, 32),
    "g_idx": torch.zeros(32, dtype=torch.int32),
}


def test_packed_weights_are_counted_each_and_held_as_they_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_llama(tmp_path / "packed")
    whole = read_metadata(folder).parameters
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.0.self_attn.q_proj"
    assert weights.pop(f"{name}.weight").shape == (32, 32)
    weights |= {f"{name}.{part}": value for part, value in PACKED.items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    edit_config(folder, quantization_config=GPTQ)
    monkeypatch.setattr(formats, "is_installed", lambda _: True)
    metadata = read_metadata(folder)
    assert metadata.parameters == whole
    stored = (folder / "model.safetensors").stat().st_size
    assert loaded_bytes(folder, metadata) == metadata.bytes == stored
