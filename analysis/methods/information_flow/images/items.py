"""The items that an image prompt names, as spans of its text."""

import re
from dataclasses import dataclass

from analysis.errors import InvalidParams, PromptEmpty

MOST_ITEMS = 6
# What precedes the first item, and separates two.
OPENING = re.compile(
    r"\s*(?:(?:a|the) (?:picture|drawing|photo|painting) of|there (?:is|are))\s+", re.I
)
JOINT = re.compile(r"\s*,\s*(?:and\s+)?|\s+(?:and|with|next to|beside)\s+", re.I)


@dataclass(frozen=True, slots=True)
class PromptItem:
    """Characters `start:end` of the prompt."""

    phrase: str
    start: int
    end: int


def read_text(prompt: str) -> str:
    """The prompt without spaces around it. Raises PromptEmpty."""
    text = prompt.strip()
    if not text:
        raise PromptEmpty("The prompt is empty.", remedy="Type some text.", field="prompt")
    return text


def read_items(text: str, named: str, chosen: int) -> list[PromptItem]:
    """As `find_items`; raises InvalidParams too if there is no item number `chosen`, from 1."""
    items = find_items(text, named)
    if chosen > len(items):
        raise InvalidParams(
            f"item is {chosen}; the prompt has {len(items)}: "
            f"{'; '.join(item.phrase for item in items)}.",
            remedy=f"Choose one from 1 to {len(items)}, or 0 for the last.",
            field="item",
        )
    return items


def find_items(prompt: str, named: str) -> list[PromptItem]:
    """The items given, separated by semicolons; if none is given, the parts between conjunctions.

    Raises InvalidParams for an item that does not occur in the prompt, or too many items.
    """
    found = _named(prompt, named) if named.strip() else _split(prompt)
    if len(found) > MOST_ITEMS:
        raise InvalidParams(
            f"The prompt has {len(found)} items; the limit is {MOST_ITEMS}.",
            remedy="List only the relevant ones in items, separated by semicolons.",
            field="items",
        )
    return found


def _named(prompt: str, named: str) -> list[PromptItem]:
    found, after = [], 0
    for phrase in filter(None, (part.strip() for part in named.split(";"))):
        start = prompt.find(phrase, after)
        if start < 0:
            raise InvalidParams(
                f"{phrase!a} does not occur in the prompt after character {after}.",
                remedy="Copy the items from the prompt, in the order of the prompt.",
                field="items",
            )
        after = start + len(phrase)
        found.append(PromptItem(phrase, start, after))
    return found


def _split(prompt: str) -> list[PromptItem]:
    opening = OPENING.match(prompt)
    start = opening.end() if opening else 0
    found = []
    for end, next_start in [(m.start(), m.end()) for m in JOINT.finditer(prompt, start)] + [
        (len(prompt), len(prompt))
    ]:
        phrase = prompt[start:end].strip(" .")
        if phrase:
            begin = prompt.index(phrase, start)
            found.append(PromptItem(phrase, begin, begin + len(phrase)))
        start = next_start
    return found
