"""The first page: how much JavaScript a visitor's browser fetches before it shows something."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from bench.table import Line

DIST = Path(__file__).parents[1] / "frontend" / "dist"
# What a module fetches before it runs; `import(...)` fetches later, when asked.
STATIC_IMPORT = re.compile(r"(?:\bfrom|\bimport)\s*\"\./([\w.-]+\.js)\"")


def lines() -> Iterator[Line]:
    page = DIST / "index.html"
    if not page.exists():
        yield Line("JavaScript of the first page", "kB", refused="frontend/dist is not built")
        return
    fetched = scripts(page.read_text(), DIST / "assets")
    sizes = {file.name: len(gzip.compress(file.read_bytes(), 9)) for file in fetched}
    later = {file.name for file in (DIST / "assets").glob("*.js")} - set(sizes)
    yield Line(
        "JavaScript of the first page, gzipped",
        "kB",
        sum(sizes.values()) / 1000,
        at_most=200,
        details={"files": sizes, "fetched_later": sorted(later)},
    )


def scripts(page: str, assets: Path) -> list[Path]:
    """The page's own scripts and what they import statically, each once."""
    named = re.findall(r'(?:src|href)="[^"]*?/([\w.-]+\.js)"', page)
    files: dict[str, Path] = {}
    while named:
        name = named.pop()
        if name not in files:
            files[name] = assets / name
            named += STATIC_IMPORT.findall(files[name].read_text())
    return list(files.values())
