from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import GptOssConfig, GptOssForCausalLM

from analysis.attention import decoder_masks, encoder_masks
from analysis.errors import ModelIncompatible
from analysis.events import SelfCheck
from analysis.loading import self_check
from analysis.loading.self_check import CHECK_TEXT, check_picture
from analysis.model import ImagePipeline, Model
from analysis.model.masked_diffusion import MaskedDiffusion
from tests.drain import drain
from tests.families import TEXT
from tests.gaps import gaps
from tests.load_folder import checked, load_folder, plain_logits
from tests.tiny_models import byte_tokenizer, save, spread

Bridge = Callable[..., Any]


def check_of(model: Model) -> SelfCheck:
    return drain(self_check(model))[1]


def test_the_self_check_passes_with_the_differences_that_are_there(model: Model) -> None:
    check = check_of(model)
    assert check == model.info.self_check
    assert check is not None
    assert check.passed
    ids = model.tokenizer(CHECK_TEXT, return_tensors="pt").input_ids[:, : model.info.context]
    plain = plain_logits(model, input_ids=ids)
    with torch.inference_mode():
        seen = torch.zeros(1, 1, ids.shape[1], ids.shape[1]) + torch.triu(
            torch.full((ids.shape[1],) * 2, -torch.inf), 1
        )
        masked = (model.plain(ids, attention_mask=seen).logits - plain).abs().max().item()
        fast = (model.plain(ids).logits - plain).abs().max().item()
    assert check.max_abs_difference == pytest.approx(masked, abs=1e-7)
    assert set(check.abilities) == {"masks", "weights", "positions", "gradients", "hooks"}
    assert not any(check.abilities.values())
    assert check.max_abs_difference_fast == pytest.approx(fast, abs=1e-7)
    assert check.tolerance == pytest.approx(1e-4 * max(1, plain.abs().max().item()))
    assert check.tokens == ids.shape[1]


def test_each_forward_pass_of_the_self_check_is_an_event(model: Model) -> None:
    found, check = gaps(model, self_check(model))
    assert check == model.info.self_check
    assert max(found) == 1
    assert sum(found) > 10


@pytest.mark.parametrize("name", ["bert", "llada", "dream", "llava"])
def test_so_it_is_for_other_kinds_of_models(every: Callable[[str], Model], name: str) -> None:
    model = every(name)
    found, check = gaps(model, self_check(model))
    assert check == model.info.self_check
    assert max(found) == 1
    assert sum(found) > 2


def test_a_self_check_that_is_stopped_leaves_the_model_as_it_was(model: Model) -> None:
    _, expected = gaps(model, self_check(model))
    for events in range(1, 20):
        steps = self_check(model)
        for _ in zip(range(events), steps, strict=False):
            pass
        steps.close()
        assert torch.is_grad_enabled()
        assert model.plain.config._attn_implementation == "sdpa"
    assert check_of(model) == expected


def test_after_the_self_check_the_plain_model_runs_sdpa(model: Model) -> None:
    check_of(model)
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


@pytest.mark.parametrize(
    ("change", "why"),
    [(lambda one: one + 0.25, "differ by 3e-01"), (lambda one: one * torch.nan, "nan")],
)
def test_hooks_that_change_logits_are_reported(
    folder: Path,
    corrupt: Callable[[Bridge], None],
    change: Callable[[torch.Tensor], torch.Tensor],
    why: str,
) -> None:
    corrupt(with_logits(change))
    check = checked(folder)
    assert why in check.abilities["hooks"]
    assert check.passed  # no method reads them


def test_a_bridge_that_cannot_be_built_is_reported(
    folder: Path, corrupt: Callable[[Bridge], None]
) -> None:
    def refuse(bridge: Any) -> Any:
        raise AssertionError

    corrupt(refuse)
    assert "AssertionError" in checked(folder).abilities["hooks"]


def without_effect(
    layer: int, module: Any, args: Any, kwargs: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    return args, kwargs


def test_masks_that_hide_nothing_are_reported_and_refused(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        decoder_masks,
        "_mask_hook",
        lambda mask, layer, window, *given: without_effect(layer, *given),
    )
    check = check_of(model)
    assert "one hidden token and with another differ" in check.abilities["masks"]
    assert "A token that is hidden has attention." in check.abilities["weights"]
    assert "behind another and alone differ" in check.abilities["positions"]
    found = replace(model, info=model.info.model_copy(update={"self_check": check}))
    with pytest.raises(ModelIncompatible, match="one hidden token"):
        found.require("gradients", "masks")


def test_gradients_that_do_not_arrive_are_reported(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = Model.logits
    monkeypatch.setattr(Model, "logits", lambda *a, **k: logits(*a, **k).detach())
    assert "does not require grad" in check_of(model).abilities["gradients"]


def test_sdpa_that_gives_other_numbers_is_not_used(tmp_path: Path) -> None:
    """SDPA of a Falcon with ALiBi ignores the scale that eager attention gives its bias."""
    torch.manual_seed(0)
    falcon = spread(TEXT["Falcon RW (ALiBi)"]().eval())
    model = load_folder(save(falcon, byte_tokenizer(), tmp_path / "falcon"))
    check = model.info.self_check
    assert check is not None
    assert check.passed
    assert "eager attention is used" in check.message
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        found = model.logits(ids, torch.arange(4))
    torch.testing.assert_close(found, plain_logits(model, input_ids=ids))


def test_without_hooks_a_masked_model_is_checked_by_its_fast_routes(
    every: Callable[[str], Model],
) -> None:
    check = every("modernbert").info.self_check
    assert check is not None
    assert check.message == "There are no hooks for a ModernBertForMaskedLM."
    assert "SDPA" in check.compared
    assert check.max_abs_difference == check.max_abs_difference_fast > 0


@pytest.mark.parametrize("name", ["bert", "roberta", "modernbert"])
def test_rows_of_a_masked_model_that_score_another_token_fail_the_check(
    every: Callable[[str], Model], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_of(every(name)).passed
    monkeypatch.setattr(MaskedDiffusion, "_rows", one_to_the_left)
    assert not check_of(every(name)).passed


@pytest.mark.parametrize("name", ["llada", "dream"])
def test_rows_of_a_diffusion_model_that_score_another_token_fail_the_check(
    every: Callable[[str], Model], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_of(every(name)).passed
    monkeypatch.setattr(MaskedDiffusion, "_rows", one_to_the_left)
    check = check_of(every(name))
    assert not check.passed
    assert min(check.max_abs_difference, check.max_abs_difference_fast) > check.tolerance


def one_to_the_left(
    adapter: MaskedDiffusion, tokens: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    return (positions - adapter.shift - 1).clamp(min=0).expand(len(tokens), -1)


@pytest.mark.parametrize("name", ["llava", "qwen2-5-vl"])
def test_the_hooks_of_a_vision_language_model_read_what_plain_transformers_does(
    every: Callable[[str], Model], name: str
) -> None:
    check = every(name).info.self_check
    assert check is not None
    assert check.max_abs_difference == 0.0
    image_token = every(name).plain.config.image_token_id
    inputs = every(name).inputs(check_picture(), CHECK_TEXT)  # type: ignore[attr-defined]
    assert (inputs["input_ids"] == image_token).sum() == 16
    assert check.tokens == inputs["input_ids"].shape[1]


def test_a_vision_language_model_whose_hooks_ignore_the_picture_fails_the_check(
    every: Callable[[str], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = every("llava")
    bridge = model.bridge
    monkeypatch.setitem(
        model.__dict__,
        "bridge",
        lambda ids, **inputs: bridge(ids, **{**inputs, "pixel_values": -inputs["pixel_values"]}),
    )
    check = check_of(model)
    assert not check.passed
    assert check.max_abs_difference > 0.01


@pytest.mark.parametrize("name", ["flux", "sd3"])
def test_every_text_encoder_of_a_pipeline_is_checked(
    every: Callable[[str], Model], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = every(name)
    assert isinstance(model, ImagePipeline)
    for spoilt, _ in model.encoders.values():
        run = encoder_masks.run_with_cuts

        def shifted(encoder: Any, *args: Any, spoilt: Any = spoilt, run: Any = run) -> Any:
            states = run(encoder, *args)
            return replace(states, final_BND=states.final_BND + (encoder is spoilt))

        with monkeypatch.context() as patch:
            patch.setattr(encoder_masks, "run_with_cuts", shifted)
            check = check_of(model)
        assert not check.passed
        assert check.max_abs_difference == pytest.approx(1, abs=1e-4)
    assert check_of(model).max_abs_difference == 0.0
