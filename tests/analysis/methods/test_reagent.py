"""ReAGent against a plain sequential loop, plain transformers, and a planted truth."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

import analysis
from analysis.catalog.entries import Catalog
from analysis.errors import (
    GlassbenchError,
    InvalidParams,
    ModelIncompatible,
    PromptEmpty,
    PromptTooLong,
    SpecialTokenInText,
    TargetOutOfRange,
)
from analysis.events import Event, ModelInfo
from analysis.methods.reagent import effects, probing
from analysis.methods.reagent.effects import estimated_maps
from analysis.methods.reagent.probing import PROBES, START, STEPS, TEST, ProbeCase
from analysis.methods.reagent.replacers import Uniform
from analysis.model import Model

Analyze = Callable[..., list[Event]]
ARCHITECTURES = ["tiny-llama", "tiny-gpt2"]


def of_kind(events: list[Event], kind: str) -> list[Any]:
    return [event for event in events if event.kind == kind]  # type: ignore[attr-defined]


def final_scores(events: list[Event]) -> Any:
    return of_kind(events, "scores")[-1]


def plain_logits(catalog: Catalog, model: str, ids: np.ndarray) -> np.ndarray:
    """Next-token logits [B, N, V] of plain eager transformers in float64."""
    path = catalog.find(model).path
    plain = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float64)
    plain.set_attn_implementation("eager")
    with torch.inference_mode():
        logits: np.ndarray = plain(torch.from_numpy(ids)).logits.numpy()
    return logits


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def context(events: list[Event]) -> tuple[np.ndarray, int]:
    tokens = of_kind(events, "tokens")
    ids = [token.id for event in tokens for token in event.tokens]
    return np.array(ids), tokens[0].prompt_length


def ordinary(catalog: Catalog, model: str) -> np.ndarray:
    tokenizer = AutoTokenizer.from_pretrained(catalog.find(model).path)
    special = set(tokenizer.all_special_ids)
    return np.array([i for i in range(len(tokenizer)) if i not in special])


def uniform_draw(ordinary_ids: np.ndarray, ids: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Any ordinary id but the original, by skipping over it."""
    out = np.empty_like(ids)
    for i, (original, value) in enumerate(zip(ids, u, strict=True)):
        others = [token for token in ordinary_ids if token != original]
        if original not in ordinary_ids:
            others = others[:-1]
        out[i] = others[int(value * len(others))]
    return out


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_centred_scores_equal_the_definition_on_plain_transformers(
    analyze: Analyze, catalog: Catalog, model: str
) -> None:
    events = analyze(
        model, estimator="centred", probes=24, replace_rate=0.4, max_new_tokens=3, seed=5
    )
    ids, prompt_length = context(events)
    stream = np.random.default_rng([5, PROBES])
    replaceable_N = np.array([t.id != 0 for e in of_kind(events, "tokens") for t in e.tokens])
    masks, rows = [], [ids]
    for _ in range(24):
        u = stream.random((2, len(ids)))
        masks.append((u[0] < 0.4) & replaceable_N)
        rows.append(np.where(masks[-1], uniform_draw(ordinary(catalog, model), ids, u[1]), ids))
    logits = plain_logits(catalog, model, np.stack(rows)[:, :-1])
    outputs = range(prompt_length, len(ids))
    p = np.stack([np.exp(log_softmax(logits[:, at - 1]))[:, ids[at]] for at in outputs], axis=1)
    d = p[0] - p[1:]
    effect = ((np.array(masks) - 0.4).T @ (d - d.mean(0)) / (24 * 0.4 * 0.6)).T
    found = final_scores(events)
    for t, at in enumerate(outputs):
        allowed = replaceable_N & (np.arange(len(ids)) < at)
        np.testing.assert_allclose(found.mean[t + 1], np.where(allowed, effect[t], 0), atol=1e-6)
        assert found.base[t + 1] == pytest.approx(p[0, t], abs=1e-6)
    np.testing.assert_array_equal(found.mean[0], found.mean[1])


def sequential_paper(
    catalog: Catalog, model: str, ids: np.ndarray, at: int, row: int, settings: dict[str, Any]
) -> tuple[np.ndarray, int, bool]:
    """One probe of the paper's loop, step by step, one row per forward."""
    seed, probe, rate = settings["seed"], settings["probe"], settings["rate"]
    words = ordinary(catalog, model)
    updates = np.random.default_rng([seed, STEPS, probe])
    tests = np.random.default_rng([seed, TEST, row, probe])
    scores = np.random.default_rng([seed, START, row, probe]).random(len(ids))
    replaceable_N = np.array([token in words for token in ids])
    allowed = replaceable_N & (np.arange(len(ids)) < at)

    def next_logits(row_ids: np.ndarray) -> np.ndarray:
        found: np.ndarray = settings["forward"](row_ids[None, :at])[0, -1]
        return found

    base = np.exp(log_softmax(next_logits(ids)))[ids[at]]
    for step in range(1, settings["max_steps"] + 1):
        u = updates.random((2, len(ids)))
        mask = (u[0] < rate) & replaceable_N
        replaced = np.where(mask, uniform_draw(words, ids, u[1]), ids)
        fall = base - np.exp(log_softmax(next_logits(replaced)))[ids[at]]
        signed = np.where(mask, fall, -fall)
        scores = scores + np.log((0.5 + 0.5 * signed) / (0.5 - 0.5 * signed))
        places = np.flatnonzero(allowed)
        top = places[np.argsort(-scores[places], kind="stable")][: settings["keep"]]
        kept = np.array([i in top or not allowed[i] for i in range(len(ids))])
        u = tests.random(len(ids))
        tested = next_logits(np.where(kept, ids, uniform_draw(words, ids, u)))
        if (tested > tested[ids[at]]).sum() < settings["top_k"]:
            return scores, step, True
    return scores, settings["max_steps"], False


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_paper_form_in_blocks_equals_the_sequential_loop(
    analyze: Analyze, catalog: Catalog, model: str
) -> None:
    events = analyze(
        model, estimator="paper", paper_probes=3, paper_max_steps=40, top_n=3, paper_top_k=6,
        replace_rate=0.3, max_new_tokens=2, seed=11,
    )  # fmt: skip
    ids, prompt_length = context(events)
    path = catalog.find(model).path
    plain = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float64)

    def forward(rows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = plain(torch.from_numpy(rows)).logits.numpy()
        return found

    found, ways = final_scores(events), of_kind(events, "convergence")
    assert len({tuple(way.steps) for way in ways}) > 1  # the case is not a trivial one
    for t in range(2):
        maps, steps, converged = [], [], []
        for probe in range(3):
            settings = {
                "seed": 11, "probe": probe, "rate": 0.3, "keep": 3, "top_k": 6, "max_steps": 40,
                "forward": forward,
            }  # fmt: skip
            scores, taken, hit = sequential_paper(
                catalog, model, ids, prompt_length + t, t + 1, settings
            )
            allowed = (ids != 0) & (np.arange(len(ids)) < prompt_length + t)
            weights = np.where(allowed, np.exp(scores - scores[allowed].max()), 0)
            maps.append(weights / weights.sum())
            steps.append(taken)
            converged.append(hit)
        assert ways[t + 1].steps == steps
        assert ways[t + 1].converged == converged
        used = [m for m, hit in zip(maps, converged, strict=True) if hit] or maps
        np.testing.assert_allclose(found.mean[t + 1], np.mean(used, axis=0), atol=1e-6)


class Planted(PreTrainedModel):
    """A model whose next token depends, by construction, on two positions alone."""

    device = torch.device("cpu")
    places = (2, 5)

    def forward(self, input_ids: torch.Tensor, logits_to_keep: torch.Tensor, **_: Any) -> Any:
        hit = torch.ones(len(input_ids), dtype=torch.bool)
        for place in self.places:
            hit &= input_ids[:, place] == 10 + place
        logits = torch.zeros(len(input_ids), len(logits_to_keep), 40)
        logits[..., 7] = torch.where(hit, 5.0, -2.0)[:, None]
        return SimpleNamespace(logits=logits)


INFO = ModelInfo(
    id="planted", revision="", architecture="Planted", parameters=1, layers=1, heads=1,
    key_value_heads=1, width=1, context=0, vocabulary=40, dtype="float32", device="cpu",
    capabilities=["causal_lm"], weights="raw",
)  # fmt: skip


def planted_case(seed: int, *, top_n: int = 2) -> ProbeCase:
    model = Model(INFO, Planted(PreTrainedConfig()), PreTrainedTokenizerBase(), Path())
    ids = np.array([0, 11, 12, 13, 14, 15, 16, 17, 18, 7])
    groups = np.arange(10)
    return ProbeCase(
        model=model, ids_N=ids, prompt_length=9, replaceable_N=ids != 0, words_N=groups,
        sentences_N=groups * 0, span=range(1), contrast_token=None,
        replacer=Uniform(np.arange(1, 40), np.where(ids > 0, ids - 1, 39)), rate=0.3,
        measure="probability", top_n=top_n, rows_per_forward=64, seed=seed,
    )  # fmt: skip


def last_maps(
    case: ProbeCase, budget: int, *, estimator: str = "centred", precision: float | None = None
) -> probing.Maps:
    found = estimated_maps(case, budget, estimator=estimator, precision=precision)
    return [maps for maps in found if isinstance(maps, probing.Maps)][-1]


FORMS = pytest.mark.parametrize("estimator", ["least_squares", "centred"])


@FORMS
@pytest.mark.parametrize("seed", range(25))
def test_probes_find_a_planted_pair(seed: int, estimator: str) -> None:
    last = last_maps(planted_case(seed), 512, estimator=estimator, precision=0.01)
    assert {int(i) for i in np.argsort(-last.mean[0])[:2]} == {2, 5}
    assert last.separated[0]


@FORMS
def test_effects_are_unbiased_on_a_planted_pair(estimator: str) -> None:
    high, low = np.exp(5) / (np.exp(5) + 39), np.exp(-2) / (np.exp(-2) + 39)
    exact = 0.7 * (high - low)  # replacing one matters only while the other stands
    last = last_maps(planted_case(1), 20_000, estimator=estimator)
    for place in (2, 5):
        assert abs(last.mean[0, place] - exact) < 4 * last.error[0, place]
    others = [i for i in range(1, 9) if i not in (2, 5)]
    assert (np.abs(last.mean[0, others]) < 4.5 * last.error[0, others]).all()


@FORMS
def test_standard_errors_match_the_spread_over_seeds(estimator: str) -> None:
    finals = []
    for seed in range(60):
        last = last_maps(planted_case(seed), 128, estimator=estimator)
        finals.append((last.mean[0, 1:9], last.error[0, 1:9]))
    means, errors = (np.array(part) for part in zip(*finals, strict=True))
    ratio = errors.mean(0) / means.std(0, ddof=1)
    assert ((ratio > 0.7) & (ratio < 1.4)).all(), ratio


def test_bands_hold_the_truth_all_at_once_also_where_a_run_stops_early() -> None:
    """Of 300 runs, 95 % or more: 280 are fewer than one in a thousand draws would give."""
    high, low = np.exp(5) / (np.exp(5) + 39), np.exp(-2) / (np.exp(-2) + 39)
    truth = np.zeros(8)
    truth[[1, 4]] = 0.7 * (high - low)
    within, stopped = {"all": 0, "each": 0}, 0
    for seed in range(300):
        last = last_maps(planted_case(seed), 512, estimator="least_squares", precision=0.3)
        assert last.estimator == "least_squares"
        off = np.abs(last.mean[0, 1:9] - truth) / last.error[0, 1:9]
        within["all"] += int((off <= last.joint_R[0]).all())
        assert last.single is not None
        within["each"] += int((off <= last.single).sum())
        stopped += last.probes < 512
    assert within["all"] >= 276
    assert 0.93 <= within["each"] / 2400 <= 0.98
    assert stopped >= 200


def test_least_squares_waits_for_three_probes_per_token() -> None:
    found = estimated_maps(planted_case(1), 64, estimator="least_squares", precision=None)
    forms = {maps.probes: maps.estimator for maps in found if isinstance(maps, probing.Maps)}
    assert forms == {16: "centred", 32: "least_squares", 64: "least_squares"}


def test_paper_form_finds_a_planted_pair_and_says_how_it_stopped() -> None:
    *_, last = (m for m in probing.paper_maps(planted_case(0), 8, 400, 1)
                if isinstance(m, probing.Paper))  # fmt: skip
    assert {int(i) for i in np.argsort(-last.maps.mean[0])[:2]} == {2, 5}
    assert all(probe.converged for probe in last.rows[0])
    assert last.maps.mean[0].sum() == pytest.approx(1)


@pytest.mark.parametrize("model", ARCHITECTURES)
@pytest.mark.parametrize("estimator", ["least_squares", "centred", "paper"])
def test_same_seed_same_events_whatever_the_batch(
    analyze: Analyze, model: str, estimator: str
) -> None:
    given = {"estimator": estimator, "paper_max_steps": 20, "paper_probes": 2, "probes": 48}
    _, one, two = (analyze(model, **given) for _ in range(3))  # the first may load the model
    assert [e.model_dump_json() for e in one] == [e.model_dump_json() for e in two]
    small = final_scores(analyze(model, **given, rows_per_forward=5))
    np.testing.assert_allclose(small.mean, final_scores(one).mean, atol=1e-6)
    np.testing.assert_allclose(small.standard_error, final_scores(one).standard_error, atol=1e-6)


def test_another_seed_gives_other_probes(analyze: Analyze) -> None:
    assert not np.allclose(
        final_scores(analyze(seed=1)).mean, final_scores(analyze(seed=2)).mean, atol=1e-4
    )


@pytest.mark.parametrize("measure", ["probability", "log_probability", "log_odds"])
def test_a_target_row_is_the_outputs_own_row(analyze: Analyze, measure: str) -> None:
    """The map of a token is the same whether it is the target or one of the outputs."""
    first = final_scores(analyze(max_new_tokens=3, measure=measure))
    second = final_scores(analyze(max_new_tokens=3, measure=measure, target_start=2))
    np.testing.assert_array_equal(second.mean[0], first.mean[3])
    np.testing.assert_array_equal(second.mean[1:], first.mean[1:])
    assert second.base[0] == first.base[3]


def test_effects_on_a_spans_log_probability_add_up(analyze: Analyze) -> None:
    events = analyze(max_new_tokens=3, measure="log_probability", target_start=1, target_length=2)
    _, prompt_length = context(events)
    found = final_scores(events)
    shared = slice(0, prompt_length + 1)  # positions before both tokens of the span
    np.testing.assert_allclose(
        found.mean[0, shared], found.mean[2, shared] + found.mean[3, shared], atol=1e-9
    )
    assert found.base[0] == pytest.approx(found.base[2] + found.base[3], abs=1e-9)


def test_a_contrast_is_the_difference_of_two_effects(analyze: Analyze, catalog: Catalog) -> None:
    given = {"max_new_tokens": 1, "measure": "log_probability"}
    plain = analyze(**given)
    output = of_kind(plain, "output")[0].steps[0]
    tokenizer = AutoTokenizer.from_pretrained(catalog.find("tiny-llama").path)
    other = next(
        a for a in output.alternatives[1:]
        if tokenizer(a.text, add_special_tokens=False).input_ids == [a.id]
    )  # fmt: skip
    against = final_scores(analyze(**given, contrast=other.text))
    assert against.measure == "log_ratio"
    contrast_only = final_scores(analyze(measure="log_probability", continuation=other.text))
    np.testing.assert_allclose(
        against.mean[0, :-1],
        final_scores(plain).mean[0, :-1] - contrast_only.mean[0, :-1],
        atol=1e-6,
    )


def test_a_given_output_is_explained_as_it_is(analyze: Analyze) -> None:
    events = analyze(continuation=" The ball")
    texts = [t.text for e in of_kind(events, "tokens") for t in e.tokens]
    assert "".join(texts).endswith("Anna has the ball. The ball")
    assert not of_kind(events, "output")[0].generated


def test_protected_tokens_keep_still_and_have_no_score(analyze: Analyze) -> None:
    found = analyze(protect_prefix=4)
    tokens = [t for e in of_kind(found, "tokens") for t in e.tokens]
    assert [t.protected for t in tokens[:5]] == [True] * 4 + [False]
    assert (final_scores(found).mean[:, :4] == 0).all()
    assert (final_scores(found).mean[0, 4:6] != 0).all()


@pytest.mark.parametrize("replacer", ["uniform", "same_model", "masked_lm"])
def test_every_replacer_yields_finite_signed_scores(analyze: Analyze, replacer: str) -> None:
    events = analyze(replacer=replacer, replacer_model="tiny-bert")
    found = final_scores(events)
    assert np.isfinite(found.mean).all()
    assert (found.mean > 0).any()
    assert of_kind(events, "replacement")[0].label


def test_scores_come_early_and_sharpen(analyze: Analyze) -> None:
    shown = of_kind(analyze(probes=1024), "scores")
    assert shown[0].probes == effects.FIRST_BLOCK
    assert [s.final for s in shown] == [False] * (len(shown) - 1) + [True]
    assert shown[-1].standard_error.mean() < shown[0].standard_error.mean() / 4
    assert all(since <= shown[-1].probes for since in shown[-1].stable_since)


def test_closing_the_generator_stops_the_work(catalog: Catalog) -> None:
    params = {"prompt": "Anna has the ball.", "probes": 65_536, "max_new_tokens": 1}
    run: Iterator[Event] = analysis.run(
        "reagent", model="tiny-llama", params=params, catalog=catalog
    )
    for event in run:
        if event.kind == "scores":  # type: ignore[attr-defined]
            break
    run.close()  # type: ignore[attr-defined]
    assert next(run, None) is None


def test_a_whole_run_has_curves_baselines_soft_scores_and_cost(analyze: Analyze) -> None:
    events = analyze(faithfulness=True, baselines=True, draws=2)
    names = {"input_x_gradient", "integrated_gradients", "occlusion", "attention_rollout"}
    assert {b.name for b in of_kind(events, "baseline")} == names
    orders = {(c.order, c.direction) for c in of_kind(events, "curve")}
    assert orders == {
        (order, direction)
        for order in names | {"reagent", "reversed", "random"}
        for direction in ("deletion", "insertion")
    }
    for event in events:
        assert len(event.model_dump_json()) < 64 * 1024
    cost = events[-1]
    assert set(cost.rows) == {"output", "replacer", "probes", "baselines", "faithfulness"}  # type: ignore[attr-defined]
    assert cost.rows["probes"] == 64 + 1  # type: ignore[attr-defined]


REFUSED: list[tuple[dict[str, object], type[GlassbenchError], str]] = [
    ({"prompt": ""}, InvalidParams, "prompt"),
    ({"prompt": " \n "}, PromptEmpty, "empty"),
    ({"prompt": "a b " * 200}, PromptTooLong, "96"),
    ({"prompt": "one </s> two"}, SpecialTokenInText, "</s>"),
    ({"probes": 3}, InvalidParams, "16"),
    ({"replace_rate": 1.0}, InvalidParams, "replace_rate"),
    ({"replace_rate": float("nan")}, InvalidParams, "replace_rate"),
    ({"colour": "red"}, InvalidParams, "colour"),
    ({"target_start": 2, "max_new_tokens": 2}, TargetOutOfRange, "0 to 1"),
    ({"target_length": 3, "max_new_tokens": 2}, TargetOutOfRange, "has 2"),
    ({"contrast": "Anna has the"}, InvalidParams, "tokens"),
    ({"contrast": "a", "estimator": "paper"}, InvalidParams, "contrast"),
    ({"contrast": "a", "target_length": 2}, InvalidParams, "target_length"),
    ({"chat": True}, InvalidParams, "template"),
    ({"continuation": "a b c d e " * 60}, InvalidParams, "256"),
    ({"replacer": "masked_lm"}, InvalidParams, "replacer_model"),
    ({"replacer": "masked_lm", "replacer_model": "tiny-gpt2"}, ModelIncompatible, "masked_lm"),
    ({"model": "tiny-bert"}, ModelIncompatible, "causal_lm"),
]


@pytest.mark.parametrize(("given", "error", "named"), REFUSED)
def test_bad_input_is_refused_with_a_remedy(
    analyze: Analyze, given: dict[str, Any], error: type[GlassbenchError], named: str
) -> None:
    with pytest.raises(error) as caught:
        analyze(**given)
    assert named in caught.value.message + caught.value.remedy
    assert caught.value.remedy


@pytest.mark.parametrize(
    "prompt", ["<script>alert(1)</script>", "שלום \u202eabc\u202c", "😀 ball", "a\n\n\tb"]
)
def test_any_text_is_explained_as_it_is(analyze: Analyze, prompt: str) -> None:
    events = analyze(prompt=prompt)
    shown = "".join(t.text for e in of_kind(events, "tokens") for t in e.tokens)
    assert prompt in shown
    assert np.isfinite(final_scores(events).mean).all()
