from typing import Any

import pytest
import torch

from analysis.model import Model


def test_bridge_and_plain_model_hold_one_set_of_weights(model: Model) -> None:
    plain = {weight.untyped_storage().data_ptr() for weight in model.plain.parameters()}
    hooked = {weight.untyped_storage().data_ptr() for weight in model.bridge.parameters()}
    assert hooked == plain


def test_a_hook_acts_within_its_context_alone(model: Model, ids: torch.Tensor) -> None:
    before = model.bridge(ids)
    seen: list[tuple[int, ...]] = []

    def look(residual: torch.Tensor, hook: Any) -> torch.Tensor:
        seen.append(tuple(residual.shape))
        return residual * 0

    with model.hooks([("blocks.0.hook_resid_post", look)]):
        assert not torch.equal(model.bridge(ids), before)
    assert seen == [(2, 9, model.info.width)]
    assert torch.equal(model.bridge(ids), before)


def test_a_hook_goes_when_its_context_fails(model: Model, ids: torch.Tensor) -> None:
    before = model.bridge(ids)

    def fail(residual: torch.Tensor, hook: Any) -> torch.Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), model.hooks([("blocks.1.hook_resid_post", fail)]):
        model.bridge(ids)
    assert torch.equal(model.bridge(ids), before)
