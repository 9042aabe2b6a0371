"""Whether the ids of a folder's tokenizer are tokens of its model, read without torch.

A token may be added to a tokenizer and not to the model: Gemma 3 names a token for pictures that
its text models lack, and many fine-tunes add `[PAD]`. Such a model is read; only a text that uses
the token is refused. Ordinary entries beyond the model's vocabulary are those of another model.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer
from tokenizers.models import WordLevel, WordPiece

from analysis.catalog.folder import reading
from analysis.errors import ModelUnreadable, shortened

NAMED = 3  # tokens that a warning names


class Ids(NamedTuple):
    """The largest id of a tokenizer's ordinary entries, and its added tokens by id."""

    largest: int
    added: dict[int, str]


def tokens_beyond(folder: Path, vocabulary: int) -> dict[int, str]:
    """Added tokens by id that a model of `vocabulary` tokens does not have.

    Raises ModelUnreadable if the tokenizer is damaged or another model's.
    """
    file = folder / "tokenizer.json"
    if not file.is_file():
        return {}
    try:
        with reading(f"tokenizer.json of {folder.name}"):
            ids = _read_ids(file, file.stat().st_mtime_ns)
    except ModelUnreadable as error:
        raise ModelUnreadable(error.message, remedy="Save the tokenizer again.") from None
    if ids.largest >= vocabulary:
        raise ModelUnreadable(
            f"The tokenizer of {folder.name} has ids up to {ids.largest}, "
            f"the model's vocabulary ends at {vocabulary - 1}.",
            remedy="Put the tokenizer of this very model into the folder.",
        )
    return {token: text for token, text in sorted(ids.added.items()) if token >= vocabulary}


def warning_of(beyond: dict[int, str], vocabulary: int) -> str:
    """What the list of models says of tokens that the model does not have."""
    named = [f"{shortened(text)} (#{token})" for token, text in beyond.items()][:NAMED]
    more = f" and {len(beyond) - NAMED} more" if len(beyond) > NAMED else ""
    return (
        f"The tokenizer has tokens that the model lacks: {', '.join(named)}{more}; its tokens are "
        f"0 to {vocabulary - 1}. A text that uses one of them is refused."
    )


@lru_cache(maxsize=1024)
def _read_ids(file: Path, mtime_ns: int) -> Ids:
    """Raises ModelUnreadable, and whatever tokenizers does."""
    del mtime_ns  # part of the cache key: a changed file is read again
    tokenizer = Tokenizer.from_file(str(file))
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    if not vocabulary:
        raise _faulty(file, "has an empty vocabulary")
    unknown = getattr(tokenizer.model, "unk_token", None)
    if unknown is not None and unknown not in vocabulary and _needs_unknown(tokenizer):
        raise _faulty(file, f"has no entry for its unknown token {shortened(unknown)}")
    if getattr(tokenizer.model, "max_input_chars_per_word", 1) < 1:
        raise _faulty(file, "reads no word: max_input_chars_per_word is 0")
    _check_special_tokens(tokenizer)
    added = {token: found.content for token, found in tokenizer.get_added_tokens_decoder().items()}
    own = set(vocabulary.values()) - set(added)
    return Ids(max(own, default=-1), added)


def _check_special_tokens(tokenizer: Tokenizer) -> None:
    """Put the special tokens around a text; those that are not in the vocabulary panic.

    The text is another tokenizer's: the rules of this one could take forever, or all memory.
    """
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.post_process(Tokenizer(WordLevel({"a": 0}, "a")).encode("a"))


def _needs_unknown(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer's model fails at what it does not know."""
    return isinstance(tokenizer.model, WordLevel | WordPiece)


def _faulty(file: Path, what: str) -> ModelUnreadable:
    return ModelUnreadable(
        f"tokenizer.json of {file.parent.name} {what}.", remedy="Save the tokenizer again."
    )
