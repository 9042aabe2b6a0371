"""Words and sentences of a text, given as the texts of its tokens; without torch."""

from collections.abc import Sequence
from itertools import pairwise

import regex

WORD = regex.compile(r"\w+(?:['’]\w+)*|\S")
# Punctuation by Unicode's tables, so that each script uses its own marks. A sentence ends at a
# mark followed by a space, or at a wide mark, which is not followed by a space.
_CLOSERS = r"[\p{Quotation_Mark}\p{Pe}\p{Pf}]*"
_WIDE = r"[\p{Sentence_Break=STerm}&&[\p{ea=W}\p{ea=F}\p{ea=H}]]"
SENTENCE_END = regex.compile(
    rf"(?V1)[\p{{Sentence_Terminal}}…]*{_WIDE}[\p{{Sentence_Terminal}}…]*{_CLOSERS}\s*"
    rf"|[\p{{Sentence_Terminal}}…]+{_CLOSERS}\s+|\n+"
)


def word_numbers(texts: list[str]) -> list[int]:
    """Number of the word that each token belongs to, from 0, without gaps."""
    return _numbers(texts, [match.start() for match in WORD.finditer("".join(texts))])


def sentence_numbers(texts: list[str]) -> list[int]:
    """Number of the sentence that each token belongs to, from 0, without gaps."""
    return _numbers(texts, [match.end() for match in SENTENCE_END.finditer("".join(texts))])


def parts_of(numbered: Sequence[int], queries: range) -> list[range]:
    """Positions of each run of equal numbers before `queries`, and `queries` as the last."""
    starts = [n for n in range(queries.start) if n == 0 or numbered[n] != numbered[n - 1]]
    bounds = [*starts, queries.start, queries.stop]
    return [range(start, stop) for start, stop in pairwise(bounds)]


def _numbers(texts: list[str], starts: list[int]) -> list[int]:
    """Group of each token, by the last start at or before its first visible character."""
    groups: list[int] = []
    offset, at = 0, -1
    for text in texts:
        visible = offset + len(text) - len(text.lstrip())
        while at + 1 < len(starts) and starts[at + 1] <= min(visible, offset + len(text)):
            at += 1
        groups.append(at)
        offset += len(text)
    order = {group: number for number, group in enumerate(sorted(set(groups)))}
    return [order[group] for group in groups]
