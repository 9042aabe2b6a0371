"""Converts errors that libraries raise for an input or a model into typed errors.

This is applied once, where a method's events leave the analysis. `typed` examines the type of an
error and the place where our code called the library.
"""

import re
from types import TracebackType

from pydantic import ValidationError

from analysis.catalog.folder import first_line, is_panic
from analysis.errors import (
    GlassbenchError,
    InputRefused,
    ModelIncompatible,
    ModelUnreadable,
    NotFinite,
    PromptEmpty,
)

# Library modules that convert text and pictures to model inputs.
READERS = ("jinja2", "tokenizers", "sentencepiece", "tiktoken", "PIL")
TRANSFORMERS = ("tokenization_", "processing_", "image_processing_", "image_utils", "feature_")
NOT_FINITE = ("probability tensor contains", "not finite", "infs or NaNs", "contains NaN")
HOOK = re.compile(r"hook_\w+")  # TransformerLens's names of hook points
NO_IDS = "argument #1 'indices'"  # torch's message for an embedding of an empty list


def typed(error: BaseException) -> GlassbenchError | None:
    """The typed error for an error; None: a bug in the program."""
    if isinstance(error, GlassbenchError):
        return error
    if is_panic(error):
        return ModelUnreadable(
            "A library failed to read this model's files: the files are inconsistent.",
            remedy="Check tokenizer.json of the model, or choose another model.",
            field="model",
        )
    if _is_not_finite(error):
        return NotFinite(
            "The model returned numbers that are not finite (NaN or infinity).",
            remedy="Choose the dtype float32 (float16 holds no number above 65,504); see the "
            "self-check of the model, whose weights may be damaged.",
            field="model",
        )
    if isinstance(error, RuntimeError) and NO_IDS in str(error):
        return PromptEmpty(
            "The tokenizer gives no tokens for the text.",
            remedy="Type another text.",
            field="prompt",
        )
    if isinstance(error, KeyError) and (missing := HOOK.search(str(error))):
        return ModelIncompatible(
            f"Layers of this model have no {missing[0]}, which this analysis requires.",
            remedy="Choose another model, or disable this analysis.",
            field="model",
        )
    if _is_of_reader(error):
        return InputRefused(
            f"The model's tokenizer or processor refuses this input: {first_line(error)}",
            remedy="Change the text or the picture accordingly, or choose another model.",
        )
    return None


def _is_not_finite(error: BaseException) -> bool:
    if isinstance(error, ValidationError):
        return any(
            found["type"] == "finite_number" or "not finite" in found["msg"]
            for found in error.errors(include_url=False, include_input=False)
        )
    return isinstance(error, RuntimeError | ValueError) and any(
        words in str(error) for words in NOT_FINITE
    )


def _is_of_reader(error: BaseException) -> bool:
    """Whether the error was raised in a tokenizer or processor that our code called.

    Tokenizers in Rust leave no frame of their own; some of them raise a bare Exception.
    """
    called = _called_module(error.__traceback__)
    if called is None:
        return type(error) is Exception
    top, _, rest = called.partition(".")
    parts = rest.split(".")
    return top in READERS or (
        top == "transformers" and any(part.startswith(TRANSFORMERS) for part in parts)
    )


def _called_module(trace: TracebackType | None) -> str | None:
    """The module called by the last frame of our code; None if it called no Python module."""
    called: str | None = None
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] == "analysis":
            called = None
        elif called is None:
            called = name
        trace = trace.tb_next
    return called
