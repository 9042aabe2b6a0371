"""Where a trial ends, and where a text does: decided on decoded text, or on ids as published."""

from dataclasses import dataclass, field
from typing import Literal

import regex
from transformers import PreTrainedTokenizerBase

from analysis import text as texts
from analysis.model import Model

CLAUSE_ENDS = ".,\n?!:;)]}"
# A clause may be closed by quotes, brackets or blanks within the same token.
ENDS_CLAUSE = regex.compile(r"[.,\n?!:;)\]}][\s\"'”’»*_`]*$")


@dataclass
class ClauseStop:
    """Tokens that end a clause.

    `text`: the token's own text ends with one of CLAUSE_ENDS, quotes and blanks behind it set
    aside. `ids`: the token is one of these signs alone, as in the published code.
    """

    tokenizer: PreTrainedTokenizerBase
    rule: Literal["text", "ids"]
    known: dict[int, bool] = field(default_factory=dict)

    def __call__(self, token: int) -> bool:
        if token not in self.known:
            said = str(self.tokenizer.decode([token]))
            alone = len(said) == 1 and said in CLAUSE_ENDS
            found = alone if self.rule == "ids" else ENDS_CLAUSE.search(said) is not None
            self.known[token] = found
        return self.known[token]


@dataclass(frozen=True)
class TextStop:
    """Texts that end an output, looked for in its decoded text."""

    tokenizer: PreTrainedTokenizerBase
    strings: tuple[str, ...]

    def __call__(self, ids: list[int]) -> bool:
        """Whether the newest token completes one of them."""
        if not self.strings:
            return False
        now, before = self._decode(ids), self._decode(ids[:-1])
        return any(string in now and string not in before for string in self.strings)

    def _decode(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))


def stop_strings(given: str) -> tuple[str, ...]:
    """One text per line; \\n in it is a new line."""
    lines = (line.replace("\\n", "\n") for line in given.splitlines())
    found = tuple(line for line in lines if line)
    for line in found:
        texts.check_text(line, "stop_strings")
    return found


def eos_ids(model: Model) -> tuple[int, ...]:
    """Tokens that end a text: those of the generation config, and the tokenizer's."""
    config = model.plain.generation_config
    listed = config.eos_token_id if config is not None else None
    several = listed if isinstance(listed, list) else [listed]
    found = {*several, model.tokenizer.eos_token_id} - {None}
    return tuple(sorted(int(token) for token in found))
