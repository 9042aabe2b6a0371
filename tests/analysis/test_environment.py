import hashlib
import json
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

from analysis.environment import GLASSBENCH, environment

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = json.loads((ROOT / "frontend" / "package.json").read_text())
    assert "version" in project["dynamic"]
    assert "version" not in project
    assert "version" not in page
    assert GLASSBENCH.count(".") == 2


def test_it_names_what_numbers_depend_on(copy: Callable[..., Path]) -> None:
    folder = copy()
    found = environment(folder)
    assert found["packages"]["torch"] == version("torch")
    assert found["threads"] == torch.get_num_threads()
    weights = (folder / "model.safetensors").read_bytes()
    sized = hashlib.sha256(str(len(weights)).encode() + weights).hexdigest()
    assert found["model_files"]["model.safetensors"] == sized


def test_a_model_without_files_has_no_digests() -> None:
    assert environment(None)["model_files"] == {}
