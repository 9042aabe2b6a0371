"""Logits that are no numbers are refused where they come in, with the weight at fault."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import analysis
from analysis.catalog.entries import folder_entry
from analysis.errors import ModelNumbers
from analysis.model.finite import refuse_not_finite

WEIGHT = "model.layers.1.mlp.down_proj.weight"
TEXT = {"prompt": "Anna has the ball", "max_new_tokens": 2}
SEGMENTS = {"segments": [{"text": "Anna has the ball."}, {"text": "Tom sits."}]}
QUESTION = {**SEGMENTS, "question": "Who has the ball?", "answer": " Anna"}


def spoiled(folder: Path, value: float, *, whole: bool = False) -> Path:
    file = folder / "model.safetensors"
    weights = dict(load_file(file))
    weights[WEIGHT][... if whole else (0, 0)] = value
    save_file(weights, file, {"format": "pt"})
    return folder


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("reagent", TEXT),
        ("reagent", {**TEXT, "temperature": 1.0}),
        ("reagent", {"prompt": "Anna has the ball", "continuation": " and Tom"}),
        ("cntp", TEXT),
        ("information_flow", TEXT),
        ("graph_kv", QUESTION),
    ],
)
def test_every_method_names_the_weight(
    copy: Callable[..., Path], method: str, params: dict[str, Any], value: float
) -> None:
    folder = spoiled(copy(), value)
    with pytest.raises(ModelNumbers, match=r"logits .* not finite .*down_proj\.weight") as found:
        list(analysis.run(method, model=folder_entry(folder), params=params))
    assert (found.value.field, found.value.code) == ("model", "model_numbers")
    assert found.value.remedy


def test_an_overflow_of_finite_weights_is_said(copy: Callable[..., Path]) -> None:
    folder = spoiled(copy(), 3e38, whole=True)
    with pytest.raises(ModelNumbers, match="overflows in float32"):
        list(analysis.run("reagent", model=folder_entry(folder), params=TEXT))


def test_a_token_that_is_ruled_out_is_no_fault() -> None:
    logits = torch.tensor([[[0.0, -torch.inf, 1.0]]])
    refuse_not_finite(logits, ())
    refuse_not_finite(logits[:, :0], ())
    for bad in (torch.nan, torch.inf):
        with pytest.raises(ModelNumbers):
            refuse_not_finite(torch.tensor([[[0.0, bad, 1.0]]]), ())
    with pytest.raises(ModelNumbers):
        refuse_not_finite(torch.full((1, 1, 3), -torch.inf), ())
