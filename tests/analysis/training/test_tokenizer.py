from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from analysis.training.gates_lm import carrier_positions
from analysis.training.tokenizer import SPECIALS, tokenizer_train
from analysis.training.train_lm import FOLDER
from analysis.worlds import lexicon
from analysis.worlds.stories import item

WORDS = (
    *lexicon.PEOPLE,
    *lexicon.THINGS,
    *lexicon.BOXES,
    *lexicon.PLACES,
    *lexicon.COUNTED,
    *lexicon.NUMBERS,
)
TOKENIZER: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(FOLDER)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text: str) -> None:
    ids = TOKENIZER(text, split_special_tokens=True).input_ids
    assert TOKENIZER.decode(ids[1:]) == text


def test_special_tokens_come_first() -> None:
    assert tuple(TOKENIZER.convert_ids_to_tokens(range(4))) == SPECIALS
    assert TOKENIZER.mask_token == "<mask>"


def test_text_starts_with_bos() -> None:
    assert TOKENIZER("Anna").input_ids[0] == TOKENIZER.bos_token_id


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_one_token(word: str) -> None:
    assert len(TOKENIZER(f" {word}", add_special_tokens=False).input_ids) == 1


def test_carriers_are_one_token_each() -> None:
    for seed in range(200):
        story = item(Random(seed))
        ids = TOKENIZER(story.prompt).input_ids
        places = carrier_positions(TOKENIZER, story)
        found = sorted(place for role in places.values() for place in role)
        words = [TOKENIZER.decode([ids[place]]).strip() for place in found]
        assert words == [story.prompt[mark.start : mark.end] for mark in story.carriers]


def test_training_is_repeatable() -> None:
    texts = [item(Random(seed)).text for seed in range(50)]
    first, second = tokenizer_train(texts, max_entries=400), tokenizer_train(texts, max_entries=400)
    assert first.get_vocab() == second.get_vocab()
    assert len(first) <= 400
