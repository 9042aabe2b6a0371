from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from tokenizers import Tokenizer, models
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from analysis.catalog.entries import Catalog, folder_entry
from analysis.errors import InvalidParams, ModelIncompatible
from analysis.events import Event, Progress
from analysis.loading import ModelCache, load_entry, loaded
from analysis.methods.reagent import replacers as replacement
from analysis.methods.reagent.replacers import (
    Predicted,
    Replacer,
    masked_lm,
    ordinary_ids,
    same_model,
    uniform,
    vocabulary_map,
)
from analysis.model import Model
from tests.drain import drain
from tests.tiny_models import byte_tokenizer, make_bert, save, spread

ALMOST_ONE = float(np.nextafter(1, 0))
PROMPT = "Anna has the ball. Where is the ball?"


def read(folder: Path) -> Model:
    cache, entry = ModelCache(2**30), folder_entry(folder)
    list(load_entry(entry, catalog=Catalog(), cache=cache, needs=()))
    return loaded(entry, cache)


@pytest.fixture(scope="module")
def masked(model_dir: Path) -> Model:
    return read(model_dir / "tiny-bert")


@pytest.fixture
def read_ids(model: Model) -> list[int]:
    ids: list[int] = model.tokenizer(PROMPT).input_ids
    return ids


def speaking_like(model: Model, masked: Model) -> Model:
    """The explained model with the masked model's vocabulary."""
    info = model.info.model_copy(update={"vocabulary": masked.info.vocabulary})
    return replace(model, tokenizer=masked.tokenizer, info=info)


def last(steps: Generator[Event, None, Predicted]) -> Predicted:
    """What a step returns after its progress."""
    events, result = drain(steps)
    assert all(isinstance(event, Progress) for event in events)
    return result


def replacers(model: Model, masked: Model, context: list[int]) -> list[Replacer]:
    return [
        uniform(model, context),
        last(same_model(model, context)),
        last(masked_lm(model, masked, context)),
    ]


def most_probable(logits: torch.Tensor, excluded: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Ids by falling probability and cumulative probabilities, the excluded left out."""
    values = logits.double().numpy().copy()
    values[sorted(excluded)] = -np.inf
    order = np.argsort(-values)[: replacement.KEPT]
    shares = np.exp(values[order] - values.max())
    return order, np.cumsum(shares) / shares.sum()


def test_ordinary_ids_are_those_of_text(model: Model) -> None:
    assert ordinary_ids(model).tolist() == list(range(3, 311))


def test_ids_beyond_the_models_vocabulary_are_never_offered(model: Model) -> None:
    small = replace(model, info=model.info.model_copy(update={"vocabulary": 300}))
    assert ordinary_ids(small).max() == 299
    beyond = replace(model, info=model.info.model_copy(update={"vocabulary": 500}))
    assert ordinary_ids(beyond).max() == 310


def test_a_replacement_is_never_the_original_and_never_special(
    model: Model, masked: Model, read_ids: list[int]
) -> None:
    generator = np.random.default_rng(1)
    uniforms = generator.random((400, len(read_ids)))
    uniforms[0], uniforms[1] = 0.0, ALMOST_ONE
    for replacer in replacers(model, masked, read_ids):
        drawn = replacer.draw(uniforms)
        assert drawn.shape == uniforms.shape
        assert not (drawn == np.array(read_ids)).any(), replacer.label
        assert np.isin(drawn, ordinary_ids(model)).all(), replacer.label


def test_the_same_uniforms_draw_the_same_tokens_whatever_the_batch(
    model: Model, masked: Model, read_ids: list[int]
) -> None:
    uniforms = np.random.default_rng(2).random((12, len(read_ids)))
    for replacer in replacers(model, masked, read_ids):
        drawn = replacer.draw(uniforms)
        assert np.array_equal(np.stack([replacer.draw(row) for row in uniforms]), drawn)
        cubed = replacer.draw(uniforms.reshape(3, 4, -1))
        assert np.array_equal(cubed.reshape(drawn.shape), drawn)


@pytest.mark.parametrize("original", [0, 3, 100, 310])
def test_uniform_draws_each_other_token_as_often(model: Model, original: int) -> None:
    uniforms = np.random.default_rng(original).random((308 * 30, 1))
    drawn = uniform(model, [original]).draw(uniforms)[:, 0]
    counts = np.bincount(drawn, minlength=311)
    others = np.setdiff1d(ordinary_ids(model), [original])
    assert counts.sum() == counts[others].sum()
    assert counts[others].all()
    assert stats.chisquare(counts[others]).pvalue > 0.001


def test_tokens_are_drawn_with_their_cumulative_probabilities() -> None:
    table = Predicted(np.array([[7, 5, 9]]), np.array([[0.5, 0.75, 1.0]]), "test")
    uniforms = np.array([[0.0], [0.4999], [0.5], [0.7499], [0.75], [ALMOST_ONE]])
    assert table.draw(uniforms)[:, 0].tolist() == [7, 7, 5, 5, 9, 9]


@torch.inference_mode()
def test_the_models_own_prediction_is_softmax_of_its_logits_before_each_position(
    model: Model,
) -> None:
    context = (model.tokenizer(PROMPT).input_ids * 8)[:90]
    assert len(context) > replacement.STRETCH
    plain = AutoModelForCausalLM.from_pretrained(model.path, attn_implementation="eager").eval()
    logits = plain(torch.tensor([context])).logits[0]
    found = last(same_model(model, context))
    for position in range(1, len(context)):
        ids, cumulative = most_probable(logits[position - 1], {0, 1, 2, context[position]})
        np.testing.assert_allclose(found.cumulative_NC[position], cumulative, atol=1e-5)
        assert found.ids_NC[position, :20].tolist() == ids[:20].tolist()
    assert found.label == f"predicted by {model.info.id}"
    assert found.fallbacks == 0


def test_before_the_first_position_every_token_is_as_likely(
    model: Model, read_ids: list[int]
) -> None:
    cumulative = last(same_model(model, read_ids)).cumulative_NC[0]
    np.testing.assert_allclose(np.diff(cumulative, prepend=0), 1 / replacement.KEPT)


@torch.inference_mode()
def test_a_masked_model_of_the_same_vocabulary_predicts_each_position_from_both_sides(
    model: Model, masked: Model
) -> None:
    like = speaking_like(model, masked)
    context = like.tokenizer(PROMPT).input_ids
    plain = AutoModelForMaskedLM.from_pretrained(masked.path, attn_implementation="eager").eval()
    found = last(masked_lm(like, masked, context))
    for position in range(len(context)):
        ids = torch.tensor([context])
        ids[0, position] = masked.tokenizer.mask_token_id
        logits = plain(ids).logits[0, position]
        order, cumulative = most_probable(logits, {0, 1, 2, 3, context[position]})
        np.testing.assert_allclose(found.cumulative_NC[position], cumulative, atol=1e-5)
        assert found.ids_NC[position, :20].tolist() == order[:20].tolist()


@torch.inference_mode()
@pytest.mark.parametrize("prompt", [PROMPT, "Tom <mask> has the ball."])
def test_a_masked_model_of_another_vocabulary_predicts_texts(
    model: Model, masked: Model, prompt: str
) -> None:
    plain = AutoModelForMaskedLM.from_pretrained(masked.path, attn_implementation="eager").eval()
    theirs, ours = masked.tokenizer.get_vocab(), model.tokenizer.get_vocab()
    shared = {
        theirs[piece]: ours[piece]
        for piece in theirs.keys() & ours.keys()
        if "\ufffd" not in masked.tokenizer.decode([theirs[piece]]) and theirs[piece] > 3
    }
    ids_N = model.tokenizer(prompt).input_ids
    found = last(masked_lm(model, masked, ids_N))
    for position in (1, 4, len(ids_N) - 1):
        left = model.tokenizer.decode(ids_N[1:position])
        right = model.tokenizer.decode(ids_N[position + 1 :])
        ids = masked.tokenizer(f"{left} <mask>{right}", return_tensors="pt").input_ids
        masks = (ids[0] == 3).nonzero()[:, 0].tolist()
        logits = plain(ids).logits[0, masks[left.count("<mask>")]]
        mapped = torch.full((311,), -torch.inf)
        for their, our in shared.items():
            mapped[our] = logits[their]
        order, cumulative = most_probable(mapped, {ids_N[position]})
        offered = len(shared) - (ids_N[position] in shared.values())
        np.testing.assert_allclose(found.cumulative_NC[position], cumulative, atol=1e-5)
        assert found.ids_NC[position, :20].tolist() == order[:20].tolist()
        assert found.cumulative_NC[position, offered - 1] == 1


def test_tokens_of_another_vocabulary_are_those_of_the_same_text(
    model: Model, masked: Model
) -> None:
    mapping = vocabulary_map(masked.tokenizer, model).tolist()
    assert len(mapping) == 300
    for their, our in enumerate(mapping):
        text = masked.tokenizer.decode([their])
        if our >= 0:
            assert model.tokenizer.decode([our]) == text
        else:
            assert their <= 3 or "\ufffd" in text or len(model.tokenizer.tokenize(text)) > 1
    assert sum(our >= 0 for our in mapping) > 120


@torch.inference_mode()
def test_a_context_beyond_the_masked_models_is_read_in_a_window_around_the_position(
    model: Model, masked: Model
) -> None:
    like = speaking_like(model, masked)
    context = (like.tokenizer(PROMPT).input_ids * 20)[:150]
    plain = AutoModelForMaskedLM.from_pretrained(masked.path, attn_implementation="eager").eval()
    found = last(masked_lm(like, masked, context))
    for position, start in [(0, 0), (31, 0), (75, 43), (149, 86)]:
        ids = torch.tensor([context])
        ids[0, position] = 3
        logits = plain(ids[:, start : start + 64]).logits[0, position - start]
        _, cumulative = most_probable(logits, {0, 1, 2, 3, context[position]})
        np.testing.assert_allclose(found.cumulative_NC[position], cumulative, atol=1e-5)


def test_positions_after_the_padding_token_are_not_overrun(model: Model, tmp_path: Path) -> None:
    tokenizer = byte_tokenizer(300, mask=True)
    config = RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=4, max_position_embeddings=43, pad_token_id=2, bos_token_id=0,
        eos_token_id=1,
    )  # fmt: skip
    masked = read(save(spread(RobertaForMaskedLM(config)), tokenizer, tmp_path / "roberta"))
    assert masked.info.context == 40
    like = speaking_like(model, masked)
    context = (tokenizer(PROMPT).input_ids * 8)[:90]
    assert len(last(masked_lm(like, masked, context)).ids_NC) == 90


def only(model: Model, *kept: int) -> Any:
    """A vocabulary map that leaves the masked model nothing but some of our tokens."""

    def mapping(tokenizer: object, explained: object) -> torch.Tensor:
        found = torch.full((300,), -1)
        found[torch.arange(10, 10 + len(kept))] = torch.tensor(kept)
        return found

    return mapping


def test_where_the_masked_model_offers_only_the_original_any_other_token_is_drawn(
    model: Model, masked: Model, read_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacement, "vocabulary_map", only(model, read_ids[3]))
    found = last(masked_lm(model, masked, read_ids))
    same = [at for at, token in enumerate(read_ids) if token == read_ids[3]]
    assert found.fallbacks == len(same)
    assert read_ids[3] not in found.ids_NC[3]
    np.testing.assert_allclose(np.diff(found.cumulative_NC[3]), 1 / replacement.KEPT)


def test_what_the_masked_model_does_not_offer_is_never_drawn(
    model: Model, masked: Model, read_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (200, 201, 202, 203, 204, 205, 206)
    monkeypatch.setattr(replacement, "vocabulary_map", only(model, *kept))
    found = last(masked_lm(model, masked, read_ids))
    assert np.isin(found.draw(np.full((1, len(read_ids)), ALMOST_ONE)), kept).all()
    np.testing.assert_array_equal(found.cumulative_NC[:, len(kept) - 1], 1)


def test_a_model_without_a_mask_token_is_refused(model: Model, read_ids: list[int]) -> None:
    with pytest.raises(InvalidParams, match=f"{model.info.id} has no mask token") as caught:
        last(masked_lm(model, model, read_ids))
    assert caught.value.field == "replacer_model"


def test_a_masked_model_that_shares_no_token_is_refused(
    model: Model, masked: Model, read_ids: list[int]
) -> None:
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "日本": 1, "[MASK]": 2}, unk_token="[UNK]"))
    words.add_special_tokens(["[UNK]", "[MASK]"])
    foreign = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", mask_token="[MASK]"
    )
    silent = replace(masked, tokenizer=foreign)
    with pytest.raises(ModelIncompatible, match="shares no token") as caught:
        last(masked_lm(model, silent, read_ids))
    assert caught.value.field == "replacer_model"


def test_progress_is_shown_while_predicting(model: Model, tmp_path: Path) -> None:
    masked = read(make_bert(tmp_path / "bert", vocabulary=305))
    context = (model.tokenizer(PROMPT).input_ids * 4)[:40]
    before = replace(masked.passes)
    seen = [event for event in masked_lm(model, masked, context) if isinstance(event, Progress)]
    assert [(event.done, event.total) for event in seen] == [(0, 40), (16, 40), (32, 40)]
    spent = (masked.passes.rows - before.rows, masked.passes.forwards - before.forwards)
    assert spent == (40, 40)
