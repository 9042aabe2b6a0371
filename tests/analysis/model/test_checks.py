from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import GptOssConfig, GptOssForCausalLM

from analysis.model import Model, self_check
from analysis.model.checks import CHECK_TEXT
from tests.load_folder import checked, load_folder, plain_logits

Bridge = Callable[..., Any]


def test_the_self_check_passes_with_the_differences_that_are_there(model: Model) -> None:
    check = self_check(model)
    assert check == model.info.self_check
    assert check is not None
    assert check.passed
    ids = model.tokenizer(CHECK_TEXT, return_tensors="pt").input_ids[:, : model.info.context]
    plain = plain_logits(model, input_ids=ids)
    with torch.inference_mode():
        hooked = (model.bridge(ids) - plain).abs().max().item()
        fast = (model.plain(ids).logits - plain).abs().max().item()
    assert check.max_abs_difference == pytest.approx(hooked, abs=1e-7)
    assert check.max_abs_difference_fast == pytest.approx(fast, abs=1e-7)
    assert check.tolerance == pytest.approx(1e-4 * max(1, plain.abs().max().item()))
    assert check.tokens == ids.shape[1]


def test_after_the_self_check_the_plain_model_runs_sdpa(model: Model) -> None:
    self_check(model)
    assert model.plain.config._attn_implementation == "sdpa"


def test_an_architecture_without_sdpa_is_checked_too(folder: Path) -> None:
    config = GptOssConfig(
        vocab_size=311, hidden_size=32, intermediate_size=32, num_hidden_layers=1, head_dim=8,
        num_attention_heads=4, num_key_value_heads=2, num_local_experts=2, num_experts_per_tok=1,
        max_position_embeddings=96, layer_types=["full_attention"],
    )  # fmt: skip
    GptOssForCausalLM(config).save_pretrained(folder)
    assert checked(folder).passed
    assert load_folder(folder).plain.config._attn_implementation == "eager"


@pytest.fixture
def corrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bridge], None]:
    """Change every bridge that is built from now on."""

    def change(how: Bridge) -> None:
        boot = TransformerBridge.boot_transformers
        monkeypatch.setattr(
            TransformerBridge, "boot_transformers", lambda *a, **k: how(boot(*a, **k))
        )

    return change


def with_logits(change: Callable[[torch.Tensor], torch.Tensor]) -> Bridge:
    def alter(bridge: Any) -> Any:
        bridge.add_hook("unembed.hook_out", lambda logits, hook: change(logits))
        return bridge

    return alter


def test_hooks_that_shift_the_logits_fail_the_check(
    folder: Path, corrupt: Callable[[Bridge], None]
) -> None:
    corrupt(with_logits(lambda logits: logits + 0.25))
    check = checked(folder)
    assert not check.passed
    assert check.max_abs_difference == pytest.approx(0.25, abs=1e-4)


def test_logits_that_are_no_numbers_fail_the_check(
    folder: Path, corrupt: Callable[[Bridge], None]
) -> None:
    corrupt(with_logits(lambda logits: logits * torch.nan))
    check = checked(folder)
    assert not check.passed
    assert "not finite" in check.message


def test_a_bridge_that_cannot_be_built_is_reported(
    folder: Path, corrupt: Callable[[Bridge], None]
) -> None:
    def refuse(bridge: Any) -> Any:
        raise AssertionError

    corrupt(refuse)
    check = checked(folder)
    assert not check.passed
    assert "AssertionError" in check.message
