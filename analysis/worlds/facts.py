"""The facts of a story: wordings with named slots, and the words that an answer depends on."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from analysis.worlds import lexicon

Kind = Literal["who", "where", "count"]
Role = Literal["source", "link", "key"]
KINDS: tuple[Kind, ...] = ("who", "where", "count")

HELD_OUT_SHARE = 10  # one (asked subject, answer) pair in ten never occurs in training
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Carrier:
    """Characters `start:end` of a prompt that its answer depends on.

    `role`: `source` is a story word that is the answer or the entity that leads to it, `link` a
    story word that names what is asked about, `key` a word of the question that selects.
    """

    start: int
    end: int
    role: Role


@dataclass(frozen=True, slots=True)
class Fact:
    """A wording, the words in its slots and the roles of those slots for the plan's question."""

    wording: str
    slots: Mapping[str, str]
    roles: Mapping[str, Role]

    def render(self, offset: int) -> tuple[str, list[Carrier]]:
        """The sentence, and its carriers for a sentence that starts at character `offset`."""
        text, carriers, last = "", [], 0
        for mark in _SLOT.finditer(self.wording):
            text += self.wording[last : mark.start()]
            start, last = offset + len(text), mark.end()
            text += self.slots[mark[1]]
            if mark[1] in self.roles:
                carriers.append(Carrier(start, offset + len(text), self.roles[mark[1]]))
        return text + self.wording[last:], carriers


@dataclass(frozen=True, slots=True)
class StoryPlan:
    """Facts in story order, the question they answer and the answer."""

    name: str
    kind: Kind
    hops: int
    facts: tuple[Fact, ...]
    question: Fact
    answer: str
    superseded: bool = False

    @property
    def held_out(self) -> bool:
        """Whether this pair of asked subject and answer is kept out of training."""
        subject = " ".join(self.question.slots.values())
        return zlib.crc32(f"{subject}|{self.answer}".encode()) % HELD_OUT_SHARE == 0


class Cast:
    """Deals the words of one story, each at most once, so that no fact is ambiguous."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        pools = {
            "person": lexicon.PEOPLE,
            "thing": lexicon.THINGS,
            "place": lexicon.PLACES,
            "box": lexicon.BOXES,
            "things": lexicon.COUNTED,
            "number": lexicon.NUMBERS,
        }
        self._left = {name: rng.sample(words, len(words)) for name, words in pools.items()}
        self._counted: str | None = None

    def deal(self, pool: str) -> str:
        """A word of `pool` that this story has not used."""
        return self._left[pool].pop()

    def deal_counted(self) -> str:
        """A countable, half the time one that another person of the story has too."""
        if self._counted is None or self.rng.random() < 0.5:
            self._counted = self.deal("things")
        return self._counted

    def say(self, wordings: Sequence[str], roles: Mapping[str, Role], **slots: str) -> Fact:
        """A fact in one of `wordings`."""
        return Fact(self.rng.choice(wordings), slots, roles)
