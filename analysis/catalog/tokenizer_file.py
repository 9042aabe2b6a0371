"""The tokenizer of a model folder, read without torch for what the form shows of a text.

The worker's tokenizer may treat the beginning of a text in another way than tokenizer.json says;
what follows another text, which is all that is read here, it cuts into the same tokens.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from analysis.catalog.codec import Codec, acts
from analysis.catalog.folder import check_contents, reading

FILE = "tokenizer.json"


class Named(NamedTuple):
    """A token, what it adds to a text, and its entry in the vocabulary."""

    id: int
    text: str
    piece: str


def read_codec(folder: Path) -> Codec | None:
    """None where the folder has no tokenizer.json. Raises ModelUnreadable."""
    file = folder / FILE
    if not file.is_file():
        return None
    check_contents(folder)
    with reading(folder.name):
        return _codec(file, file.stat().st_mtime_ns)


def continuing(
    folder: Path, before: str, given: str | list[int], *, alone: bool
) -> list[Named] | None:
    """The tokens of a text behind another; where it can be `alone` one token, that one.

    None where the folder has no tokenizer.json. Raises ModelUnreadable.
    """
    codec = read_codec(folder)
    if codec is None:
        return None
    with reading(folder.name):
        if isinstance(given, str):
            head = codec.encode(before)
            found = codec.single(head, given) if alone else None
            given = codec.continued(head, given) if found is None else [found]
        return [
            Named(token, codec.name(token), codec.piece(token) or f"#{token}") for token in given
        ]


@lru_cache(maxsize=8)
def _codec(file: Path, mtime_ns: int) -> Codec:
    del mtime_ns
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    added = tokenizer.get_added_tokens_decoder()
    return Codec(
        encode=lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids),
        decode=lambda ids: str(tokenizer.decode(ids, skip_special_tokens=False)),
        piece=tokenizer.id_to_token,
        special=frozenset(i for i, t in added.items() if t.special and acts(t.content)),
    )


def opened_by(folder: Path) -> int:
    """Number of special tokens that the tokenizer puts before a text. Raises ModelUnreadable."""
    file = folder / FILE
    if not file.is_file():
        return 1
    with reading(folder.name):
        return _opened_by(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _opened_by(file: Path, mtime_ns: int) -> int:
    del mtime_ns
    marks = Tokenizer.from_file(str(file)).encode("a").special_tokens_mask
    return marks.index(0) if 0 in marks else 0
