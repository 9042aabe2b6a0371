"""What a model's folder tells people: its card, and the gates measured for it."""

import json
import re
from pathlib import Path
from typing import Any

from analysis.catalog.folder import read_note

LONGEST_CARD = 200_000  # characters; the longest cards of the hub have some 60,000
LONGEST_REPORT = 2**20  # bytes
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
MEASURED = {"share": (int, float), "items": (int,), "required": (int, float), "limit": (int, float)}


def read_card(path: Path) -> str | None:
    """README.md without its front matter; None where there is none that can be read."""
    text = read_note(path, "README.md", most_bytes=4 * LONGEST_CARD)
    if text is None:
        return None
    return FRONT_MATTER.sub("", text)[:LONGEST_CARD].strip() or None


def read_measured(path: Path) -> list[dict[str, Any]]:
    """Rows of report.json: a name, a share 0..1, the items it is of, and the gate's two sides.

    What is not of this form is left out: the file is a note and decides no result.
    """
    try:
        rows = json.loads(read_note(path, "report.json", most_bytes=LONGEST_REPORT) or "")
    except (ValueError, RecursionError):
        return []
    found = rows if isinstance(rows, list) else []
    return [_row(row) for row in found if isinstance(row, dict) and _is_measured(row)]


def _is_measured(row: dict[str, Any]) -> bool:
    return isinstance(row.get("name"), str) and isinstance(row.get("share"), int | float)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    values = {name: row.get(name) for name in MEASURED}
    known = {n: v if isinstance(v, MEASURED[n]) else None for n, v in values.items()}
    return {"name": row["name"], **known}
