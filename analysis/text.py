"""Text to token ids and back: what is typed, what is shown, and how tokens group."""

from dataclasses import dataclass
from typing import Any

import regex
from transformers import PreTrainedTokenizerBase

from analysis.errors import (
    InvalidParams,
    InvalidText,
    PromptEmpty,
    PromptTooLong,
    SpecialTokenInText,
)

WORD = regex.compile(r"\w+(?:['’]\w+)*|\S")
SENTENCE_END = regex.compile(r"[.!?…。！？]+[\"'”’)\]]*\s+|\n+")


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
    check_text(text, "prompt")
    if special == "refuse":
        refuse_special(tokenizer, text)
    if chat:
        if special == "text":  # a template is tokenized whole, so they would act as tokens
            refuse_special(tokenizer, text)
        return _encode_chat(tokenizer, text)
    ids = tokenizer(text, split_special_tokens=special == "text").input_ids
    if ids and ids[-1] == tokenizer.eos_token_id and not text.endswith(str(tokenizer.eos_token)):
        ids = ids[:-1]  # some tokenizers close the text, which a continuation must not see
    specials = set(tokenizer.all_special_ids)
    return Prompt(ids, [token in specials for token in ids])


def encode_plain(tokenizer: PreTrainedTokenizerBase, text: str, *, field: str) -> list[int]:
    """Ids of a text that stands inside another: no BOS, special tokens as plain text."""
    check_text(text, field)
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
    return ids


def check_text(text: str, field: str) -> None:
    """Raise InvalidText for what is not Unicode text: lone surrogates, NUL."""
    bad = next((c for c in text if "\ud800" <= c <= "\udfff" or c == "\0"), None)
    if bad is not None:
        raise InvalidText(
            f"{field} holds U+{ord(bad):04X}, which is no character.",
            remedy="Remove it and type the text again.",
            field=field,
        )


def refuse_special(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    """Raise SpecialTokenInText if a special token's name stands in the text."""
    for name in tokenizer.all_special_tokens:
        if name in text:
            raise SpecialTokenInText(
                f"The prompt holds the special token {name} at character {text.index(name)}.",
                remedy="Remove it, or set special_tokens to text (plain characters) or token "
                "(it acts on the model).",
                field="special_tokens",
            )


def check_length(length: int, *, output: int, context: int) -> None:
    """Raise PromptTooLong unless prompt and output fit into the context."""
    if length + output > context:
        raise PromptTooLong(
            f"The prompt has {length} tokens and the output up to {output}, "
            f"{length + output} in all; the model's context is {context}.",
            remedy=f"Shorten the prompt to {max(0, context - output)} tokens, "
            "or ask for a shorter output.",
            field="prompt",
        )


def display_texts(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    """What each token adds to the decoded text.

    The bytes of one character may be spread over tokens: all but the last of them then add
    nothing, and the last adds the character.
    """
    texts: list[str] = []
    start = 0  # first token of the stretch that is decoded together
    for end in range(1, len(ids) + 1):
        before = str(tokenizer.decode(ids[max(0, start - 4) : start], skip_special_tokens=False))
        whole = str(tokenizer.decode(ids[max(0, start - 4) : end], skip_special_tokens=False))
        added = whole[len(before) :]
        unfinished = added.endswith("\ufffd") and end < len(ids) and end - start < 4
        texts.append("" if unfinished else added)
        start = start if unfinished else end
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
    if not tokenizer.chat_template:
        raise InvalidParams(
            "This model's tokenizer has no chat template.",
            remedy="Set chat to false.",
            field="chat",
        )
    ids = _templated(tokenizer, text)
    one, other = _templated(tokenizer, "a"), _templated(tokenizer, "0")
    inside = range(_common(one, other), len(ids) - _common(one[::-1], other[::-1]))
    return Prompt(ids, [at not in inside for at in range(len(ids))])


def _templated(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: Any = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
    )
    return list(ids)


def _common(one: list[int], other: list[int]) -> int:
    """Length of the common start of two lists."""
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return at
    return min(len(one), len(other))
