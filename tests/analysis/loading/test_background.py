"""A load that is stopped, as a run that is closed stops it."""

import importlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from analysis.catalog.entries import Catalog
from analysis.catalog.metadata import read_metadata
from analysis.errors import ModelUnreadable, OutOfMemory
from analysis.events import Event, ModelLoaded, Progress
from analysis.loading import ModelCache, background, load, loaded
from analysis.loading.read import Source, read
from analysis.model import Model
from tests.tiny_models import make_llama

Read = Callable[..., Model]
LOADING = importlib.import_module("analysis.loading.load")  # the package has its function


class SlowRead:
    """Replaces `read`: that of tiny-gpt2 ends when it is released."""

    def __init__(self, read: Read) -> None:
        self.read, self.begun, self.go_on = read, threading.Event(), threading.Event()
        self.ended: list[str] = []

    def __call__(self, source: Source) -> Model:
        if source.entry.id == "tiny-gpt2":
            self.begun.set()
            assert self.go_on.wait(30)
        model = self.read(source)
        self.ended.append(source.entry.id)
        return model


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowRead]:
    slow = SlowRead(LOADING.read)
    monkeypatch.setattr(LOADING, "read", slow)
    monkeypatch.setattr(background, "POLL_SECONDS", 0.02)
    yield slow
    slow.go_on.set()
    for thread in threading.enumerate():
        if thread.name == "reader":
            thread.join()


def stopped_load(catalog: Catalog, cache: ModelCache, slow: SlowRead) -> None:
    events = load("tiny-gpt2", catalog=catalog, cache=cache)
    seen = [next(events) for _ in range(5)]
    assert slow.begun.wait(30)
    events.close()
    assert {type(event) for event in seen} == {Progress}


def test_a_stopped_load_leaves_warm_models_usable(catalog: Catalog, slow: SlowRead) -> None:
    cache = ModelCache(2**30)
    list(load("tiny-llama", catalog=catalog, cache=cache))
    stopped_load(catalog, cache, slow)
    [event] = load("tiny-llama", catalog=catalog, cache=cache)
    assert isinstance(event, ModelLoaded)
    model = loaded(catalog.find("tiny-llama"), cache)
    assert model.logits(torch.tensor([[0, 5, 6]]), torch.tensor([2])).isfinite().all()
    assert slow.ended == ["tiny-llama"]


def test_the_next_load_waits_for_the_stopped_one_and_can_be_stopped_too(
    catalog: Catalog, slow: SlowRead
) -> None:
    cache = ModelCache(2**30)
    stopped_load(catalog, cache, slow)
    for _ in range(2):
        waiting = load("tiny-bert", catalog=catalog, cache=cache)
        assert all(isinstance(next(waiting), Progress) for _ in range(5))
        waiting.close()
    events = load("tiny-bert", catalog=catalog, cache=cache)
    next(events)
    slow.go_on.set()
    assert isinstance(list(events)[-1], ModelLoaded)
    assert [key[0] for key in cache.models] == ["tiny-bert"]


def test_the_result_of_a_stopped_load_is_dropped_and_begun_again(
    catalog: Catalog, slow: SlowRead
) -> None:
    cache = ModelCache(2**30)
    stopped_load(catalog, cache, slow)
    slow.go_on.set()
    assert isinstance(list(load("tiny-gpt2", catalog=catalog, cache=cache))[-1], ModelLoaded)
    # the first ends at its first tensor
    assert slow.ended == ["tiny-gpt2"]


def test_tensors_are_counted(catalog: Catalog) -> None:
    reader = background._Reader(lambda: load_one(catalog))
    reader.start()
    reader.join()
    parameters = len(dict(reader.take().plain.named_parameters()))
    assert reader.done == reader.total >= parameters > 0
    with pytest.raises(AssertionError):
        reader.take()


def load_one(catalog: Catalog) -> Model:
    entry = catalog.find("tiny-llama")
    assert entry.path is not None
    return read(Source(entry, read_metadata(entry.path)))


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("a defect"), SystemExit(3)])
def test_an_error_is_raised_where_the_model_is_waited_for(error: BaseException) -> None:
    def read() -> Model:
        raise error

    with pytest.raises(type(error)) as caught:
        list(background.read_in_background(read))
    assert caught.value is error


def test_refusals_keep_their_types(tmp_path: Path) -> None:
    folder = make_llama(tmp_path / "cut")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    catalog = Catalog(model_dirs=(tmp_path,))
    with pytest.raises(ModelUnreadable):
        list(load("cut", catalog=catalog, cache=ModelCache(2**30)))
    weights.write_bytes(whole)
    with pytest.raises(OutOfMemory):
        list(load("cut", catalog=catalog, cache=ModelCache(100)))


def test_a_gpu_waits_before_a_warm_model_is_used(
    catalog: Catalog, slow: SlowRead, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ModelCache(2**30)
    list(load("tiny-llama", catalog=catalog, cache=cache))
    stopped_load(catalog, cache, slow)
    monkeypatch.setattr(background, "default_device", lambda: "cuda")
    events: Iterator[Event] = load("tiny-llama", catalog=catalog, cache=cache)
    assert all(isinstance(next(events), Progress) for _ in range(3))
    slow.go_on.set()
    assert isinstance(list(events)[-1], ModelLoaded)
