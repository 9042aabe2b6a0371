"""Causal tracing: what noise takes and what restored states bring back."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.flow import tracing
from analysis.flow.case import Case
from analysis.flow.events import Corrupted, Trace
from analysis.flow.places import Places
from analysis.flow.tracing import KINDS, corrupt, embedding_deviation, trace
from analysis.model import Model
from tests.analysis.flow.make_case import make_case

SUBJECT = Places("@3-4", (3, 4))


def traced(case: Case) -> tuple[Corrupted, dict[str, Trace]]:
    events = list(trace(case, SUBJECT))
    maps = {e.restored: e for e in events if isinstance(e, Trace) and e.final}
    return next(e for e in events if isinstance(e, Corrupted)), maps


def test_with_nothing_corrupted_nothing_is_restored(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "embedding_deviation", lambda _: 0.0)
    corrupted, maps = traced(make_case(model, draws=2))
    assert corrupted.corrupted == pytest.approx(corrupted.clean, abs=1e-6)
    assert set(maps) == set(KINDS)
    assert max(float(np.abs(found.effect).max()) for found in maps.values()) <= 1e-6


def test_the_last_state_brings_the_target_back_whole(model: Model) -> None:
    corrupted, maps = traced(make_case(model, draws=3))
    gained = maps["residual"].effect[-1, -1]
    assert gained == pytest.approx(corrupted.clean - corrupted.corrupted, abs=1e-6)


def test_what_stands_before_the_subject_has_no_effect(model: Model) -> None:
    case = make_case(model, draws=2)
    _, maps = traced(case)
    before = [n for n, group in enumerate(case.groups) if group.stop <= 3]
    assert before
    assert all(not found.effect[:, before].any() for found in maps.values())
    assert all(not found.effect[-1, :-1].any() for found in maps.values())


@torch.inference_mode()
def test_a_restored_state_is_that_of_the_clean_run(model: Model) -> None:
    """Against TransformerLens, which restores block by block on whole forward passes."""
    case = make_case(model, draws=2, grouping="token")
    noisy = corrupt(case, [SUBJECT.positions] * 2, "tracing")
    _, maps = traced(case)
    names = {"residual": "hook_resid_post", "attention": "hook_attn_out", "mlp": "hook_mlp_out"}
    embed = "embed.hook_out"
    for kind, name in names.items():
        _, clean = model.bridge.run_with_cache(case.ids_1N)
        where = f"blocks.0.{name}"

        def noise(states: torch.Tensor, hook: object) -> torch.Tensor:
            return noisy.embeddings_KND.to(states)

        def restore(
            states: torch.Tensor, hook: object, own: torch.Tensor = clean[where]
        ) -> torch.Tensor:
            states = states.clone()
            states[:, 5] = own[:, 5]
            return states

        with model.hooks([(embed, noise), (where, restore)]):
            logits = model.bridge(case.ids_1N.expand(2, -1))
        probability = case.logprobs(logits[:, list(case.queries)]).exp().numpy()
        expected = (probability - noisy.probability_K).mean()
        assert maps[kind].effect[0, 5] == pytest.approx(expected, abs=1e-5)


def test_keys_that_cannot_be_shared_change_nothing(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(model, draws=2, trace_window=3)
    _, maps = traced(case)
    whole = corrupt(case, [SUBJECT.positions] * 2, "tracing")
    monkeypatch.setattr(tracing, "corrupt", lambda *_: replace(whole, layers=[]))
    _, others = traced(case)
    for kind, found in maps.items():
        np.testing.assert_allclose(found.effect, others[kind].effect, atol=1e-6)


def test_the_noise_has_the_deviation_of_the_embeddings(model: Model) -> None:
    case = make_case(model, noise=2.0)
    hidden = [tuple(range(case.positions))] * 40
    noisy = corrupt(case, hidden, "test").embeddings_KND
    noise = noisy - model.embeddings(case.ids_1N)
    expected = 2 * float(model.plain.get_input_embeddings().weight.std())
    assert float(noise.std()) == pytest.approx(expected, rel=0.02)
    assert embedding_deviation(case) == pytest.approx(expected / 2)
