"""Places in a prompt as a user names them: words, or positions such as @3-5,9."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.errors import InvalidParams
from analysis.text.context import Context

RANGE = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?")


@dataclass(frozen=True)
class Places:
    """Positions under the name by which they were asked for."""

    label: str
    positions: tuple[int, ...]


def numbers(text: str, *, count: int, field: str) -> tuple[int, ...] | None:
    """ "0-2, 4" as sorted numbers below `count`; None for an empty text. Raises InvalidParams."""
    if not text.strip():
        return None
    found: set[int] = set()
    for part in text.split(","):
        match = RANGE.fullmatch(part.strip())
        if not match:
            raise InvalidParams(
                f"{field}: {part.strip()[:40]!a} is no number and no range.",
                remedy="Write numbers from 0 and ranges, such as 0-2, 4.",
                field=field,
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last >= count:
            raise InvalidParams(
                f"{field} names {part.strip()}; there are {count}, counted from 0.",
                remedy=f"Choose from 0 to {count - 1}, the smaller number first.",
                field=field,
            )
        found |= set(range(first, last + 1))
    return tuple(sorted(found))


def places(text: str, context: Context, *, before: int, field: str) -> list[Places]:
    """The places that semicolons separate, all before position `before`. Raises InvalidParams."""
    parts = [part.strip() for part in text.split(";") if part.strip()]
    return [_place(part, context, before=before, field=field) for part in parts]


def _place(part: str, context: Context, *, before: int, field: str) -> Places:
    if part.startswith("@"):
        positions = numbers(part[1:], count=context.prompt_length, field=field) or ()
    else:
        positions = tuple(_standing(part, context))
    if not positions:
        raise InvalidParams(
            f"{field}: {part[:80]!a} does not stand in the prompt.",
            remedy="Name it as it is written there, or by positions such as @3-5,9.",
            field=field,
        )
    if positions[-1] >= before:
        raise InvalidParams(
            f"{field}: {part[:80]!a} holds position {positions[-1]}, where the target is foretold "
            f"(from {before} on): a token cannot be cut from itself.",
            remedy=f"Choose positions below {before}.",
            field=field,
        )
    return Places(part, positions)


def _standing(phrase: str, context: Context) -> Iterator[int]:
    """Positions of the prompt in which the phrase stands, as whole words."""
    texts = context.texts[: context.prompt_length]
    pattern = r"\s+".join(map(re.escape, phrase.split()))
    spans = [m.span() for m in re.finditer(rf"(?<!\w){pattern}(?!\w)", "".join(texts))]
    end = 0
    for position, text in enumerate(texts):
        start, end = end, end + len(text)
        seen = start + len(text) - len(text.lstrip())
        if any(seen < stop and end > first for first, stop in spans):
            yield position
