import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import Field

import analysis
from analysis import method as registry
from analysis import runner
from analysis.catalog.entries import Catalog, folder_entry
from analysis.errors import (
    GlassbenchError,
    InvalidParams,
    ModelIncompatible,
    OutOfMemory,
    UnknownMethod,
    UnknownModel,
)
from analysis.events import Event, ModelLoaded, Progress
from analysis.loading import ModelCache
from analysis.method import Method
from analysis.model import Model
from analysis.run_context import RunContext
from analysis.text.context import TextParams

Run = Callable[[Model, Any], Iterator[Event]]


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> ModelCache:
    """A cache of this test alone."""
    own = ModelCache(2**30)
    monkeypatch.setattr(runner, "model_cache", lambda: own)
    return own


@pytest.fixture
def add_method(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Put a method named "own" into the registry."""
    known = registry.get

    def add(run: Run) -> None:
        own = Method("own", "Own.", "", "1", ("causal_lm",), TextParams, (), (), run)
        monkeypatch.setattr(registry, "get", lambda stem: own if stem == "own" else known(stem))

    return add


def run_own(catalog: Catalog, **params: Any) -> Iterator[Event]:
    return analysis.run(
        "own", model="tiny-llama", params={"prompt": "Anna", **params}, catalog=catalog
    )


class TwoKinds(TextParams):
    steps: int = Field(default=3, ge=1, le=9, json_schema_extra={"capability": "text_to_image"})


def test_a_param_for_another_kind_of_model_is_refused_once_the_model_is_known(
    catalog: Catalog, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = ("causal_lm", "text_to_image")
    own = Method("own", "Own.", "", "1", needs, TwoKinds, (), (), lambda *_: iter([step()]))
    monkeypatch.setattr(registry, "get", lambda _: own)
    assert list(run_own(catalog, steps=3))[-1] == step()
    with pytest.raises(InvalidParams, match="steps is for a text_to_image model"):
        list(run_own(catalog, steps=4))


def step() -> Progress:
    return Progress(stage="working", done=0, total=1, unit="steps")


def test_inspect_ends_with_the_model_and_its_self_check(
    catalog: Catalog, cache: ModelCache
) -> None:
    events = list(analysis.run("inspect", model="tiny-llama", params={}, catalog=catalog))
    stages = [event.stage for event in events if isinstance(event, Progress)]
    assert list(dict.fromkeys(stages)) == ["loading the model", "checking the hooks"]
    assert isinstance(events[-1], ModelLoaded)
    assert events[-1].info.id == "tiny-llama"
    assert events[-1].info.self_check is not None
    assert events[-1].info.self_check.passed


def test_a_folder_can_be_given_as_an_entry(model_dir: Path, cache: ModelCache) -> None:
    entry = folder_entry(model_dir / "tiny-gpt2")
    event = list(analysis.run("inspect", model=entry, params={}))[-1]
    assert isinstance(event, ModelLoaded)
    assert event.info.id == "tiny-gpt2"


def test_inspect_takes_no_params(catalog: Catalog) -> None:
    with pytest.raises(InvalidParams, match="'probes'"):
        analysis.run("inspect", model="tiny-llama", params={"probes": 5}, catalog=catalog)


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("unknown", {}, UnknownMethod),
        ("reagent", {}, InvalidParams),
        ("reagent", {"prompt": "Anna", "probes": 1}, InvalidParams),
        ("reagent", {"prompt": "Anna", "prompts": 1}, InvalidParams),
    ],
)
def test_wrong_params_are_refused_before_anything_is_loaded(
    catalog: Catalog, cache: ModelCache, method: str, params: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        analysis.run(method, model="tiny-llama", params=params, catalog=catalog)
    assert not cache.models


def test_an_unknown_model_is_refused_with_those_there_are(catalog: Catalog) -> None:
    with pytest.raises(UnknownModel) as caught:
        list(analysis.run("inspect", model="no-model", params={}, catalog=catalog))
    assert "tiny-llama" in caught.value.remedy


def test_a_model_without_the_capability_is_refused(catalog: Catalog, cache: ModelCache) -> None:
    with pytest.raises(ModelIncompatible, match="causal_lm"):
        list(analysis.run("reagent", model="tiny-bert", params={"prompt": "Anna"}, catalog=catalog))
    assert not cache.models


def exhaust_python() -> None:
    raise MemoryError


def exhaust_numpy() -> None:
    np.empty(2**55)


def exhaust_torch() -> None:
    torch.empty(2**55)


@pytest.mark.parametrize("exhaust", [exhaust_python, exhaust_numpy, exhaust_torch])
def test_memory_that_runs_out_is_a_typed_error_and_the_next_run_works(
    catalog: Catalog, add_method: Callable[[Run], None], exhaust: Callable[[], None]
) -> None:
    def run(model: Model, params: TextParams, context: RunContext) -> Iterator[Event]:
        with model.hooks([("blocks.0.hook_resid_post", lambda residual, hook: residual * 0)]):
            yield step()
            if params.prompt == "too much":
                exhaust()

    add_method(run)
    with pytest.raises(OutOfMemory) as caught:
        list(run_own(catalog, prompt="too much"))
    assert caught.value.remedy
    assert list(run_own(catalog))[-1] == step()


def test_an_error_that_is_no_lack_of_memory_stays_what_it_is(
    catalog: Catalog, add_method: Callable[[Run], None]
) -> None:
    def run(model: Model, params: TextParams, context: RunContext) -> Iterator[Event]:
        yield step()
        raise RuntimeError("a defect")

    add_method(run)
    with pytest.raises(RuntimeError, match="a defect"):
        list(run_own(catalog))


def test_closing_a_run_takes_its_hooks_off_at_once(
    catalog: Catalog, add_method: Callable[[Run], None]
) -> None:
    used: list[Model] = []

    def run(model: Model, params: TextParams, context: RunContext) -> Iterator[Event]:
        used.append(model)
        with model.hooks([("blocks.0.hook_resid_post", lambda residual, hook: residual * 0)]):
            yield step()
            yield step()

    add_method(run)
    ids = torch.tensor([[0, 40, 41]])
    events = run_own(catalog)
    for event in events:
        if isinstance(event, Progress) and event.stage == "working":
            break
    gc.disable()  # a collection later would be too late
    try:
        hooked = used[0].bridge(ids)
        events.close()  # type: ignore[attr-defined]
        free = used[0].bridge(ids)
    finally:
        gc.enable()
    assert not torch.equal(hooked, free)
    assert torch.allclose(free, used[0].plain(ids).logits, atol=1e-4)


def test_a_method_can_load_a_second_model(
    catalog: Catalog, cache: ModelCache, add_method: Callable[[Run], None]
) -> None:
    seen: list[str] = []

    def run(model: Model, params: TextParams, context: RunContext) -> Iterator[Event]:
        second = yield from context.load_model("tiny-bert", needs=("masked_lm",))
        seen.append(second.info.id)

    add_method(run)
    events = list(run_own(catalog))
    assert seen == ["tiny-bert"]
    assert sum(isinstance(event, ModelLoaded) for event in events) == 1
    assert {key[0] for key in cache.models} == {"tiny-llama", "tiny-bert"}


def test_a_run_yields_events_alone(catalog: Catalog, add_method: Callable[[Run], None]) -> None:
    def run(model: Model, params: TextParams, context: RunContext) -> Iterator[Any]:
        yield step()

    add_method(run)
    assert all(isinstance(event, Event) for event in run_own(catalog))


def test_the_same_params_and_seed_give_the_same_events(catalog: Catalog) -> None:
    def events() -> list[Any]:
        params = {"prompt": "Anna has the ball.", "max_new_tokens": 2, "probes": 16, "draws": 1}
        found = analysis.run("reagent", model="tiny-llama", params=params, catalog=catalog)
        return [event.model_dump(mode="json") for event in found if not isinstance(event, Progress)]

    assert events() == events()


def test_an_error_can_be_sent_whole() -> None:
    error = InvalidParams("probes is 5; at least 16.", remedy="Give more.", field="probes")
    assert isinstance(error, GlassbenchError)
    assert error.as_dict() == {
        "code": "invalid_params",
        "message": "probes is 5; at least 16.",
        "remedy": "Give more.",
        "field": "probes",
    }


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = [
        kind for kind in GlassbenchError.__subclasses__() if kind.__module__ == "analysis.errors"
    ]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes) >= 12
    assert "error" not in codes
