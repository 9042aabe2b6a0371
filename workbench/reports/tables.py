"""Tables of a run's numbers as CSV. No text of a prompt may act as a formula in a spreadsheet.

One table for each kind of event, one row for each event. A list inside an event becomes a separate
table with the number of its event. Arrays are named by type, shape and hash; arrays.npz holds them.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from analysis.summary import SILENT
from workbench.reports.document import ARRAY_KEYS, PICTURE_KEYS, RunRecord
from workbench.reports.provenance import provenance

FORMULA_SIGNS = "=+-@\t\r\n＝＋－＠"  # a cell must not begin with these; shared with the page
FORMULA = re.compile(f"[{re.escape(FORMULA_SIGNS)}]")
QUOTED = re.compile(r'[",\n\r]')
NAME = re.compile(r"[^A-Za-z0-9_.-]+")
Row = dict[str, Any]


def tables_write(run: RunRecord) -> dict[str, bytes]:
    """The tables of a run by name; each ends with the provenance line."""
    rows: dict[str, list[Row]] = {}
    for event in run.events:
        kind = str(event.value.get("kind"))
        if kind not in SILENT:
            _collect(rows, kind, {"event": event.seq}, event.value)
    line = [f"# {provenance(run)}"]
    return {
        f"{NAME.sub('-', name)[:100]}.csv": to_csv([*_grid(table), line]).encode()
        for name, table in rows.items()
    }


def to_csv(rows: Iterable[Iterable[Any]]) -> str:
    """CSV as in RFC 4180; an apostrophe precedes cells that look like formulas."""
    return "".join(",".join(map(csv_cell, row)) + "\r\n" for row in rows)


def csv_cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
    text = str(value).replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    safe = f"'{text}" if FORMULA.match(text) else text
    if QUOTED.search(safe) or safe != safe.strip():
        return '"' + safe.replace('"', '""') + '"'
    return safe


def _collect(rows: dict[str, list[Row]], table: str, keys: Row, value: Any) -> None:
    """Add a row to the table, and rows to the tables of the lists inside."""
    row = dict(keys)
    lists: list[tuple[str, list[Any]]] = []
    for name, cell in _cells(value):
        if isinstance(cell, list):
            lists.append((name, cell))
        else:
            row[name] = cell
    if len(row) > len(keys) or not lists:
        rows.setdefault(table, []).append(row)
    for name, items in lists:
        for index, item in enumerate(items):
            _collect(
                rows, f"{table}.{name}" if name else table, {**keys, _index(keys): index}, item
            )


def _index(keys: Row) -> str:
    return "item" if len(keys) == 1 else f"item{len(keys)}"


def _cells(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The cells of a value by dotted name; a value that is no object is one cell, `value`."""
    if not isinstance(value, dict):
        yield name or ("" if isinstance(value, list) else "value"), value
    elif value.keys() in (ARRAY_KEYS, PICTURE_KEYS):
        yield name or "value", _named(value)
    else:
        for key, part in value.items():
            if name or key != "kind":
                yield from _cells(part, f"{name}.{key}".lstrip("."))


def _named(ref: dict[str, Any]) -> str:
    if "shape" in ref:
        return f"{ref['dtype']} {' × '.join(map(str, ref['shape']))} {ref['sha256']}"
    return f"picture {ref['width']} × {ref['height']} {ref['sha256']}"


def _grid(rows: list[Row]) -> Iterator[list[Any]]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    yield columns
    for row in rows:
        yield [row.get(name) for name in columns]
