"""Named positions of a prompt: words, or positions such as @3-5,9."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.errors import InvalidParams
from analysis.text.context import Context

RANGE = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?")


@dataclass(frozen=True)
class NamedPositions:
    """Positions with the name given by the user."""

    label: str
    positions: tuple[int, ...]


def numbers(text: str, *, count: int, field: str) -> tuple[int, ...] | None:
    """Parse "0-2, 4" to sorted numbers below `count`; None for an empty text. Raises
    InvalidParams.
    """
    if not text.strip():
        return None
    found: set[int] = set()
    for part in text.split(","):
        match = RANGE.fullmatch(part.strip())
        if not match:
            raise InvalidParams(
                f"{field}: {part.strip()[:40]!a} is neither a number nor a range.",
                remedy="Write numbers from 0 and ranges, such as 0-2, 4.",
                field=field,
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last >= count:
            raise InvalidParams(
                f"{field} names {part.strip()}; there are {count}, counted from 0.",
                remedy=f"Choose from 0 to {count - 1}, with the smaller number first.",
                field=field,
            )
        found |= set(range(first, last + 1))
    return tuple(sorted(found))


def named_positions(
    text: str, context: Context, *, before: int, field: str
) -> list[NamedPositions]:
    """Named positions separated by semicolons, all before position `before`. Raises
    InvalidParams.
    """
    return [_place(part, context, before=before, field=field) for part in parts_of(text)]


def parts_of(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _place(part: str, context: Context, *, before: int, field: str) -> NamedPositions:
    if part.startswith("@"):
        positions = numbers(part[1:], count=context.prompt_length, field=field) or ()
    else:
        positions = tuple(_standing(part, context))
    if not positions:
        raise InvalidParams(
            f"{field}: {part[:80]!a} does not occur in the prompt.",
            remedy="Copy it from the prompt, or give positions such as @3-5,9.",
            field=field,
        )
    if positions[-1] >= before:
        raise InvalidParams(
            f"{field}: {part[:80]!a} includes position {positions[-1]}, where the target is "
            f"predicted (from {before} on): a token cannot be cut from itself.",
            remedy=f"Choose positions below {before}.",
            field=field,
        )
    return NamedPositions(part, positions)


def _standing(phrase: str, context: Context) -> Iterator[int]:
    """Positions of the phrase in the prompt, as whole words."""
    texts = context.texts[: context.prompt_length]
    pattern = r"\s+".join(map(re.escape, phrase.split()))
    spans = [m.span() for m in re.finditer(rf"(?<!\w){pattern}(?!\w)", "".join(texts))]
    end = 0
    for position, text in enumerate(texts):
        start, end = end, end + len(text)
        seen = start + len(text) - len(text.lstrip())
        if any(seen < stop and end > first for first, stop in spans):
            yield position
