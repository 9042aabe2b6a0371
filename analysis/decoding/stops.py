"""Stop rules of trials and texts, on decoded text or, as published, on ids."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from transformers import PreTrainedTokenizerBase

from analysis.catalog.codec import Anchor
from analysis.model import Model
from analysis.text import tokenization as texts
from analysis.text.context import check_id

SLACK = 16  # characters at the start of a chunk, which may be decoded differently there
PUBLISHED = (".", ",", "\n", "?", "!", ":", ";", ")", "]", "}")


@dataclass
class ClauseStop:
    """Tokens that end a clause.

    `text`: the token's own text ends a clause by `text.CLAUSE_END`, in any script. `ids`, as in the
    published code: the token is the first of those that one of the PUBLISHED signs is encoded to.
    """

    tokenizer: PreTrainedTokenizerBase
    rule: Literal["text", "ids"]
    known: dict[int, bool] = field(default_factory=dict)

    def __call__(self, token: int) -> bool:
        if token not in self.known:
            self.known[token] = self._ends(token)
        return self.known[token]

    def _ends(self, token: int) -> bool:
        if self.rule == "ids":
            return token in self._published
        return texts.CLAUSE_END.search(str(self.tokenizer.decode([token]))) is not None

    @cached_property
    def _published(self) -> frozenset[int]:
        found = (self.tokenizer.encode(sign, add_special_tokens=False) for sign in PUBLISHED)
        return frozenset(ids[0] for ids in found if ids)


@dataclass(frozen=True)
class TextStop:
    """Texts that end an output, searched in its decoded text, and tokens that end it.

    `anchor`: ids before the decoded output, since some tokenizers drop a leading space.
    """

    tokenizer: PreTrainedTokenizerBase
    strings: tuple[str, ...]
    anchor: Anchor | None = None
    tokens: frozenset[int] = frozenset()

    def __call__(self, ids: list[int]) -> bool:
        """Whether the newest token is one of the tokens, or completes one of the texts."""
        if self.tokens.intersection(ids[-1:]):
            return True
        if not self.strings or not any(string in self._end(ids) for string in self.strings):
            return False
        now, before = self._decode(ids), self._decode(ids[:-1])
        return any(string in now and string not in before for string in self.strings)

    def _end(self, ids: list[int]) -> str:
        """The end of the text, long enough to contain any stop text that its newest token
        completes.
        """
        wanted = max(map(len, self.strings)) + SLACK
        tokens = wanted
        while len(tail := self._decode(ids[-tokens:])) < wanted and tokens < len(ids):
            tokens *= 2
        return tail

    def _decode(self, ids: list[int]) -> str:
        head, kept = (self.anchor.ids, self.anchor.kept) if self.anchor else ([], "")
        text = str(self.tokenizer.decode([*head, *ids], skip_special_tokens=False))
        return text.removeprefix(kept)


def text_stop(model: Model, given: str | list[int]) -> TextStop:
    """The texts of a parameter, or the tokens. Raises InvalidParams, InvalidText."""
    anchor = next(iter(texts.codec(model.tokenizer).anchors), None)
    if isinstance(given, str):
        return TextStop(model.tokenizer, stop_strings(given), anchor)
    for token in given:
        check_id(model, token, field="stop_strings")
    return TextStop(model.tokenizer, (), anchor, frozenset(given))


def stop_strings(given: str) -> tuple[str, ...]:
    """One text per line; \\n in it is a new line."""
    lines = (line.replace("\\n", "\n") for line in given.splitlines())
    found = tuple(line for line in lines if line)
    for line in found:
        texts.check_text(line, "stop_strings")
    return found


def eos_ids(model: Model) -> tuple[int, ...]:
    """Tokens that end a text: those of the generation config, and the tokenizer's."""
    config: Any = getattr(model.plain, "generation_config", None)
    listed = config.eos_token_id if config is not None else None
    several = listed if isinstance(listed, list) else [listed]
    found = {*several, model.tokenizer.eos_token_id} - {None}
    size = model.info.vocabulary  # a tokenizer may have tokens that its model lacks
    return tuple(sorted(int(token) for token in found if token < size))
