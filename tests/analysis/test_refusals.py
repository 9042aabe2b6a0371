"""What libraries raise for somebody's input or model is typed at the edge of the analysis."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jinja2 import Template
from PIL import Image, UnidentifiedImageError
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

import analysis
from analysis.catalog.entries import folder_entry
from analysis.errors import GlassbenchError, ModelUnreadable, PromptTooLong
from analysis.events import Progress
from analysis.refusals import typed
from tests.tiny_pictures import make_llava

Write = Callable[..., Path]
QUICK = {"prompt": "Anna has", "max_new_tokens": 2}


def caught(call: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as found:  # noqa: PT011 (a panic is no Exception)
        call()
    return found.value


def spoil_numbers(folder: Path) -> None:
    file = folder / "model.safetensors"
    weights = dict(load_file(file))
    weights["model.layers.1.mlp.down_proj.weight"] = np.full_like(
        weights["model.layers.1.mlp.down_proj.weight"], np.nan
    )
    save_file(weights, file, {"format": "pt"})


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("reagent", {"temperature": 1.0, "probes": 32, **QUICK}),
        ("reagent", {"probes": 32, **QUICK}),
        ("cntp", QUICK),
        ("information_flow", {"prompt": "Anna has"}),
    ],
)
def test_weights_that_are_no_numbers_are_said(
    copy: Write, method: str, params: dict[str, Any]
) -> None:
    folder = copy()
    spoil_numbers(folder)
    run = analysis.run(method, model=folder_entry(folder), params=params)
    error = caught(lambda: list(run))
    assert isinstance(error, GlassbenchError), repr(error)
    assert "not finite" in error.message
    assert error.remedy


def test_a_panic_while_a_model_is_read_or_used_is_typed(copy: Write) -> None:
    folder = copy()
    whole = json.loads((folder / "tokenizer.json").read_text())
    whole["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "////"}
    (folder / "tokenizer.json").write_text(json.dumps(whole))
    run = analysis.run("reagent", model=folder_entry(folder), params=QUICK)
    assert isinstance(caught(lambda: list(run)), ModelUnreadable)


def test_a_picture_s_name_in_the_question_is_refused_with_the_library_s_words(
    tmp_path: Path,
) -> None:
    from tests.load_folder import load_folder

    model: Any = load_folder(make_llava(tmp_path / "llava"))
    token = model.processor.image_token
    picture = Image.new("RGB", (32, 32))
    found = typed(caught(lambda: model.inputs(picture, f"Where is the {token} square?")))
    assert found is not None
    assert found.code == "input_refused"
    assert token in found.message


def test_what_readers_raise_is_a_refusal_of_the_input() -> None:
    unknown = Tokenizer(WordPiece({"a": 0}, unk_token="[UNK]"))
    for call, words in (
        (lambda: unknown.encode("b"), "WordPiece error"),
        (lambda: Template("{{ a.b.c }}").render(), "undefined"),
    ):
        found = typed(run_as_ours(call))
        assert found is not None
        assert found.code == "input_refused"
        assert words in found.message


def run_as_ours(call: Callable[[], Any]) -> BaseException:
    """The error of a call that a module of the analysis makes."""
    space = {"__name__": "analysis.own", "call": call.__call__}
    # The frame of the lambda itself is the test's; only the library's remain below ours.
    code = compile("def ours():\n    return call()", "own.py", "exec")
    exec(code, space)
    error = caught(space["ours"])  # type: ignore[arg-type]
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") != "analysis.own":
        trace = trace.tb_next
    assert trace is not None
    assert trace.tb_next is not None
    trace.tb_next = trace.tb_next.tb_next  # leave out the lambda
    return error.with_traceback(trace)


def test_a_fault_of_ours_stays_one() -> None:
    assert typed(ZeroDivisionError("x")) is None
    assert typed(ValueError("x")) is None
    assert typed(KeyboardInterrupt()) is None
    assert typed(UnidentifiedImageError("x")) is None
    refusal = PromptTooLong("x", remedy="y")
    assert typed(refusal) is refusal


def test_the_kinds_of_numbers_that_are_not_finite() -> None:
    with pytest.raises(ValidationError) as found:
        Progress(stage="x", done=float("nan"), total=1, unit="x")
    sampled = caught(lambda: torch.multinomial(torch.tensor([float("nan")]), 1))
    for error in (found.value, sampled, ValueError("array must not contain infs or NaNs")):
        refusal = typed(error)
        assert (refusal and refusal.code) == "not_finite", error


def test_an_empty_list_of_ids_is_a_text_of_nothing() -> None:
    embedding = torch.nn.Embedding(3, 2)
    found = typed(caught(lambda: embedding(torch.tensor([[]]))))
    assert (found and found.code) == "prompt_empty"


def test_a_method_that_is_closed_early_ends_quietly(copy: Write) -> None:
    run: Iterator[Any] = analysis.run("reagent", model=folder_entry(copy()), params=QUICK)
    next(run)
    run.close()  # type: ignore[attr-defined]
