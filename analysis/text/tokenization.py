"""Text to token ids and back: input text, displayed text, and groups of tokens."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary, proxy

import regex
from transformers import PreTrainedTokenizerBase

from analysis.catalog.codec import Codec, acts
from analysis.errors import (
    InvalidText,
    PromptEmpty,
    PromptTooLong,
    SpecialTokenInText,
    shortened,
)
from analysis.model import chat_template

LONGEST_STRETCH = 16  # tokens; a character takes at most four, unless the bytes are not text
# A text that ends a clause: at a mark or a closing bracket, ignoring quotes and spaces after it.
CLAUSE_END = regex.compile(
    r"(?V1)[\p{Terminal_Punctuation}…\n\u2028\u2029[\p{Pe}--\p{Quotation_Mark}]]"
    r"[\s\p{Quotation_Mark}\p{Pf}*_`]*$"
)
ACTS = "token (use it as the special token)"

_codecs: WeakKeyDictionary[PreTrainedTokenizerBase, Codec] = WeakKeyDictionary()


@dataclass(frozen=True)
class EncodedPrompt:
    """Token ids of a prompt, and which of them are protected."""

    ids: list[int]
    protected: list[bool]


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, text: str, *, chat: bool = False, special: str = "refuse"
) -> EncodedPrompt:
    """Ids of a prompt as input to the model: with BOS, or inside the chat template.

    `special` is the treatment of special tokens typed as text: refuse, text or token. Raises
    PromptEmpty, InvalidText, SpecialTokenInText, InvalidParams (no chat template).
    """
    if not text.strip():
        raise PromptEmpty("The prompt is empty.", remedy="Type some text.", field="prompt")
    refuse_lost(tokenizer, text, field="prompt")
    # A chat template is tokenized as a whole: special tokens in it cannot be read as text.
    if special == "refuse" or (chat and special == "text"):
        refuse_special(tokenizer, text, **({"ways": ACTS} if chat else {}))
    if chat:
        return _encode_chat(tokenizer, text)
    # If they are refused there are none, but a word that has a role must not be cut out of a
    # longer word.
    ids = tokenizer(text, split_special_tokens=special != "token").input_ids
    if tokenizer("a").input_ids[-1] == tokenizer.eos_token_id:
        ids = ids[:-1]  # some tokenizers append an end token, which a continuation must not contain
    specials = set(special_tokens(tokenizer).values())
    return EncodedPrompt(ids, [token in specials for token in ids])


def codec(tokenizer: PreTrainedTokenizerBase) -> Codec:
    """The tokenizer as a Codec of `analysis.catalog.codec`."""
    if tokenizer not in _codecs:  # the cached value must not keep the tokenizer alive
        _codecs[tokenizer] = _codec(proxy(tokenizer))
    return _codecs[tokenizer]


def _codec(tokenizer: Any) -> Codec:
    size = len(tokenizer)
    return Codec(
        encode=_encoder(tokenizer),
        decode=lambda ids: str(tokenizer.decode(ids, skip_special_tokens=False)),
        piece=lambda token: tokenizer.convert_ids_to_tokens(token) if token < size else None,
        special=frozenset(special_tokens(tokenizer).values()),
    )


def _encoder(
    tokenizer: PreTrainedTokenizerBase, *, acting: bool = False
) -> Callable[[str], list[int]]:
    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer(
            text, add_special_tokens=False, split_special_tokens=not acting
        ).input_ids
        return ids

    return encode


def encode_continued(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    *,
    before: Sequence[int] = (),
    acting: bool = False,
    field: str,
) -> list[int]:
    """Ids of a text that continues `before`, or of any text without BOS.

    Special tokens in it are plain text unless they are `acting`. `Codec.continued` defines the
    boundary to the preceding text. Raises InvalidText.
    """
    check_text(text, field)
    plain = codec(tokenizer)
    chosen = replace(plain, encode=_encoder(tokenizer, acting=True)) if acting else plain
    return chosen.continued(before, text)


def token_name(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    """The text that one token adds, including its space; `#555` if it has no text."""
    return codec(tokenizer).name(token)


def refuse_lost(tokenizer: PreTrainedTokenizerBase, text: str, *, field: str) -> None:
    """Raise PromptEmpty for a text that has no tokens, or InvalidText."""
    check_text(text, field)
    plain = codec(tokenizer)
    if not plain.decode(plain.encode(text)).strip():
        raise PromptEmpty(
            f"The tokenizer gives no tokens for the {field} {shortened(text)}.",
            remedy="Type some text.",
            field=field,
        )


def check_text(text: str, field: str) -> None:
    """Raise InvalidText for lone surrogates and NUL, which are not Unicode text."""
    bad = next((c for c in text if "\ud800" <= c <= "\udfff" or c == "\0"), None)
    if bad is not None:
        raise InvalidText(
            f"{field} contains U+{ord(bad):04X}, which is not a character.",
            remedy="Remove it and type the text again.",
            field=field,
        )


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Ids of the special tokens by name: those with a role, and all others.

    A token that has a role but is an ordinary word or sign (a pad token "the") is text.
    """
    roles = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)
    added = tokenizer.added_tokens_decoder.items()
    named = {**dict(roles), **{str(token): id_ for id_, token in added if token.special}}
    return {name: id_ for name, id_ in named.items() if acts(name)}


def refuse_special(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    *,
    ways: str = f"text (plain characters) or {ACTS}",
) -> None:
    """Raise SpecialTokenInText if the prompt contains a special token's name.

    `ways` are the values of special_tokens that would accept it; empty: none.
    """
    found = _typed_special(tokenizer, text)
    if found:
        remedy = f"Remove it, or set special_tokens to {ways}." if ways else "Remove it."
        raise SpecialTokenInText(
            f"The prompt contains the special token {found} at character {text.index(found)}.",
            remedy=remedy,
            field="special_tokens" if ways else "prompt",
        )


def refuse_special_in_question(
    tokenizer: PreTrainedTokenizerBase,
    question: str,
    *,
    picture: int,
    media: Collection[int],
    special: str,
) -> None:
    """Raise SpecialTokenInText for a special token in a question about a picture.

    With `special` = token it is used as such, except the image token, which needs a picture, and
    the other tokens of `media`.
    """
    names = special_tokens(tokenizer)
    if special == "token":
        names = {name: id_ for name, id_ in names.items() if id_ in {picture, *media}}
    found = _typed_special(tokenizer, question, names)
    if found:
        acts_too = names[found] not in {picture, *media}
        marks = "the picture, which is already inserted"
        if names[found] != picture:
            marks = "a picture, a video or a sound, of which the question holds none"
        why = "" if acts_too else f"; it marks {marks}"
        more = f", or set special_tokens to {ACTS}" if acts_too else ""
        raise SpecialTokenInText(
            f"The question contains the special token {found} at character "
            f"{question.index(found)}{why}.",
            remedy=f"Remove it{more}.",
            field="question",
        )


def _typed_special(
    tokenizer: PreTrainedTokenizerBase, text: str, names: dict[str, int] | None = None
) -> str | None:
    """The first special token in the text; of several at the same place, the longest."""
    known = special_tokens(tokenizer) if names is None else names
    typed = [name for name in known if name in text]
    return min(typed, key=lambda name: (text.index(name), -len(name)), default=None)


def check_length(length: int, *, output: int, context: int) -> None:
    """Raise PromptTooLong unless prompt and output fit into the context."""
    if length + output > context:
        room = context - output
        shorter = f"Shorten the prompt to {room} tokens, or ask" if room > 0 else "Ask"
        raise PromptTooLong(
            f"The prompt has {length} tokens and the output up to {output}, {length + output} in "
            f"total; the model's context is {context} tokens.",
            remedy=f"{shorter} for a shorter output.",
            field="prompt",
        )


def display_continued(
    tokenizer: PreTrainedTokenizerBase, ids: list[int], *, before: Sequence[int] = ()
) -> list[str]:
    """`display_texts` of ids that continue a text, so that the first keeps its space."""
    plain = codec(tokenizer)
    head = plain.tail(before) or plain.anchor
    return display_texts(tokenizer, [*head, *ids])[len(head) :]


def joined_continued(
    tokenizer: PreTrainedTokenizerBase, ids: list[int], *, before: Sequence[int] = ()
) -> str:
    """The text that ids add to the one that they continue."""
    return "".join(display_continued(tokenizer, ids, before=before))


def display_texts(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    """The text that each token adds; the concatenated parts give the whole text.

    The bytes of one character may be spread over several tokens: the last of them adds the
    character, the others add nothing. A token may also end one character and begin the next.
    """

    def decode(start: int, end: int) -> str:
        return str(tokenizer.decode(ids[start:end], skip_special_tokens=False))

    whole = decode(0, len(ids))
    texts: list[str] = []
    # A chunk begins at the start of a character. It is decoded together with the previous chunk,
    # because a decoder may treat the first token of a text differently.
    previous = start = 0
    before, base, shown = (
        "",
        0,
        0,
    )  # text of the previous chunk; number of characters already yielded
    for end in range(1, len(ids) + 1):
        added = decode(previous, end)[len(before) :]
        same = _common(added, whole[base : base + len(added)])
        upto = max(shown, base + same) if end < len(ids) else len(whole)
        texts.append(whole[shown:upto])
        shown = upto
        settled = not added.endswith("\ufffd") or end - start > LONGEST_STRETCH
        if added and same == len(added) and settled:
            previous, start, base = start, end, upto
            before = decode(previous, start)
    return texts


def _encode_chat(tokenizer: PreTrainedTokenizerBase, text: str) -> EncodedPrompt:
    texts = chat_template.render(
        tokenizer,
        [text, "a", "0"],
        chat_template.as_text,
        chat_template.as_parts,
        remedy="Set chat to false.",
    )
    ids, one, other = (_encode_rendered(tokenizer, rendered) for rendered in texts)
    inside = range(_common(one, other), len(ids) - _common(one[::-1], other[::-1]))
    return EncodedPrompt(ids, [at not in inside for at in range(len(ids))])


def _encode_rendered(tokenizer: PreTrainedTokenizerBase, rendered: str) -> list[int]:
    ids: list[int] = tokenizer(rendered, add_special_tokens=False).input_ids
    return ids


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """Length of the common prefix of two sequences."""
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return at
    return min(len(one), len(other))
