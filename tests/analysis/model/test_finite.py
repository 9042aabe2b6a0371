"""Logits that are no numbers are refused where they come in, with the weight at fault."""

import re
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import analysis
from analysis.catalog.entries import folder_entry
from analysis.errors import NotFinite
from analysis.model.finite import refuse_not_finite
from tests.load_folder import load_folder

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
    with pytest.raises(NotFinite, match=r"logits .* not finite .*down_proj\.weight") as found:
        list(analysis.run(method, model=folder_entry(folder), params=params))
    assert (found.value.field, found.value.code) == ("model", "not_finite")
    assert found.value.remedy


def test_an_overflow_of_finite_weights_is_said(copy: Callable[..., Path]) -> None:
    folder = spoiled(copy(), 3e38, whole=True)
    with pytest.raises(NotFinite, match="overflows in float32"):
        list(analysis.run("reagent", model=folder_entry(folder), params=TEXT))


def test_a_token_that_is_ruled_out_is_no_fault() -> None:
    logits = torch.tensor([[[0.0, -torch.inf, 1.0]]])
    refuse_not_finite(logits, ())
    refuse_not_finite(logits[:, :0], ())
    for bad in (torch.nan, torch.inf):
        with pytest.raises(NotFinite):
            refuse_not_finite(torch.tensor([[[0.0, bad, 1.0]]]), ())
    with pytest.raises(NotFinite):
        refuse_not_finite(torch.full((1, 1, 3), -torch.inf), ())


EACH = [
    ("reagent", "llama", TEXT),
    ("cntp", "llama", TEXT),
    ("information_flow", "llama", TEXT),
    ("graph_kv", "llama", QUESTION),
    ("local_leap", "bert", {"prompt": "Anna has", "canvas_length": 8, "block": 8}),
    ("seg_similarity", "llava", {"max_new_tokens": 2, "causal": False}),
    ("information_flow", "sd3", {"prompt": "a red circle", "steps": 1, "size": 16}),
]


def grown(folder: Path, pattern: str, factor: float) -> Path:
    """Weights of that name are so much larger: finite, but their products leave float16."""
    for file in sorted(folder.rglob("*.safetensors")):
        weights = dict(load_file(file))
        for name in weights:
            if re.search(pattern, name):
                weights[name] = np.full_like(weights[name], factor)
        save_file(weights, file, {"format": "pt"})
    return folder


@pytest.mark.parametrize(("method", "kind", "params"), EACH)
def test_an_overflow_of_float16_names_layer_and_token_and_another_dtype(
    every: Callable[[str], Any], tmp_path: Path, method: str, kind: str, params: dict[str, Any]
) -> None:
    folder = Path(copytree(every(kind).path, tmp_path / kind))
    grown(
        folder,
        r"(layers?|block)\.1\..*(down_proj|output\.dense|wo)\.weight|text_model\S+layers\.1\S+fc2\.weight",
        6e4,
    )
    entry = folder_entry(folder)
    with pytest.raises(NotFinite) as found:
        list(analysis.run(method, model=entry, params=params, dtype="float16"))
    told = found.value.message
    assert "overflows in" in told
    assert "float16" in told
    at = r"first in layer 2 \(.+\), at token \d+\.$"
    if kind == "sd3":  # its denoiser overflows by what it is given
        at = r"first in transformer\.\S+\.$"
    assert re.search(at, told), told
    assert "bfloat16 or float32" in found.value.remedy
    assert (found.value.code, found.value.field) == ("not_finite", "dtype")


@pytest.mark.parametrize(("method", "kind", "params"), EACH[4:])
def test_a_weight_of_another_kind_of_model_is_named(
    every: Callable[[str], Any], tmp_path: Path, method: str, kind: str, params: dict[str, Any]
) -> None:
    folder = Path(copytree(every(kind).path, tmp_path / kind))
    grown(folder, r"layers?\.1\.(.*\.)?layer_?norm\w*2?\.weight|LayerNorm\.weight", np.nan)
    with pytest.raises(NotFinite, match=r"its weight \S*[nN]orm\S* holds NaN in float32") as found:
        list(analysis.run(method, model=folder_entry(folder), params=params))
    assert "another copy" in found.value.remedy


def test_the_layer_and_token_are_those_of_the_first_bad_number(copy: Callable[..., Path]) -> None:
    """With and without tokens that an earlier pass has read."""
    model = load_folder(copy())
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    cache = model.forward(input_ids=ids[:, :2], use_cache=True).past_key_values

    def spoil(_: Any, __: Any, output: torch.Tensor) -> torch.Tensor:
        output[:, -3] = torch.inf
        return output

    model.plain.get_submodule("model.layers.1.mlp").register_forward_hook(spoil)
    place = r"overflows in float32, first in layer 2 \(model\.layers\.1\.mlp\), at token 3\."
    with pytest.raises(NotFinite, match=place):
        model.logits(ids, torch.arange(5))
    with pytest.raises(NotFinite, match=place):
        model.forward(input_ids=ids[:, 2:], past_key_values=cache, use_cache=True)


def test_an_embedding_that_is_no_number_is_named_with_its_token(copy: Callable[..., Path]) -> None:
    model = load_folder(copy())
    with torch.no_grad():
        model.plain.get_input_embeddings().weight[7] = torch.nan
    place = r"embed_tokens\.weight holds NaN in float32, first in model\.embed_tokens, at token 3"
    with pytest.raises(NotFinite, match=place):
        model.logits(torch.tensor([[5, 6, 7, 8, 9]]), torch.arange(5))
