"""A text that continues another, and the name of one token, on every kind of tokenizer."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from analysis.text.tokenization import (
    codec,
    display_continued,
    encode_continued,
    joined_continued,
    token_name,
)
from tests.tokenizer_kinds import KINDS

TOKENIZERS = {kind: make() for kind, make in KINDS.items()}
LOSSLESS = [kind for kind in KINDS if kind not in ("word pieces", "unigram")]
WORDS = [
    " Lily", " and", "he", " he", "at", " was", ".", ", ", "?", " 15", "5", "\n", "\n\n", "  ",
    "'s", "é", "日", "😀", "t", "T", "a", "0", "<s>", " the",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map("".join)
KNOWN = st.lists(
    st.sampled_from([" Lily", " and", "he", " the", ".", " was", "at", " 15", " cat"]),
    min_size=1,
    max_size=5,
).map("".join)


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return TOKENIZERS[request.param]


def read(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    ids: list[int] = tokenizer(text).input_ids
    return ids


def decoded(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False))


def squeezed(text: str) -> str:
    return text.replace(" ", "").lower()


@pytest.mark.parametrize("kind", LOSSLESS)
@settings(max_examples=60, deadline=None)
@given(before=TEXTS, text=TEXTS)
@example(before="é日😀", text="\n")
@example(before="😀" * 9, text="日 a")
def test_a_continuation_adds_exactly_its_text(kind: str, before: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind]
    head = codec(tokenizer).continued((), before)
    ids = encode_continued(tokenizer, text, before=head, field="continuation")
    assert decoded(tokenizer, [*head, *ids]) == decoded(tokenizer, head) + text
    assert joined_continued(tokenizer, ids, before=head) == text


@pytest.mark.parametrize("kind", ["word pieces", "unigram"])
@settings(max_examples=60, deadline=None)
@given(before=KNOWN, text=KNOWN)
def test_known_words_continue_a_text_where_bytes_cannot_stand_in(
    kind: str, before: str, text: str
) -> None:
    tokenizer = TOKENIZERS[kind]
    head = read(tokenizer, before)[1:]
    ids = encode_continued(tokenizer, text, before=head, field="continuation")
    joined, first = decoded(tokenizer, [*head, *ids]), decoded(tokenizer, head)
    assert joined.startswith(first)
    assert squeezed(joined) == squeezed(first + text)


def test_what_continues_at_a_word_is_the_plain_texts_own_tokens(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    before, text = "One day, Lily", " and the cat was happy. Tim"
    head = read(tokenizer, before)
    ids = encode_continued(tokenizer, text, before=head, field="continuation")
    assert [*head, *ids] == read(tokenizer, before + text)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_text_within_a_word_stays_within_it(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]
    head = read(tokenizer, "One day, Lily and th")
    ids = encode_continued(tokenizer, "ere", before=head, field="continuation")
    assert decoded(tokenizer, [*head, *ids]).endswith("Lily and there")


def test_every_token_has_a_name_of_its_own(tokenizer: PreTrainedTokenizerFast) -> None:
    names = [token_name(tokenizer, token) for token in range(len(tokenizer))]
    assert all(names)
    assert len(set(names)) == len(names)


def test_a_name_that_is_a_text_names_its_token(tokenizer: PreTrainedTokenizerFast) -> None:
    plain = codec(tokenizer)
    for token in range(len(tokenizer)):
        text = plain.text(token)
        if text is not None:
            assert plain.single((), text) in (token, None)  # some are never written


def test_an_id_that_is_no_text_is_named_by_its_number(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    assert token_name(tokenizer, len(tokenizer) + 43) == f"#{len(tokenizer) + 43}"
    assert token_name(tokenizer, tokenizer.bos_token_id) == "<s>"


def test_a_word_and_the_same_within_a_word_differ() -> None:
    tokenizer = TOKENIZERS["prepending"]
    pieces = tokenizer.get_vocab()
    names = {piece: token_name(tokenizer, token) for piece, token in pieces.items()}
    pairs = [
        piece for piece in pieces if len(piece) > 1 and "▁" not in piece and f"▁{piece}" in pieces
    ]
    assert pairs
    assert all((names[p], names[f"▁{p}"]) == (p, f" {p}") for p in pairs)
    assert (names["▁"], names["<0x0A>"], names["<0x20>"]) == (" ", "\n", "<0x20>")
    assert names["<0xE6>"] == f"#{pieces['<0xE6>']}"


def test_the_first_token_shown_keeps_its_space(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = encode_continued(tokenizer, " Lily", field="answer")
    assert "".join(display_continued(tokenizer, ids)).lower() == " lily"


def test_nothing_continues_as_nothing(tokenizer: PreTrainedTokenizerFast) -> None:
    assert encode_continued(tokenizer, "", before=[1, 5], field="answer") == []
    assert display_continued(tokenizer, [], before=[1, 5]) == []
