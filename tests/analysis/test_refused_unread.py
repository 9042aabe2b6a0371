"""What params, a tokenizer and a configuration tell is refused before any weight is read.

Each folder here has weights that cannot be read: a refusal that comes after loading is a test that
fails with the weights' error.
"""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import analysis
from analysis import method as methods
from analysis.catalog.entries import folder_entry
from analysis.errors import GlassbenchError, ModelUnreadable
from tests import tiny_models, tiny_pictures

METHODS = Path(analysis.__file__).parent / "methods"
FOLDERS: dict[str, Callable[[Path], Path]] = {
    "llama": tiny_models.make_llama,  # 96 tokens of context, 2 layers, 4 heads
    "bert": tiny_models.make_bert,
    "llava": tiny_pictures.make_llava,
    "sd3": tiny_pictures.make_sd3,
}
MODELS = {"local_leap": "bert", "seg_similarity": "llava"}  # the others: llama
VALID: dict[str, dict[str, Any]] = {
    "reagent": {"prompt": "Anna has it."},
    "cntp": {"prompt": "Anna has it.", "max_new_tokens": 4},
    "graph_kv": {"segments": ["Anna.", "Tom."], "question": "Who?"},
    "information_flow": {"prompt": "a ball and a book"},
    "local_leap": {"prompt": "Anna has", "canvas_length": 8, "block": 8},
    "seg_similarity": {},
}
LONG = "Anna has the ball. " * 40
EDGE = {"queries": [3], "keys": [2], "layers": None, "heads": None}
# By method: the field that the refusal names, and what is changed of the valid params.
REFUSED: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "reagent": [
        ("prompt", {"prompt": LONG}),
        ("prompt", {"prompt": " "}),
        ("special_tokens", {"prompt": "Anna </s> has"}),
        ("prompt", {"prompt": "\ud800"}),
        ("chat", {"chat": True}),
        ("continuation", {"continuation": [5000]}),
        ("continuation", {"continuation": "ball " * 300}),
        ("target_start", {"continuation": " it", "target_start": 40}),
        ("target_start", {"target_start": 8}),
        ("contrast", {"contrast": " Anna has the book"}),
        ("contrast", {"contrast": 5000, "target_start": 2}),
        ("contrast", {"contrast": " it", "estimator": "paper"}),
        ("target_length", {"contrast": 7, "target_length": 2}),
        ("replacer_model", {"replacer": "masked_lm"}),
    ],
    "cntp": [
        ("prompt", {"prompt": LONG}),
        ("special_tokens", {"prompt": "Anna </s> has"}),
        ("trial_cap", {"trial_cap": 95}),
        ("entropy_low", {"entropy_low": 3.0, "entropy_high": 2.0}),
        ("forced", {"forced": [{"position": 0, "token": 5}, {"position": 0, "token": 6}]}),
        ("forced", {"decoder": "greedy", "forced": [{"position": 0, "trial": 1}]}),
        ("stop_strings", {"stop_strings": [5000]}),
        ("token_bias", {"token_bias": "#5000 1"}),
        ("answer_pattern", {"answer_pattern": "("}),
    ],
    "graph_kv": [
        ("segments", {"segments": [LONG, LONG]}),
        ("segments", {"segments": [{"id": "1", "text": "a"}, {"id": "1", "text": "b"}]}),
        ("segments", {"segments": ["a", " "]}),
        ("question", {"question": " "}),
        ("special_tokens", {"question": "Who </s>?"}),
        ("answer", {"answer": [5000]}),
        ("answer", {"answer": "ball " * 1500}),
        ("edges", {"edges": [{"source": "1", "target": "3"}]}),
        ("edges", {"edges": [{"source": "1", "target": "2"}, {"source": "2", "target": "1"}]}),
        ("preset", {"preset": "star", "edges": [{"source": "1", "target": "2"}]}),
        ("top_m", {"preset": "top_m", "top_m": 2}),
    ],
    "information_flow": [
        ("prompt", {"prompt": LONG}),
        ("target_start", {"target_start": 8}),
        ("layers", {"layers": "2"}),
        ("heads", {"heads": "4"}),
        ("sources", {"sources": "nobody"}),
        ("subject", {"subject": "@400"}),
        ("subject", {"subject": "a; ball"}),
        ("edges", {"edges": [{**EDGE, "queries": [2], "keys": [3]}]}),
        ("cuts", {"edges": [{**EDGE, "queries": [300]}]}),
        ("cuts", {"edges": [{**EDGE, "layers": [2]}]}),
        ("item", {"item": 1}),
    ],
    "local_leap": [
        ("prompt", {"prompt": LONG}),
        ("special_tokens", {"prompt": "Anna </s>"}),
        ("prompt", {"prompt": "Anna <mask>", "special_tokens": "token"}),
        ("canvas_length", {"canvas_length": 9, "block": 8}),
        ("tau", {"tau": 0.9, "kappa": 0.8}),
        ("forced", {"forced": [{"step": 0, "position": 0, "token": 5000}]}),
        ("forced", {"forced": [{"step": n, "position": 0, "token": 9} for n in (0, 1)]}),
        ("answer_pattern", {"answer_pattern": "("}),
    ],
    "seg_similarity": [
        ("question", {"question": "Where is the <image>?"}),
        ("question", {"question": "Where </s>?"}),
        ("question", {"image": "0" * 64}),
        ("truth", {"truth": "0" * 64}),
        ("layer", {"layer": 3}),
    ],
}
PIPELINE: list[tuple[str, dict[str, Any]]] = [
    ("prompt", {"prompt": " "}),
    ("prompt", {"prompt": LONG}),
    ("prompt", {"prompt": "a ball </s> and a book"}),
    ("item", {"item": 3}),
    ("items", {"items": "nobody"}),
    ("items", {"items": "all"}),
    ("continuation", {"continuation": " it"}),
]
# What only weights, parts of a pipeline, a picture or an answer tell.
LATER = {
    "information_flow": {"size": "parts of the pipeline", "steps": "parts of the pipeline"},
    "seg_similarity": {"neutral": "the answer", "region": "the picture's patches"},
}
EVERYWHERE = {"model"}  # the model itself does not suit


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders whose weights have other names than the model's."""
    root = tmp_path_factory.mktemp("unreadable")
    made = {name: make(root / name) for name, make in FOLDERS.items()}
    for folder in made.values():
        for file in folder.rglob("*.safetensors"):
            size = sum(weight.numel() for weight in load_file(file).values())
            save_file({"nothing": torch.zeros(size)}, file, {"format": "pt"})
    return made


def outcome(folder: Path, method: str, params: dict[str, Any]) -> GlassbenchError:
    with pytest.raises(GlassbenchError) as found:
        list(analysis.run(method, model=folder_entry(folder), params=params))
    return found.value


@pytest.mark.parametrize("method", methods.stems())
def test_these_weights_cannot_be_read(folders: dict[str, Path], method: str) -> None:
    folder = folders[MODELS.get(method, "llama")]
    error = outcome(folder, method, VALID[method])
    assert isinstance(error, ModelUnreadable), error
    assert "missing keys" in error.message


@pytest.mark.parametrize(
    ("method", "field", "changes"),
    [(method, field, changes) for method, given in REFUSED.items() for field, changes in given],
)
def test_params_are_refused_before_weights_are_read(
    folders: dict[str, Path], method: str, field: str, changes: dict[str, Any]
) -> None:
    error = outcome(folders[MODELS.get(method, "llama")], method, {**VALID[method], **changes})
    assert error.field == field, error


@pytest.mark.parametrize(("field", "changes"), PIPELINE)
def test_so_it_is_for_a_pipeline(
    folders: dict[str, Path], field: str, changes: dict[str, Any]
) -> None:
    given = {**VALID["information_flow"], **changes}
    error = outcome(folders["sd3"], "information_flow", given)
    assert error.field == field, error


def test_a_pipeline_s_weights_cannot_be_read_either(folders: dict[str, Path]) -> None:
    error = outcome(folders["sd3"], "information_flow", VALID["information_flow"])
    assert isinstance(error, ModelUnreadable), error


@pytest.mark.parametrize("method", methods.stems())
def test_every_refusal_of_a_method_is_among_these(method: str) -> None:
    """By the fields that the method's own modules name in errors."""
    given = [*REFUSED[method], *(PIPELINE if method == "information_flow" else ())]
    known = {field for field, _ in given} | set(LATER.get(method, {})) | EVERYWHERE
    package = METHODS / method
    files = package.rglob("*.py") if package.is_dir() else [package.with_suffix(".py")]
    for file in files:
        assert named_fields(ast.parse(file.read_text())) <= known, file


def named_fields(tree: ast.AST) -> set[str]:
    """Of the errors that a module raises."""
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    calls = [call for call in raised if isinstance(call, ast.Call)]
    keywords = [word.value for call in calls for word in call.keywords if word.arg == "field"]
    return {str(value.value) for value in keywords if isinstance(value, ast.Constant)}
