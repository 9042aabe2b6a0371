"""A folder to spoil, and every class of model that can be loaded."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from analysis.model import Model
from tests import tiny_models, tiny_pictures
from tests.load_folder import load_trusted

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
