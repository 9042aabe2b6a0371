"""Where trials and texts end."""

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from analysis.catalog.entries import Catalog
from analysis.decoding.stops import ClauseStop, TextStop, eos_ids, stop_strings
from analysis.model import Model


class Spelled(PreTrainedTokenizerBase):
    """A tokenizer whose tokens are these texts."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def decode(self, token_ids: Any, **_: Any) -> str:
        return "".join(self.texts[token] for token in token_ids)

    def encode(self, text: Any, **_: Any) -> list[int]:
        return [at for at, said in enumerate(self.texts) if said == text]


CLAUSES = [
    (".", True, True), (",", True, True), ("\n", True, True), ("?", True, True), ("!", True, True),
    (":", True, True), (";", True, True), (")", True, True), ("]", True, True), ("}", True, True),
    ('."', True, False), (".\n", True, False), (" .", True, False), ("?!", True, False),
    ("\n\n", True, False), (".)", True, False), (",” ", True, False), (" end.", True, False),
    ("a", False, False), ("(", False, False), (" ", False, False), ('"', False, False),
    (".5", False, False), ("", False, False), ("-", False, False), ("e.g", False, False),
]  # fmt: skip


@pytest.mark.parametrize(("said", "by_text", "by_ids"), CLAUSES)
def test_a_clause_ends(said: str, by_text: bool, by_ids: bool) -> None:  # noqa: FBT001
    rules: list[tuple[Literal["text", "ids"], bool]] = [("text", by_text), ("ids", by_ids)]
    for rule, expected in rules:
        stop = ClauseStop(Spelled(said), rule)
        assert stop(0) is expected
        assert stop(0) is expected  # from memory


@pytest.mark.parametrize("said", [
    "。", "，", "？", "！", "；", "：", "、", "…", "।", "॥", "؟", "،", "؛", "۔", "።", "։",
    "）", "】", "｡", "好。", "。」", "！”", "है।", "؟ ", "...", "!\u2028",
])  # fmt: skip
def test_a_clause_ends_in_every_script(said: str) -> None:
    assert ClauseStop(Spelled(said), "text")(0)


@pytest.mark.parametrize(
    "said", ["「", "『好", "（", "好", "है", "ー", "·a", "」", "«", "３．５", "’s", "–"]
)
def test_a_clause_goes_on_in_every_script(said: str) -> None:
    assert not ClauseStop(Spelled(said), "text")(0)


@pytest.mark.parametrize("model", ["tiny-llama", "tiny-gpt2", "demo-lm"])
def test_ids_are_those_of_the_published_code(catalog: Catalog, model: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(catalog.find(model).path)
    stop = ClauseStop(tokenizer, "ids")
    published = {tokenizer.encode(p, add_special_tokens=False)[0] for p in ".,\n?!:;)]}"}
    assert {token for token in range(len(tokenizer)) if stop(token)} == published


def test_signs_that_begin_with_a_blank_stop_at_the_blank() -> None:
    """As SentencePiece encodes them: published trials end there and at nothing else."""

    class Prefixed(Spelled):
        def encode(self, text: Any, **_: Any) -> list[int]:
            return [0, 1] if text else []

    stop = ClauseStop(Prefixed("▁", "."), "ids")
    assert [stop(0), stop(1)] == [True, False]


def test_a_stop_string_may_be_spread_over_tokens() -> None:
    stop = TextStop(Spelled("EN", "D", "x"), ("END",))
    assert [stop([2, 0][:n]) for n in (1, 2)] == [False, False]
    assert stop([2, 0, 1])
    assert not stop([2, 0, 1, 2])  # it was complete a token before


@given(st.lists(st.integers(0, 6), max_size=120), st.integers(0, 2))
def test_looking_at_the_end_alone_is_looking_at_all(ids: list[int], which: int) -> None:
    """Also where many tokens add no text, or where one adds much."""
    texts = ("", "a", "b", "ab", "é", "b" * 70, "ba")
    strings = (("ab",), ("éa", "bbb"), ("b" * 90 + "a",))[which]
    stop = TextStop(Spelled(*texts), strings)
    said = [texts[token] for token in ids]
    now, before = "".join(said), "".join(said[:-1])
    assert stop(ids) == any(string in now and string not in before for string in strings)


def test_a_token_ends_a_text_whatever_it_reads_as() -> None:
    stop = TextStop(Spelled("a", "b", "b"), (), tokens=frozenset({2}))
    assert [stop(ids) for ids in ([], [0], [0, 1], [2], [0, 2], [2, 0])] == [
        False, False, False, True, True, False,
    ]  # fmt: skip


def test_stop_strings_are_lines_with_escaped_new_lines() -> None:
    assert stop_strings("Q:\n\n\\n\\n\nEND") == ("Q:", "\n\n", "END")
    assert stop_strings("") == ()


def test_the_end_of_text_is_known(model: Model) -> None:
    assert eos_ids(model) == (1,)
