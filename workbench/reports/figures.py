"""A panel's figures for a report: title, picture and table, as the browser drew them."""

import csv
import html
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.catalog.checks import show_number

MOST_ROWS, MOST_COLUMNS = 12, 10
TITLE = re.compile(r"<title[^>]*>([^<]{1,200})</title>")
NAME = re.compile(r"[\w./-]+")  # needs no escaping in a Markdown link
FORMULA_QUOTE = re.compile(r"'(?=[=+\-@\t\r\n])")


@dataclass(frozen=True)
class Figure:
    """`picture` and `table` are file names, or None."""

    title: str
    picture: str | None
    table: str | None
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more_rows: int


def figures_of(files: Mapping[str, bytes], *, folder: str) -> list[Figure]:
    """The figures in files `stem.svg`, `stem.png` and `stem.csv`, in `folder`."""
    stems = dict.fromkeys(name.rpartition(".")[0] for name in files if NAME.fullmatch(name))
    return [_figure(files, stem, folder) for stem in stems]


def _figure(files: Mapping[str, bytes], stem: str, folder: str) -> Figure:
    names = {kind: f"{stem}.{kind}" for kind in ("svg", "png", "csv")}
    picture = next((names[kind] for kind in ("svg", "png") if names[kind] in files), None)
    rows = _rows(files.get(names["csv"], b""))
    title = TITLE.search(files.get(names["svg"], b"").decode("utf-8", "replace"))
    words = re.sub(r"[-_]+", " ", stem)
    return Figure(
        title=html.unescape(title[1]) if title else words[:1].upper() + words[1:],
        picture=picture and f"{folder}/{picture}",
        table=f"{folder}/{names['csv']}" if names["csv"] in files else None,
        columns=rows[0][:MOST_COLUMNS] if rows else (),
        rows=tuple(row[:MOST_COLUMNS] for row in rows[1 : MOST_ROWS + 1]),
        more_rows=max(0, len(rows) - 1 - MOST_ROWS),
    )


def _rows(content: bytes) -> list[tuple[str, ...]]:
    lines = io.StringIO(content.decode("utf-8", "replace"), newline="")
    try:
        return [tuple(map(_cell, row)) for row in csv.reader(lines) if row]
    except csv.Error:  # a cell of more than 128 KiB
        return []


def _cell(text: str) -> str:
    """A number as the page shows it; a text without the apostrophe that guards formulas."""
    plain = FORMULA_QUOTE.sub("", text)
    try:
        value = float(plain)
    except ValueError:
        return plain
    return plain if value.is_integer() or value != value else show_number(value)
