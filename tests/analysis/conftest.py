"""Models and runs that the tests of the analysis share."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import analysis
from analysis.catalog.entries import Catalog
from analysis.events import Event
from analysis.model import Model, load, loaded
from analysis.session import model_cache
from tests.tiny_models import make_bert, make_gpt2, make_llama


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MODEL_DIRS folder with tiny-llama, tiny-gpt2 and tiny-bert."""
    root = tmp_path_factory.mktemp("models")
    make_llama(root / "tiny-llama")
    make_gpt2(root / "tiny-gpt2")
    make_bert(root / "tiny-bert")
    return root


@pytest.fixture
def copy(model_dir: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copy tiny-llama into a folder of that name."""

    def write(name: str = "copy") -> Path:
        return Path(shutil.copytree(model_dir / "tiny-llama", tmp_path / "models" / name))

    return write


@pytest.fixture(scope="session")
def catalog(model_dir: Path) -> Catalog:
    return Catalog(model_dirs=(model_dir,))


@pytest.fixture(scope="session", params=["tiny-llama", "tiny-gpt2"])
def model(request: pytest.FixtureRequest, catalog: Catalog) -> Model:
    """Each causal architecture in turn."""
    list(load(request.param, catalog=catalog, cache=model_cache()))
    return loaded(catalog.find(request.param), model_cache())


Analyze = Callable[..., list[Event]]


@pytest.fixture
def analyze(catalog: Catalog) -> Analyze:
    """Run ReAGent to its end on a tiny model; faithfulness and baselines only where asked."""

    def run(model: str = "tiny-llama", **params: object) -> list[Event]:
        given = {"prompt": "Anna has the ball.", "max_new_tokens": 2, "probes": 64}
        quiet = {"faithfulness": False, "baselines": False, "stop_early": False}
        events: Iterator[Event] = analysis.run(
            "reagent", model=model, params={**given, **quiet, **params}, catalog=catalog
        )
        return list(events)

    return run
