"""The main numbers of a run in a few lines, for notebooks and reports."""

from collections.abc import Iterable, Iterator
from typing import Any

from analysis.events import Event

SILENT = frozenset({"progress", "status", "model"})  # kinds without result values
MOST = 12  # maximum number of lines per kind
LONGEST = 60  # characters of a text


def show(events: Iterable[Event]) -> None:
    """Print the main numbers of a run, a line each."""
    values = [event.model_dump(mode="json") for event in events]
    for name, text in main_numbers(values):
        print(f"{name:40} {text}")  # noqa: T201 (for notebooks)


def main_numbers(values: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """Names and numbers of the last event of each kind, and the number of its events."""
    last: dict[str, dict[str, Any]] = {}
    count: dict[str, int] = {}
    for value in values:
        kind = str(value.get("kind"))
        if kind not in SILENT:
            last[kind] = value
            count[kind] = count.get(kind, 0) + 1
    return [row for kind in last for row in _rows(kind, last[kind], count[kind])]


def _rows(kind: str, value: dict[str, Any], count: int) -> Iterator[tuple[str, str]]:
    yield kind, f"{count} event{'s' if count > 1 else ''}; the last:"
    cells = [cell for cell in _cells(value) if cell[0] != "kind"]
    for name, text in cells[:MOST]:
        yield f"{kind}.{name}", text
    if len(cells) > MOST:
        yield f"{kind}. …", f"{len(cells) - MOST} more"


def _cells(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, part in value.items():
        name = f"{before}{key}"
        if not isinstance(part, dict):
            yield name, _shown(part)
        elif "sha256" in part:
            size = part.get("shape") or [part.get("height"), part.get("width")]
            kind = f"{part['dtype']} array" if "dtype" in part else "picture"
            yield name, f"{kind}, {' × '.join(map(str, size))}"
        else:
            yield from _cells(part, f"{name}.")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} values"
    if isinstance(value, float):
        return format(value, ".6g")
    text = "–" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
