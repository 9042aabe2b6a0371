"""The same model and method in several dtypes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import analysis
from analysis import runner
from analysis.catalog.dtypes import AUTO, DTYPES, check_dtype
from analysis.catalog.entries import Catalog
from analysis.errors import InvalidParams, ModelIncompatible
from analysis.events import ModelInfo
from analysis.loading import ModelCache, load
from tests.load_folder import load_folder

HALVES = ("bfloat16", "float16")
SEGMENTS = [{"id": "a", "text": "Anna has the book."}, {"id": "b", "text": "Tom is in the hall."}]
GRAPH = {
    "segments": SEGMENTS, "edges": [{"source": "a", "target": "b"}], "question": "Who has it?",
    "answer": " Anna has the book, and Tom is there.", "permutations": 0,
}  # fmt: skip


@pytest.fixture(scope="module", params=["tiny-llama", "tiny-gpt2"])
def half(
    request: pytest.FixtureRequest, model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model whose weights each dtype can hold, so that dtypes differ by rounding alone."""
    root = tmp_path_factory.mktemp("halves")
    folder = Path(shutil.copytree(model_dir / request.param, root / request.param))
    weights = load_file(folder / "model.safetensors")
    rounded = {name: weight.bfloat16() for name, weight in weights.items()}
    save_file(rounded, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> ModelCache:
    own = ModelCache(2**30)
    monkeypatch.setattr(runner, "model_cache", lambda: own)
    return own


def answers(folder: Path, dtype: str) -> tuple[ModelInfo, list[float]]:
    """The loaded model, and the most probable token's log-probability in modes of Graph-KV."""
    catalog = Catalog(model_dirs=(folder.parent,))
    events: list[Any] = list(
        analysis.run("graph_kv", model=folder.name, params=GRAPH, catalog=catalog, dtype=dtype)
    )
    [info] = [event.info for event in events if event.kind == "model"]
    return info, [e.alternatives[0].logprob for e in events if e.kind == "arrangement"]


def test_a_method_in_another_dtype_differs_by_the_rounding_that_is_told(
    half: Path, cache: ModelCache
) -> None:
    whole, expected = answers(half, "float32")
    assert whole.dtype == "float32"
    for dtype in HALVES:
        info, found = answers(half, dtype)
        assert info.dtype == dtype
        assert info.self_check is not None
        assert info.self_check.passed
        told = info.self_check.rounding_nats
        assert told is not None
        apart = (torch.tensor(found) - torch.tensor(expected)).abs().max()
        assert whole.self_check is not None
        assert (whole.self_check.rounding_nats or 1) < told / 20
        assert told / 20 < float(apart) <= 2 * told  # not a copy of float32, and rounding alone


@pytest.mark.parametrize("name", ["llava", "bert", "sd3"])
@pytest.mark.parametrize("dtype", HALVES)
def test_each_kind_of_model_is_loaded_in_the_dtype_that_is_asked_for(
    every: Callable[[str], Any], name: str, dtype: Any
) -> None:
    model = load_folder(every(name).path, dtype)
    assert model.info.dtype == dtype
    check = model.info.self_check
    assert check is not None
    assert check.passed
    wanted = getattr(torch, dtype)
    named = [pair for part in model.modules for pair in part.named_parameters()]
    others = [key for key, weight in named if weight.dtype != wanted]
    assert all(".wo." in key for key in others)  # which T5 keeps in float32 beside float16
    assert len(others) < len(named) / 4


def test_code_that_mixes_dtypes_is_refused_with_the_remedy(every: Callable[[str], Any]) -> None:
    path = every("llada").path
    trusted = frozenset({f"{path.name}@{every('llada').info.revision}"})
    with pytest.raises(ModelIncompatible, match="llada cannot be computed in bfloat16") as caught:
        load_folder(path, "bfloat16", trusted_remote_code=trusted)
    assert caught.value.field == "dtype"
    assert "float32" in caught.value.remedy
    assert str(path) not in caught.value.message


def test_auto_and_the_dtype_that_it_stands_for_are_one_model(
    catalog: Catalog, cache: ModelCache
) -> None:
    for dtype in ("auto", "float32", "bfloat16", "bfloat16"):
        list(load("tiny-llama", catalog=catalog, cache=cache, dtype=check_dtype(dtype)))
    assert sorted(model.info.dtype for model in cache.models.values()) == ["bfloat16", "float32"]


@pytest.mark.parametrize("name", ["float8", "", "Float32"])
def test_another_dtype_is_refused_before_anything_is_loaded(name: str, catalog: Catalog) -> None:
    with pytest.raises(InvalidParams, match="the choices are auto, float32") as caught:
        analysis.run("inspect", model="tiny-llama", params={}, catalog=catalog, dtype=name)
    assert caught.value.field == "dtype"


def test_auto_is_the_first_choice() -> None:
    assert DTYPES[0] == AUTO
