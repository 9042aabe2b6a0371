"""Extract an answer from an output with a regular expression and a time limit."""

from dataclasses import dataclass
from functools import cached_property

import regex

from analysis.errors import InvalidParams

SECONDS = 0.2
THOUSANDS = regex.compile(r",(?=\d{3}(?!\d))")


def is_right(answer: str | None, known: str) -> bool | None:
    """Whether an answer equals the known one, compared as numbers if both are; None: unknown."""
    if not known.strip():
        return None
    return answer is not None and _plain(answer) == _plain(known)


def _plain(answer: str) -> float | str:
    """Numbers are normalised (1,000 equals 1000.0); for words, case and outer spaces are
    ignored.
    """
    text = answer.strip().casefold()
    try:
        return float(THOUSANDS.sub("", text))
    except ValueError:
        return text


@dataclass(frozen=True)
class AnswerPattern:
    """A pattern whose first group, or else the whole match, is the answer; empty: no answer."""

    pattern: str

    @cached_property
    def compiled(self) -> "regex.Pattern[str]":
        """Raise InvalidParams if the pattern is not a regular expression."""
        try:
            return regex.compile(self.pattern)
        except (regex.error, RecursionError, OverflowError) as error:
            raise InvalidParams(
                f"answer_pattern {self.pattern!a} is not a regular expression: {error}.",
                remedy=r"Write one such as has (\d+), or leave it empty.",
                field="answer_pattern",
            ) from None

    def read(self, text: str) -> str | None:
        """The first answer in the text. Raises InvalidParams if the search takes too long."""
        if not self.pattern:
            return None
        try:
            found = self.compiled.search(text, timeout=SECONDS)
        except TimeoutError:
            raise InvalidParams(
                f"answer_pattern {self.pattern!a} takes more than {SECONDS} s on an output of "
                f"{len(text)} characters.",
                remedy="Avoid nested repetitions in the pattern.",
                field="answer_pattern",
            ) from None
        if found is None:
            return None
        first = found[1] if self.compiled.groups else found[0]
        return first if first is None else str(first)
