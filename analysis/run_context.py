"""The state of one run, apart from its params and the model that it shares with others."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from analysis.errors import InvalidParams
from analysis.events import Event
from analysis.images.files import PictureReader, no_pictures
from analysis.model import Model


@runtime_checkable
class LoadModel(Protocol):
    """Load a second model: yield progress, return the model. Raises what loading raises."""

    def __call__(self, model_id: str, *, needs: tuple[str, ...]) -> Generator[Event, None, Model]:
        """`needs`: capabilities, of which the model must have one."""


def no_other_model(model_id: str, *, needs: tuple[str, ...]) -> Generator[Event, None, Model]:
    """Where no catalog is at hand. Raises InvalidParams."""
    raise InvalidParams(
        f"No second model can be loaded here; asked for {model_id} ({', '.join(needs)}).",
        remedy="Run the method with analysis.run, which knows the catalog.",
    )
    yield


@dataclass(frozen=True)
class RunContext:
    """Given to a method's `run` after model and params."""

    pictures: PictureReader = no_pictures  # reads those that params name by their hash
    load_model: LoadModel = no_other_model
