"""Models and runs that the tests of the analysis share."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import analysis
from analysis.catalog.entries import Catalog
from analysis.events import Event
from analysis.loading import load, loaded
from analysis.model import Model
from analysis.runner import model_cache
from tests import tiny_models, tiny_pictures
from tests.load_folder import load_trusted
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


MAKERS: dict[str, Callable[[Path], Path]] = {
    "llama": tiny_models.make_llama,
    "qwen2": tiny_models.make_qwen2,
    "gemma": tiny_models.make_gemma,
    "gpt2": tiny_models.make_gpt2,
    "bert": tiny_models.make_bert,
    "roberta": tiny_models.make_roberta,
    "modernbert": tiny_models.make_modernbert,
    "llada": tiny_models.make_llada,
    "dream": tiny_models.make_dream,
    "t5": tiny_models.make_t5,
    "llava": tiny_pictures.make_llava,
    "qwen2-5-vl": tiny_pictures.make_qwen2_5_vl,
    "flux": tiny_pictures.make_flux,
    "sd3": tiny_pictures.make_sd3,
}


@pytest.fixture
def folder(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of tiny-llama that a test may spoil."""
    return Path(shutil.copytree(model_dir / "tiny-llama", tmp_path / "copy"))


@pytest.fixture
def ids(model: Model) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(3, model.info.vocabulary, (2, 9), generator=generator)


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Model]:
    """A model of each class by its name in MAKERS, loaded when first asked for."""
    root = tmp_path_factory.mktemp("every")
    found: dict[str, Model] = {}

    def get(name: str) -> Model:
        if name not in found:
            found[name] = load_trusted(MAKERS[name](root / name))
        return found[name]

    return get
