"""Where a word of list.txt is used, and what to write instead; exits with 1 if one is.

Reads the code, documents and interface texts that git tracks. Generated files, recorded data,
migrations and decisions (each a record of its day) are left out.

A line of the list is `pattern => replacement`. The pattern is a regular expression for whole words,
in any case; a space in it matches a line break inside a text or comment too.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("list.txt")
SUFFIXES = ("*.py", "*.ts", "*.svelte", "*.css", "*.md", "*.html", "*.yml", "*.in")
NAMES = ("Makefile", "Dockerfile", "Procfile", ".env.example")
EXCLUDED = re.compile(r"(^|/)(gen|fixtures|migrations|stored|words)/|^docs/decisions/")
GAP = r"\s+(?:(?:#|//|\*)\s*)?"  # a space, or a line break with the sign of a comment
Rule = tuple[re.Pattern[str], str]


def parse_rules(text: str) -> list[Rule]:
    """The patterns of a list, each with its replacement."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [parse_rule(line) for line in lines]


def parse_rule(line: str) -> Rule:
    """One line of a list. Raises ValueError where it is not `pattern => replacement`."""
    pattern, arrow, replacement = line.partition(" => ")
    if not arrow or not replacement:
        raise ValueError(f"{line!r} is not 'pattern => replacement'.")
    spaced = pattern.replace(" ", GAP)
    return re.compile(rf"(?<!\w)(?:{spaced})(?!\w)", re.IGNORECASE), replacement


def find_uses(name: str, text: str, rules: Iterable[Rule]) -> Iterator[str]:
    """`file:line: "word": write "replacement"`, one for each use of a listed word."""
    for pattern, replacement in rules:
        for use in pattern.finditer(text):
            line = text.count("\n", 0, use.start()) + 1
            yield f'{name}:{line}: "{" ".join(use[0].split())}": write "{replacement}"'


def is_checked(name: str) -> bool:
    """Whether a tracked file is read."""
    return not EXCLUDED.search(name)


def tracked_files() -> list[str]:
    """Names of the files to read, relative to the repository's root."""
    command = ["git", "ls-files", *SUFFIXES, *NAMES]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if is_checked(name)]


def main() -> int:
    """0 where no listed word is used."""
    names, rules = tracked_files(), parse_rules(LIST.read_text())
    uses = [use for name in names for use in find_uses(name, (ROOT / name).read_text(), rules)]
    summary = f"{len(names)} files, {len(rules)} listed words, {len(uses)} uses."
    sys.stdout.write("\n".join([*uses, summary]) + "\n")
    return int(bool(uses))


if __name__ == "__main__":
    sys.exit(main())
