"""Checks events of a bundle against the schema of their method."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from pydantic import TypeAdapter

from analysis.errors import UnknownMethod, shortened
from analysis.events import Common
from workbench.catalog.methods import INSPECT, event_schema, method_get, method_known
from workbench.reports.errors import BundleRefused
from workbench.runs.schemas import StatusEvent


@dataclass(frozen=True)
class EventSchema:
    """The validators of a method's events, by kind."""

    method: str
    validators: dict[str, Any]

    @classmethod
    def of(cls, method: str, version: str) -> "EventSchema | None":
        """The schema; None if this server does not know the method in that version."""
        return _schema(method) if method_known(method, version) else None

    def check(self, value: dict[str, Any], name: str) -> None:
        """Raises BundleRefused for an event that the method cannot yield."""
        validator = self.validators.get(value["kind"])
        if validator is None:
            kind = shortened(value["kind"])
            raise _refuse(f"{name} is a {kind}, which {self.method} does not yield")
        error = best_match(validator.iter_errors(value))
        if error is not None:
            where = ".".join(map(str, error.absolute_path))
            raise _refuse(f"{name}: {where[:100]}: {error.message[:200]}")


def drawn_by(method: str, events: Iterable[dict[str, Any]]) -> str | None:
    """This server's version of the method if its schema accepts the events; else None.

    Events of an earlier version usually fit: fields are added with defaults.
    """
    try:
        version = method_get(method).version
        schema = _schema(method)
        for number, value in enumerate(events, 1):
            schema.check(value, f"event {number}")
    except (UnknownMethod, BundleRefused):
        return None
    return version


@cache
def _schema(method: str) -> EventSchema:
    common: TypeAdapter[Any] = TypeAdapter(Common)
    inspected = method == INSPECT
    schema = common.json_schema(mode="serialization") if inspected else event_schema(method)
    definitions: dict[str, Any] = schema["$defs"]
    validators = {
        kind: Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})
        for name, definition in definitions.items()
        if (kind := definition.get("properties", {}).get("kind", {}).get("const"))
    }
    status = StatusEvent.model_json_schema(mode="serialization")
    return EventSchema(method, {**validators, "status": Draft202012Validator(status)})


def _refuse(why: str) -> BundleRefused:
    return BundleRefused(f"The bundle is refused: {why}.", remedy="Export it again.")
