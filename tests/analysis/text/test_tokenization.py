from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from analysis.errors import (
    InvalidParams,
    InvalidText,
    PromptEmpty,
    PromptTooLong,
    SpecialTokenInText,
)
from analysis.text.grouping import sentence_numbers, word_numbers
from analysis.text.tokenization import (
    check_length,
    display_texts,
    encode_continued,
    encode_prompt,
)
from tests.tiny_models import byte_tokenizer

EMOJI = "😀"
FAMILY = "👨\u200d👩\u200d👧"
TRICKY = [
    "a", " ", "é", "e\u0301", "日", EMOJI, FAMILY, "\u202e", "\u200f", "\n", "\r\n", "\t", ". ",
    "ball?", "\ufffd", "\u0000\u0001", "\u00a0", "It's", "…", "!?", "<s>", "ﬁ", "\U0010ffff",
]  # fmt: skip
TEXTS = st.text() | st.lists(st.sampled_from(TRICKY)).map("".join)


def merging_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, with tokens that end one character and begin the next (the bytes of é are Ã, ©)."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("©", "Ã"), ("Ģ", "ð")]
    vocabulary = {piece: i for i, piece in enumerate([*alphabet, *("".join(m) for m in merges)])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core)


def fallback_tokenizer() -> PreTrainedTokenizerFast:
    """As in Llama 2: ▁ for a space, and the bytes of what the vocabulary lacks."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abl?"]
    core = Tokenizer(
        models.BPE(
            vocab={piece: i for i, piece in enumerate([*pieces, "al", "▁b"])},
            merges=[("a", "l"), ("▁", "b")],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    core.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>")


def closing_tokenizer() -> PreTrainedTokenizerFast:
    """Closes each text with </s>, as some do."""
    tokenizer = byte_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return tokenizer


BYTES, MERGING, FALLBACK = byte_tokenizer(), merging_tokenizer(), fallback_tokenizer()
TOKENIZERS = pytest.mark.parametrize(
    "tokenizer", [BYTES, MERGING, FALLBACK], ids=["bytes", "merging", "fallback"]
)
often = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def decoded(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False))


@TOKENIZERS
@often
@given(text=TEXTS)
@example(text="ééééééé")
@example(text=EMOJI * 5)
@example(text="\ufffd" * 40 + "a")
def test_the_parts_of_any_text_join_to_the_whole(
    tokenizer: PreTrainedTokenizerFast, text: str
) -> None:
    ids = tokenizer(text).input_ids
    assert "".join(display_texts(tokenizer, ids)) == decoded(tokenizer, ids)


@TOKENIZERS
@often
@given(data=st.data())
def test_the_parts_of_any_ids_join_to_the_whole(
    tokenizer: PreTrainedTokenizerFast, data: st.DataObject
) -> None:
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=30))
    texts = display_texts(tokenizer, ids)
    assert len(texts) == len(ids)
    assert "".join(texts) == decoded(tokenizer, ids)


@pytest.mark.parametrize("tokenizer", [BYTES, FALLBACK], ids=["bytes", "fallback"])
def test_a_character_spread_over_tokens_shows_once(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer(f"a{EMOJI}b", add_special_tokens=False).input_ids
    texts = display_texts(tokenizer, ids)
    assert texts[-5:] == ["", "", "", EMOJI, "b"]


def test_a_token_shows_its_own_text() -> None:
    ids = BYTES("Where is the ball?").input_ids
    assert display_texts(BYTES, ids)[0] == "<s>"
    assert "".join(display_texts(BYTES, ids)[1:]) == "Where is the ball?"
    assert display_texts(BYTES, ids) == [decoded(BYTES, [token]) for token in ids]


@often
@given(text=TEXTS)
@pytest.mark.parametrize("numbers", [word_numbers, sentence_numbers])
def test_groups_are_numbered_in_order_without_gaps(
    numbers: Callable[[list[str]], list[int]], text: str
) -> None:
    texts = display_texts(BYTES, BYTES(text).input_ids)
    found = numbers(texts)
    assert len(found) == len(texts)
    assert found == sorted(found)
    assert sorted(set(found)) == list(range(len(set(found))))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Where", " is", " the", " ba", "ll", "?"], [0, 1, 2, 3, 3, 4]),
        ([" ball?"], [0]),
        (["Anna", "'", "s", " ball"], [0, 0, 0, 1]),
        (["Anna", "’s"], [0, 0]),
        (["a", "", "", "", EMOJI, "b"], [0, 1, 1, 1, 1, 2]),
        (["a", "\n", "b"], [0, 1, 1]),
        ([" ", " a"], [0, 1]),
        ([], []),
    ],
)
def test_words(texts: list[str], expected: list[int]) -> None:
    assert word_numbers(texts) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Anna", " sat", ".", " Tom", " ran", "!"], [0, 0, 0, 1, 1, 1]),
        (["It", " costs", " 3", ".", "5", "."], [0, 0, 0, 0, 0, 0]),
        (["Who", "?", '"', " Tom", "."], [0, 0, 0, 1, 1]),
        (["one", "\n", "two", "\n\n", "three"], [0, 1, 1, 2, 2]),
        (["日本。", " 東京"], [0, 1]),
        (["你好", "。", "他走", "了！", "」", "好"], [0, 0, 1, 1, 1, 2]),
        (["３", "．", "５", "だ"], [0, 0, 0, 0]),
        (["यह", " है", "।", " वह"], [0, 0, 0, 1]),
        (["هل", "؟", " نعم", "."], [0, 0, 1, 1]),
        ([], []),
    ],
)
def test_sentences(texts: list[str], expected: list[int]) -> None:
    assert sentence_numbers(texts) == expected


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u2003"])
def test_an_empty_prompt_is_refused(text: str) -> None:
    with pytest.raises(PromptEmpty) as caught:
        encode_prompt(BYTES, text)
    assert caught.value.field == "prompt"


def test_a_prompt_of_which_the_tokenizer_leaves_nothing_is_empty() -> None:
    tokenizer = merging_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("\u200b", "")
    with pytest.raises(PromptEmpty):
        encode_prompt(tokenizer, "\u200b")


@pytest.mark.parametrize("bad", ["\udfff", "\0"])
def test_what_is_no_text_is_refused_by_its_code_point(bad: str) -> None:
    with pytest.raises(InvalidText, match=f"U\\+{ord(bad):04X}") as caught:
        encode_prompt(BYTES, f"Anna {bad} has")
    assert caught.value.field == "prompt"
    with pytest.raises(InvalidText) as caught:
        encode_continued(BYTES, bad, field="continuation")
    assert caught.value.field == "continuation"


def test_a_prompt_begins_with_the_protected_bos() -> None:
    prompt = encode_prompt(BYTES, "Anna has")
    assert prompt.ids == BYTES("Anna has").input_ids
    assert prompt.protected == [True, *[False] * (len(prompt.ids) - 1)]


def test_a_special_token_typed_as_text_is_refused_at_its_place() -> None:
    with pytest.raises(SpecialTokenInText, match="</s> at character 5") as caught:
        encode_prompt(BYTES, "Anna </s> has")
    assert caught.value.field == "special_tokens"


def test_a_special_token_can_be_read_as_text() -> None:
    prompt = encode_prompt(BYTES, "a</s>b", special="text")
    assert decoded(BYTES, prompt.ids) == "<s>a</s>b"
    assert prompt.ids[1:] == [BYTES.convert_tokens_to_ids(c) for c in "a</s>b"]
    assert prompt.protected == [True, *[False] * 6]


def test_a_special_token_can_be_let_act() -> None:
    prompt = encode_prompt(BYTES, "a</s>b", special="token")
    ids = [BYTES.convert_tokens_to_ids(piece) for piece in ("<s>", "a", "</s>", "b")]
    assert prompt.ids == ids
    assert prompt.protected == [True, False, True, False]


def test_a_special_token_that_only_the_tokenizer_file_lists_is_special_too() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.backend_tokenizer.add_special_tokens([AddedToken("<|header|>", special=True)])
    with pytest.raises(SpecialTokenInText, match="header"):
        encode_prompt(tokenizer, "a<|header|>b")
    prompt = encode_prompt(tokenizer, "a<|header|>b", special="token")
    assert prompt.protected == [True, False, True, False]


def test_a_plain_text_has_no_bos_and_no_special_tokens() -> None:
    ids = encode_continued(BYTES, "</s>", field="continuation")
    assert ids == [BYTES.convert_tokens_to_ids(c) for c in "</s>"]


@pytest.mark.parametrize(
    ("text", "special", "kept"),
    [
        ("Anna", "refuse", 0),
        ("Anna</s>", "token", 1),
        ("Anna</s>", "text", 0),
        ("</s>", "token", 1),
    ],
)
def test_the_eos_that_closes_a_text_is_dropped_the_typed_one_kept(
    text: str, special: str, kept: int
) -> None:
    ids = encode_prompt(closing_tokenizer(), text, special=special).ids
    assert ids == encode_prompt(BYTES, text, special=special).ids
    assert ids.count(1) == kept


def chat_tokenizer(template: str) -> PreTrainedTokenizerFast:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


TEMPLATE = (
    "{% for message in messages %}<s>[{{ message.role }}]\n{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>[assistant]\n{% endif %}"
)


@pytest.mark.parametrize("text", ["Where is the ball?", "a", "0", "aa", " Anna "])
def test_in_a_chat_the_markers_are_protected_and_the_content_is_not(text: str) -> None:
    tokenizer = chat_tokenizer(TEMPLATE)
    prompt = encode_prompt(tokenizer, text, chat=True)
    assert decoded(tokenizer, prompt.ids) == f"<s>[user]\n{text}</s><s>[assistant]\n"
    pairs = list(zip(prompt.ids, prompt.protected, strict=True))
    assert decoded(tokenizer, [token for token, closed in pairs if not closed]) == text
    assert (
        decoded(tokenizer, [token for token, closed in pairs if closed])
        == "<s>[user]\n</s><s>[assistant]\n"
    )


def test_without_a_chat_template_a_chat_is_refused() -> None:
    with pytest.raises(InvalidParams, match="no chat template") as caught:
        encode_prompt(BYTES, "Anna", chat=True)
    assert caught.value.field == "chat"


def test_a_chat_template_that_fails_is_a_typed_error() -> None:
    tokenizer = chat_tokenizer("{{ raise_exception('no user may speak') }}")
    with pytest.raises(InvalidParams, match="no user may speak") as caught:
        encode_prompt(tokenizer, "Anna", chat=True)
    assert caught.value.field == "chat"


def test_the_remedy_of_a_special_token_in_a_chat_names_what_helps_there() -> None:
    with pytest.raises(SpecialTokenInText) as caught:
        encode_prompt(chat_tokenizer(TEMPLATE), "a</s>", chat=True, special="text")
    assert "set special_tokens to text" not in caught.value.remedy
    assert "token" in caught.value.remedy


def test_a_length_that_fits_passes() -> None:
    check_length(90, output=6, context=96)


def test_a_length_that_does_not_fit_names_both_lengths_and_the_remedy() -> None:
    with pytest.raises(PromptTooLong) as caught:
        check_length(90, output=7, context=96)
    assert caught.value.field == "prompt"
    for number in ("90 tokens", "up to 7", "97 in total", "context is 96"):
        assert number in caught.value.message
    assert "Shorten the prompt to 89 tokens" in caught.value.remedy


def test_an_output_longer_than_the_context_asks_for_a_shorter_output() -> None:
    with pytest.raises(PromptTooLong) as caught:
        check_length(1, output=100, context=96)
    assert "to 0 tokens" not in caught.value.remedy
    assert "shorter output" in caught.value.remedy


@often
@given(text=st.text(alphabet=st.characters()))
def test_any_string_is_encoded_or_refused_by_a_typed_error(text: str) -> None:
    with suppress(PromptEmpty, InvalidText, SpecialTokenInText):
        assert decoded(BYTES, encode_prompt(BYTES, text).ids) == "<s>" + text


def with_pad(word: str) -> PreTrainedTokenizerFast:
    """As it is after loading: the padding token is listed as special."""
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"pad_token": word})
    return tokenizer


@pytest.mark.parametrize("word", ["has", "!", "the"])
def test_a_word_that_pads_stays_a_word(word: str) -> None:
    tokenizer = with_pad(word)
    prompt = encode_prompt(tokenizer, f"Anna {word} it")
    assert prompt == encode_prompt(BYTES, f"Anna {word} it")
    assert prompt.protected == [True, *[False] * (len(prompt.ids) - 1)]


def test_what_is_normalized_away_is_refused() -> None:
    core = Tokenizer(models.BPE(vocab={"▁": 0, "a": 1, "▁a": 2}, merges=[("▁", "a")]))
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(Regex(r"[\x10\u200b]"), "")]
    )
    core.decoder = decoders.Replace("▁", " ")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)
    with pytest.raises(PromptEmpty, match="gives no tokens for the prompt"):
        encode_prompt(tokenizer, "\x10")
    assert encode_prompt(tokenizer, "\x10a").ids == [2]
