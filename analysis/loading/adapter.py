"""A LoRA adapter, read by peft and merged into the weights of its base model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from warnings import catch_warnings, simplefilter

from safetensors import safe_open
from transformers import PreTrainedModel
from transformers.integrations import peft as peft_integration
from transformers.models.auto import auto_factory

from analysis.catalog.adapters import ADAPTER_WEIGHTS
from analysis.catalog.folder import first_line
from analysis.errors import ModelUnreadable

# Of peft's warning where the embeddings and the head, which are one weight, differ by the adapter.
TIED = "tie_word_embeddings"
REMEDY = "Check that adapter and base model belong together, and copy both again."


@contextmanager
def base_alone() -> Iterator[None]:
    """Context in which transformers reads the weights of a folder and no adapter beside them.

    With peft installed it would load what adapter_config.json names, from the hub too.
    """
    with (
        patch.object(auto_factory, "is_peft_available", lambda: False),
        patch.object(peft_integration, "is_peft_available", lambda: False),
    ):
        yield


def merged(plain: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """The base model with the adapter's changes in its weights. Raises ModelUnreadable."""
    from peft import PeftModel, get_peft_model_state_dict

    try:
        with catch_warnings(record=True) as told:
            simplefilter("always")
            model: Any = PeftModel.from_pretrained(plain, str(adapter), is_trainable=False)
            _refuse_other_names(adapter, set(get_peft_model_state_dict(model)))
            whole: PreTrainedModel = model.merge_and_unload(safe_merge=True)
        tied = next((text for one in told if TIED in (text := str(one.message))), None)
        if tied:
            raise ValueError(tied)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnreadable(
            f"The adapter {adapter.name} does not fit its base model: {_told(error, adapter)}",
            remedy=REMEDY,
        ) from error
    return whole


def _told(error: Exception, adapter: Path) -> str:
    """The line of a message that names the weight, where there is one."""
    lines = str(error).splitlines()
    named = next((line.strip() for line in lines if "size mismatch" in line), None)
    return named or first_line(error, adapter)


def _refuse_other_names(adapter: Path, expected: set[str]) -> None:
    """peft leaves out weights without a place, and weights that are missing, with a warning."""
    with safe_open(adapter / ADAPTER_WEIGHTS, framework="pt") as file:
        found = set(file.keys())
    _refuse(adapter, "it lacks", expected - found)
    _refuse(adapter, "the model has no place for", found - expected)


def _refuse(adapter: Path, what: str, names: set[str]) -> None:
    if names:
        raise ModelUnreadable(
            f"The adapter {adapter.name} does not fit its base model: {what} {len(names)} weights, "
            f"such as {min(names)}.",
            remedy=REMEDY,
        )
