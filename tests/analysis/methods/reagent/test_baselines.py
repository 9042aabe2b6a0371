from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import analysis
from analysis.catalog.entries import Catalog
from analysis.loading import ModelCache, load, loaded
from analysis.method import get
from analysis.methods.reagent import baselines, integrated_gradients, replacers
from analysis.methods.reagent.baselines import OtherMap
from analysis.methods.reagent.probing import ProbeCase
from analysis.model import Model
from analysis.runner import model_cache
from tests.gaps import gaps
from tests.tiny_models import make_gemma, make_gemma2, make_gemma3

TEXT = "Anna has the ball and Tom has the book."


@pytest.fixture
def case(model: Model) -> ProbeCase:
    return case_of(model)


def case_of(model: Model) -> ProbeCase:
    ids = np.array([*model.tokenizer(TEXT).input_ids, 50, 60])
    groups = np.arange(len(ids))
    return ProbeCase(
        model=model, ids_N=ids, prompt_length=len(ids) - 2, replaceable_N=ids != 0, words_N=groups,
        sentences_N=groups * 0, span=range(2), contrast_token=None,
        replacer=replacers.uniform(model, ids.tolist()), rate=0.3, measure="probability",
        top_n=5, rows_per_forward=16, seed=3,
    )  # fmt: skip


def target(case: ProbeCase, embeddings: torch.Tensor) -> torch.Tensor:
    """Log-probability of the span, by plain transformers."""
    logprobs = case.model.plain(inputs_embeds=embeddings).logits[0].double().log_softmax(-1)
    at = [case.prompt_length + t for t in case.span]
    return torch.stack([logprobs[i - 1, case.ids_N[i]] for i in at]).sum()


def by_name(case: ProbeCase) -> dict[str, np.ndarray]:
    found = [other for other in baselines.maps(case) if isinstance(other, OtherMap)]
    return {other.name: other.scores_N for other in found}


def embedded(case: ProbeCase) -> torch.Tensor:
    return case.model.embeddings(torch.from_numpy(case.ids_N[None, :-1])).detach()


def test_input_x_gradient_equals_autograd(case: ProbeCase) -> None:
    inputs = embedded(case).requires_grad_()
    target(case, inputs).backward()
    assert inputs.grad is not None
    expected = (inputs * inputs.grad)[0].sum(-1).detach().numpy()
    allowed = case.allowed(0)
    found = by_name(case)["input_x_gradient"]
    np.testing.assert_allclose(found[allowed], expected[allowed[:-1]], atol=1e-4, rtol=1e-4)
    assert (found[~allowed] == 0).all()


@torch.no_grad()
def test_occlusion_equals_one_replacement_at_a_time(case: ProbeCase) -> None:
    inputs, found = embedded(case), by_name(case)["occlusion"]
    mean = case.model.plain.get_input_embeddings().weight.mean(0)
    for place in np.flatnonzero(case.allowed(0)):
        hidden = inputs.clone()
        hidden[0, place] = mean
        expected = float(target(case, inputs) - target(case, hidden))
        assert found[place] == pytest.approx(expected, abs=1e-4)


def test_each_forward_pass_is_an_event(case: ProbeCase) -> None:
    found, _ = gaps(case.model, baselines.compare(case, np.zeros(case.length)))
    assert max(found) == 1
    assert sum(found) > 10


def test_the_maps_are_those_of_direct_calls(
    case: ProbeCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def direct(*given: Any) -> Generator[None, None, Any]:
        return given[-1]()
        yield

    stepped = by_name(case)
    monkeypatch.setattr(baselines, "told_passes", direct)
    monkeypatch.setattr(integrated_gradients, "by_pass", direct)
    called = by_name(case)
    assert stepped.keys() == called.keys()
    for name, scores_N in called.items():
        np.testing.assert_array_equal(stepped[name], scores_N)


def midpoint_sum(case: ProbeCase, absent: torch.Tensor, steps: int) -> np.ndarray:
    """Integrated gradients by the midpoint rule on plain transformers, one gradient a step."""
    inputs = embedded(case)
    total = torch.zeros_like(inputs)
    for step in range(steps):
        at = (absent + (step + 0.5) / steps * (inputs - absent)).requires_grad_()
        (gradient,) = torch.autograd.grad(target(case, at), at)
        total += gradient / steps
    found: np.ndarray = ((inputs - absent) * total)[0].double().sum(-1).numpy()
    return found


def assert_integrated(case: ProbeCase, absent: torch.Tensor, *, steps: int = 1000) -> None:
    whole = replace(case, replaceable_N=np.ones_like(case.replaceable_N))
    inputs = embedded(case)
    with torch.no_grad():
        hidden = absent.expand_as(inputs)
        difference = float(target(case, inputs) - target(case, hidden))
    found = {m.name: m for m in baselines.maps(whole) if isinstance(m, OtherMap)}
    integrated = found["integrated_gradients"]
    told = integrated.completeness
    assert told is not None
    assert told.reached
    assert told.difference == pytest.approx(difference, abs=1e-4)
    expected = midpoint_sum(case, hidden, steps)
    assert expected.sum() == pytest.approx(difference, abs=0.01 * abs(difference))
    allowed = whole.allowed(0)[:-1]
    found_N = integrated.scores_N[:-1]
    np.testing.assert_allclose(
        found_N[allowed], expected[allowed], atol=0.01 * abs(difference) + 1e-3
    )
    assert abs(told.remainder) <= told.tolerance == max(0.01 * abs(told.difference), 1e-3)


def test_integrated_gradients_are_those_of_the_whole_path(case: ProbeCase) -> None:
    assert_integrated(case, case.model.plain.get_input_embeddings().weight.detach().mean(0))


@pytest.fixture(scope="module", params=[make_gemma, make_gemma2, make_gemma3])
def scaled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Models whose embedding module multiplies the table by √width."""
    root = tmp_path_factory.mktemp("scaled")
    request.param(root / "tiny")
    catalog, cache = Catalog(model_dirs=(root,)), ModelCache(budget=2**30)
    list(load("tiny", catalog=catalog, cache=cache))
    return loaded(catalog.find("tiny"), cache)


@torch.no_grad()
def test_a_scaled_table_is_left_for_its_scaled_mean(scaled: Model) -> None:
    case = case_of(scaled)
    width = scaled.info.width
    mean = scaled.plain.get_input_embeddings().weight.mean(0) * width**0.5
    inputs, found = embedded(case), by_name(case)["occlusion"]
    for place in np.flatnonzero(case.allowed(0)):
        hidden = inputs.clone()
        hidden[0, place] = mean
        expected = float(target(case, inputs) - target(case, hidden))
        assert found[place] == pytest.approx(expected, abs=1e-4)


def test_integrated_gradients_of_a_scaled_table(scaled: Model) -> None:
    weight = scaled.plain.get_input_embeddings().weight.detach()
    assert_integrated(case_of(scaled), weight.mean(0) * scaled.info.width**0.5)


def test_the_bundled_model_is_integrated_where_64_steps_are_too_few() -> None:
    """Against a midpoint sum of 2,048 steps; 64 of Gauss-Legendre are off by 3.3 of 11.8 nats."""
    example = next(e for e in get("reagent").examples if e.name == "Passed on")
    quiet = {"probes": 16, "stop_early": False, "faithfulness": False}
    events = list(analysis.run("reagent", model="demo-lm", params={**example.params, **quiet}))
    found = next(e for e in events if e.kind == "baseline" and e.name == "integrated_gradients")
    ids = [token.id for e in events if e.kind == "tokens" for token in e.tokens]
    contrast_token = next(e for e in events if e.kind == "output").contrast
    prompt = next(e for e in events if e.kind == "tokens").prompt_length
    model = loaded(Catalog().find("demo-lm"), model_cache())
    chosen, contrast_token = ids[prompt], contrast_token.id
    first = torch.tensor([ids[:prompt]])
    table = model.plain.get_input_embeddings().weight.detach()
    inputs, absent = table[first], table.mean(0)

    def contrast(embeddings: torch.Tensor) -> torch.Tensor:
        logits = model.plain(inputs_embeds=embeddings).logits[:, -1].double()
        return logits[:, chosen] - logits[:, contrast_token]

    total = torch.zeros_like(inputs[0])
    for shares in ((torch.arange(2048) + 0.5) / 2048).split(64):
        at = (absent + shares[:, None, None] * (inputs - absent)).requires_grad_()
        total += torch.autograd.grad(contrast(at).sum(), at)[0].sum(0) / 2048
    expected = ((inputs - absent) * total)[0].double().sum(-1).numpy()
    with torch.no_grad():
        difference = float(contrast(inputs) - contrast(absent.expand_as(inputs)))
    told = found.completeness
    assert told.reached
    assert told.difference == pytest.approx(difference, abs=1e-3)
    assert abs(told.remainder) <= 0.01 * abs(difference)
    scored = found.scores[: len(expected)] != 0
    assert scored.sum() >= 20
    np.testing.assert_allclose(
        found.scores[: len(expected)][scored], expected[scored], atol=0.01 * abs(difference)
    )


@torch.no_grad()
def test_rollout_is_the_product_of_mean_attentions(case: ProbeCase) -> None:
    model = case.model.plain
    model.set_attn_implementation("eager")
    attentions = model(torch.from_numpy(case.ids_N[None, :-1]), output_attentions=True).attentions
    model.set_attn_implementation("sdpa")
    flow = torch.eye(case.length - 1, dtype=torch.float64)
    for layer in attentions:
        flow = (0.5 * layer[0].double().mean(0) + 0.5 * torch.eye(case.length - 1)) @ flow
    np.testing.assert_allclose(flow.sum(1), 1, atol=1e-6)
    expected = flow[[case.prompt_length - 1, case.prompt_length]].mean(0).numpy()
    np.testing.assert_allclose(baselines.rollout(case)[:-1], expected, atol=1e-6)


def test_agreement_is_spearmans_and_none_where_undefined(case: ProbeCase) -> None:
    rising = np.arange(case.length, dtype=float)
    assert baselines.agreement(case, rising, rising**3) == pytest.approx(1)
    assert baselines.agreement(case, rising, -rising) == pytest.approx(-1)
    assert baselines.agreement(case, rising, np.zeros(case.length)) is None
