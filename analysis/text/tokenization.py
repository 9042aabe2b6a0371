"""Text to token ids and back: what is typed, what is shown, and how tokens group."""

from collections.abc import Callable, Sequence
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

WORD = regex.compile(r"\w+(?:['’]\w+)*|\S")
LONGEST_STRETCH = 16  # tokens; a character takes four at most, unless bytes are no text
# Signs by Unicode's own tables, so that every script is told apart by its own marks.
# A sentence ends at marks with a blank after them, or at wide marks, which no blank follows.
_CLOSERS = r"[\p{Quotation_Mark}\p{Pe}\p{Pf}]*"
_WIDE = r"[\p{Sentence_Break=STerm}&&[\p{ea=W}\p{ea=F}\p{ea=H}]]"
SENTENCE_END = regex.compile(
    rf"(?V1)[\p{{Sentence_Terminal}}…]*{_WIDE}[\p{{Sentence_Terminal}}…]*{_CLOSERS}\s*"
    rf"|[\p{{Sentence_Terminal}}…]+{_CLOSERS}\s+|\n+"
)
# A text that ends a clause: at a mark or a closing bracket, quotes and blanks behind it set aside.
CLAUSE_END = regex.compile(
    r"(?V1)[\p{Terminal_Punctuation}…\n\u2028\u2029[\p{Pe}--\p{Quotation_Mark}]]"
    r"[\s\p{Quotation_Mark}\p{Pf}*_`]*$"
)
ACTS = "token (it acts on the model)"

_codecs: WeakKeyDictionary[PreTrainedTokenizerBase, Codec] = WeakKeyDictionary()


@dataclass(frozen=True)
class Prompt:
    """Token ids of a prompt, and which of them a method must leave alone."""

    ids: list[int]
    protected: list[bool]


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, text: str, *, chat: bool = False, special: str = "refuse"
) -> Prompt:
    """Ids of a prompt as the model reads it: with BOS, or inside the chat template.

    `special` says what happens to special tokens typed as text: refuse, text or token.
    Raises PromptEmpty, InvalidText, SpecialTokenInText, InvalidParams (no chat template).
    """
    if not text.strip():
        raise PromptEmpty("The prompt is empty.", remedy="Type some text.", field="prompt")
    refuse_lost(tokenizer, text, field="prompt")
    # A chat template is tokenized whole: special tokens in it act, they cannot be read as text.
    if special == "refuse" or (chat and special == "text"):
        refuse_special(tokenizer, text, **({"ways": ACTS} if chat else {}))
    if chat:
        return _encode_chat(tokenizer, text)
    # Where they are refused there are none; but a word with a role must not be cut out of others.
    ids = tokenizer(text, split_special_tokens=special != "token").input_ids
    if tokenizer("a").input_ids[-1] == tokenizer.eos_token_id:
        ids = ids[:-1]  # some tokenizers close the text, which a continuation must not see
    specials = set(special_tokens(tokenizer).values())
    return Prompt(ids, [token in specials for token in ids])


def codec(tokenizer: PreTrainedTokenizerBase) -> Codec:
    """The tokenizer as `analysis.catalog.codec` takes it."""
    if tokenizer not in _codecs:  # what is kept must not keep the tokenizer alive
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
    """Ids of a text that continues `before`, or any text: no BOS.

    Special tokens in it are plain text unless they are `acting`. Codec.continued says where it is
    cut from what stands before it. Raises InvalidText.
    """
    check_text(text, field)
    plain = codec(tokenizer)
    chosen = replace(plain, encode=_encoder(tokenizer, acting=True)) if acting else plain
    return chosen.continued(before, text)


def token_name(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    """What one token adds to a text, its space included; `#555` where that is no text."""
    return codec(tokenizer).name(token)


def refuse_lost(tokenizer: PreTrainedTokenizerBase, text: str, *, field: str) -> None:
    """Raise PromptEmpty for a text of which the tokenizer leaves nothing, or InvalidText."""
    check_text(text, field)
    plain = codec(tokenizer)
    if not plain.decode(plain.encode(text)).strip():
        raise PromptEmpty(
            f"The tokenizer leaves nothing of the {field} {shortened(text)}.",
            remedy="Type some text.",
            field=field,
        )


def check_text(text: str, field: str) -> None:
    """Raise InvalidText for what is not Unicode text: lone surrogates, NUL."""
    bad = next((c for c in text if "\ud800" <= c <= "\udfff" or c == "\0"), None)
    if bad is not None:
        raise InvalidText(
            f"{field} holds U+{ord(bad):04X}, which is no character.",
            remedy="Remove it and type the text again.",
            field=field,
        )


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Ids of the special tokens by name: those with a role, and those that only act.

    A token that has a role but is spelled as a word or a sign (a pad token "the") is text.
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
    """Raise SpecialTokenInText if a special token's name stands in the prompt.

    `ways` are the values of special_tokens that would take it; empty: none does.
    """
    found = _typed_special(tokenizer, text)
    if found:
        remedy = f"Remove it, or set special_tokens to {ways}." if ways else "Remove it."
        raise SpecialTokenInText(
            f"The prompt holds the special token {found} at character {text.index(found)}.",
            remedy=remedy,
            field="special_tokens" if ways else "prompt",
        )


def refuse_special_in_question(
    tokenizer: PreTrainedTokenizerBase, question: str, *, picture: int, special: str
) -> None:
    """Raise SpecialTokenInText for a special token in a question about a picture.

    `special` token lets it act; that of the picture, an id, never may, since it needs a picture.
    """
    names = special_tokens(tokenizer)
    if special == "token":
        names = {name: id_ for name, id_ in names.items() if id_ == picture}
    found = _typed_special(tokenizer, question, names)
    if found:
        acts_too = names[found] != picture
        more = f", or set special_tokens to {ACTS}" if acts_too else ""
        raise SpecialTokenInText(
            f"The question holds the special token {found} at character {question.index(found)}"
            f"{'' if acts_too else '; it stands for a picture, which is put in already'}.",
            remedy=f"Remove it{more}.",
            field="question",
        )


def _typed_special(
    tokenizer: PreTrainedTokenizerBase, text: str, names: dict[str, int] | None = None
) -> str | None:
    """The special token whose name stands first in the text, the longest of several there."""
    known = special_tokens(tokenizer) if names is None else names
    typed = [name for name in known if name in text]
    return min(typed, key=lambda name: (text.index(name), -len(name)), default=None)


def check_length(length: int, *, output: int, context: int) -> None:
    """Raise PromptTooLong unless prompt and output fit into the context."""
    if length + output > context:
        room = context - output
        shorter = f"Shorten the prompt to {room} tokens, or ask" if room > 0 else "Ask"
        raise PromptTooLong(
            f"The prompt has {length} tokens and the output up to {output}, "
            f"{length + output} in all; the model's context is {context}.",
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
    """What each token adds to the decoded text; the parts join to the whole.

    The bytes of one character may be spread over tokens: all but the last of them then add
    nothing, and the last adds the character. A token may also end one and begin the next.
    """

    def decode(start: int, end: int) -> str:
        return str(tokenizer.decode(ids[start:end], skip_special_tokens=False))

    whole = decode(0, len(ids))
    texts: list[str] = []
    # A stretch begins where a character does; it is decoded together with the one before it,
    # because a decoder may treat the first token of a text in its own way.
    previous = start = 0
    before, base, shown = "", 0, 0  # text of the previous stretch; characters up to here, given out
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


def word_numbers(texts: list[str]) -> list[int]:
    """Number of the word that each token belongs to, from 0, without gaps."""
    return _numbers(texts, [match.start() for match in WORD.finditer("".join(texts))])


def sentence_numbers(texts: list[str]) -> list[int]:
    """Number of the sentence that each token belongs to, from 0, without gaps."""
    return _numbers(texts, [match.end() for match in SENTENCE_END.finditer("".join(texts))])


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


def _encode_chat(tokenizer: PreTrainedTokenizerBase, text: str) -> Prompt:
    texts = chat_template.render(
        tokenizer,
        [text, "a", "0"],
        chat_template.as_text,
        chat_template.as_parts,
        remedy="Set chat to false.",
    )
    ids, one, other = (_encode_rendered(tokenizer, rendered) for rendered in texts)
    inside = range(_common(one, other), len(ids) - _common(one[::-1], other[::-1]))
    return Prompt(ids, [at not in inside for at in range(len(ids))])


def _encode_rendered(tokenizer: PreTrainedTokenizerBase, rendered: str) -> list[int]:
    ids: list[int] = tokenizer(rendered, add_special_tokens=False).input_ids
    return ids


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """Length of the common start of two sequences."""
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return at
    return min(len(one), len(other))
