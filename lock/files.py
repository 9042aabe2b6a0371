"""The files of requirements: ranges (.in) and what is pinned from them (.txt)."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("requirements", "requirements-dev", "requirements-bench", "requirements-soak")
CUDA = "constraints-cuda.txt"  # pins what only torch's CUDA build needs, without installing it
PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+?)(?: ; (?P<marker>[^#]+?))?\s*")


def requirement_lines(text: str) -> list[str]:
    """The lines that name a package, without comments, options and empty lines."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def pinned_versions(text: str) -> dict[str, set[str]]:
    """Versions by package; more than one where the version depends on the machine."""
    versions: dict[str, set[str]] = {}
    for line in requirement_lines(text):
        match = PINNED.fullmatch(line)
        if match is None:
            raise ValueError(f"{line!r} is not pinned as name==version; run: make lock")
        versions.setdefault(match["name"], set()).add(match["version"])
    return versions
