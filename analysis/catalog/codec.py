"""Where a text continues another, and what one token reads as: on any tokenizer, without torch.

Many tokenizers treat the beginning of a text in their own way: Llama 2's puts a space before it,
and its decoder takes the first space away. A text that continues another therefore is encoded
behind an anchor, a text whose tokens are cut off again, and a single token is decoded behind one.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

ANCHORS = ("a", "\n", ".", "0", "b")
TAIL = 16  # tokens of the text before that bear on how its continuation is cut into tokens
BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
REPLACEMENT = "\ufffd"
BYTES = 4  # of a character, at most
# Names that act when they are typed; a role given to an ordinary word or sign leaves it a word.
ACTING_NAME = re.compile(r"[<>\[\]{}|｜_]")
IDS = re.compile(r"\s*#\d{1,8}(\s*,?\s*#\d{1,8})*\s*")


def acts(name: str) -> bool:
    """Whether a special token's name is spelled as a mark, not as a word or a sign of a text."""
    return ACTING_NAME.search(name) is not None


def ids_of(text: str) -> list[int] | None:
    """The ids of `#12` or `#12 #40`, as people write tokens by number; None of any other text."""
    return [int(found) for found in re.findall(r"\d+", text)] if IDS.fullmatch(text) else None


class Anchor(NamedTuple):
    """A text, its ids, and what they decode to."""

    text: str
    ids: list[int]
    kept: str


@dataclass(frozen=True)
class Codec:
    """A tokenizer as two functions, without marks at the ends of a text.

    `encode` reads the names of special tokens as plain text; `decode` writes them; `piece` is a
    token's entry in the vocabulary, None where it has none. `special` are the ids that act.
    """

    encode: Callable[[str], list[int]]
    decode: Callable[[list[int]], str]
    piece: Callable[[int], str | None]
    special: frozenset[int]
    names: dict[int, str] = field(default_factory=dict)

    @cached_property
    def anchors(self) -> list[Anchor]:
        """Those of ANCHORS that the tokenizer keeps."""
        found = (self._anchored(text) for text in ANCHORS)
        return [anchor for anchor in found if anchor]

    @property
    def anchor(self) -> list[int]:
        """Ids of the first anchor; empty where the tokenizer keeps none."""
        return self.anchors[0].ids if self.anchors else []

    def continued(self, before: Sequence[int], text: str) -> list[int]:
        """Ids of a text that continues the ids `before`, which stay as they are.

        The text is encoded after the end of the preceding text, whose tokens are cut off. Where
        the tokenizer would merge over the boundary, it is encoded behind one of ANCHORS. Of these
        the first is taken whose tokens, decoded behind `before`, add exactly the text; where none
        does (a tokenizer that lowers case, say), the first that can be cut off.
        """
        if not text:
            return []
        tail = self.tail(before)
        cuts = list(self._cuts(tail, text))
        exact = (ids for ids in cuts if self._adds(tail, ids, text))
        return next(exact, cuts[0] if cuts else self.encode(text))

    def single(self, before: Sequence[int], text: str) -> int | None:
        """The token that adds the text behind `before`, if there is one."""
        tail = self.tail(before)
        alone = [ids for ids in self._cuts(tail, text) if len(ids) == 1] if text else []
        exact = [ids for ids in alone if self._adds(tail, ids, text)]
        return next((ids[0] for ids in [*exact, *alone]), None)

    def name(self, token: int) -> str:
        """What a token adds to a text, its space included; `#555` where that is no text.

        A special token is named as it is spelled. A byte that the tokenizer writes as another token
        is shown as its piece, `<0x41>`.
        """
        if token not in self.names:
            self.names[token] = self.text(token) or self._mark(token) or f"#{token}"
        return self.names[token]

    def text(self, token: int) -> str | None:
        """What a token that stands for text adds to a text; None where no text names it."""
        piece = self.piece(token)
        if piece is None or token in self.special:
            return None
        text = self._added(token)
        if not text or REPLACEMENT in text:
            return None
        same = not BYTE.fullmatch(piece) or self.single((), text) == token
        return text if same else None

    def _mark(self, token: int) -> str | None:
        """The piece of a token that acts, or of a byte that another token is written for."""
        piece = self.piece(token)
        if piece is None or token in self.special:
            return piece
        byte = BYTE.fullmatch(piece) and REPLACEMENT not in self._added(token)
        return piece if byte else None

    def _added(self, token: int) -> str:
        """By the difference of two decodes."""
        for _, head, kept in self.anchors:
            both = self.decode([*head, token])
            if both.startswith(kept):
                return both[len(kept) :]
        return self.decode([token])

    def tail(self, before: Sequence[int], longest: int = TAIL) -> list[int]:
        """The last ids of a text, from the beginning of a character on, after the last that acts.

        Bytes of an incomplete character make a decoder lose adjacent ones.
        """
        last = list(before[-longest:])
        acting = [at for at, token in enumerate(last) if token in self.special]
        last = last[acting[-1] + 1 :] if acting else last
        for unfinished in range(BYTES):
            end = len(last) - unfinished
            for start in range(end):
                if REPLACEMENT not in self.decode(last[start:end]):
                    return last[start:]
        return last

    def _cuts(self, tail: list[int], text: str) -> Iterator[list[int]]:
        """The text's ids behind each anchor that no token of it merges with."""
        before = self._anchored(self.decode(tail)) if tail else None
        for anchor, head, _ in [before, *self.anchors] if before else self.anchors:
            ids = self.encode(anchor + text)
            if ids[: len(head)] == head:
                yield ids[len(head) :]

    def _anchored(self, text: str) -> Anchor | None:
        """The text as an anchor, unless the tokenizer loses a part of it."""
        ids = self.encode(text)
        kept = self.decode(ids)
        same = ids and text in (kept, kept.removeprefix(" "))
        return Anchor(text, ids, kept) if same else None

    def _adds(self, tail: list[int], ids: list[int], text: str) -> bool:
        """Whether ids behind the tail, or behind an anchor where there is none, add the text."""
        head = tail or self.anchor
        return self.decode([*head, *ids]) == self.decode(head) + text
