"""The methods in the web process: JSON files written by `manage.py schema`.

The web process does not import the methods themselves, because they import torch.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from analysis.catalog.capabilities import CANNOT, serving
from analysis.errors import UnknownMethod, shortened

FOLDER = Path(__file__).resolve().parents[1] / "gen" / "methods"
INSPECT = "inspect"  # loads a model and runs its self-check; has no module and no params


class ExampleOut(BaseModel):
    """A named set of params: form default and gallery card."""

    name: str
    look_for: str
    model: str
    params: dict[str, Any]


class MethodOut(BaseModel):
    """A method: its title, params and examples."""

    model_config = ConfigDict(extra="ignore")

    stem: str
    title: str
    doc: str
    version: str
    needs: list[str]
    params_schema: dict[str, Any]
    presets: dict[str, dict[str, Any]]
    examples: list[ExampleOut]

    def queue(self, capabilities: Sequence[str] = ()) -> str:
        """The queue of a run, by the capability of the model that it uses."""
        return serving(self.needs, capabilities) or next(iter(self.needs), "default")


INSPECT_METHOD = MethodOut(
    stem=INSPECT,
    title="Inspect a model",
    doc="Loads the model and compares the hooked logits with plain transformers.",
    version="1",
    needs=[],
    params_schema={"type": "object", "properties": {}, "additionalProperties": False},
    presets={},
    examples=[],
)


@cache
def method_list() -> tuple[MethodOut, ...]:
    """All methods, ordered by the capability that they need (text first), then by stem."""
    files = sorted(FOLDER.glob("*.json"))
    methods = [MethodOut(**json.loads(file.read_text(encoding="utf-8"))) for file in files]
    order = [*CANNOT, "default"]
    return tuple(sorted(methods, key=lambda method: order.index(method.queue())))


def method_known(stem: str, version: str) -> bool:
    """Whether this server has the method in that version."""
    try:
        return method_get(stem).version == version
    except UnknownMethod:
        return False


def event_schema(stem: str) -> dict[str, Any]:
    """JSON schema of a method's events. Raises UnknownMethod."""
    described = json.loads((FOLDER / f"{method_get(stem).stem}.json").read_text(encoding="utf-8"))
    schema: dict[str, Any] = described["event_schema"]
    return schema


def method_get(stem: str) -> MethodOut:
    """The method with that stem. Raises UnknownMethod, which lists the known ones."""
    for method in (*method_list(), INSPECT_METHOD):
        if method.stem == stem:
            return method
    names = ", ".join(method.stem for method in method_list())
    raise UnknownMethod(
        f"There is no method {shortened(stem)}.",
        remedy=f"Choose one of: {names}.",
        field="method",
    )
