"""Causal tracing: what noise takes and what restored states bring back."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from analysis.catalog.entries import Catalog
from analysis.loading import ModelCache, load, loaded
from analysis.methods.information_flow.text import tracing
from analysis.methods.information_flow.text.case import FlowCase
from analysis.methods.information_flow.text.events import Corrupted, Trace
from analysis.methods.information_flow.text.positions import NamedPositions
from analysis.methods.information_flow.text.tracing import corrupt, trace
from analysis.model import Model
from tests.analysis.methods.information_flow.text.make_case import make_case
from tests.gaps import gaps
from tests.tiny_models import byte_tokenizer, save, spread

SUBJECT = NamedPositions("@3-4", (3, 4))


def traced(case: FlowCase) -> tuple[Corrupted, dict[str, Trace]]:
    events = list(trace(case, SUBJECT))
    maps = {e.restored: e for e in events if isinstance(e, Trace) and e.final}
    return next(e for e in events if isinstance(e, Corrupted)), maps


def test_with_nothing_corrupted_nothing_is_restored(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "embedding_deviation", lambda _: 0.0)
    corrupted, maps = traced(make_case(model, draws=2))
    assert corrupted.corrupted == pytest.approx(corrupted.clean, abs=1e-6)
    assert set(maps) == {"residual", "attention", "mlp"}
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


def test_each_forward_pass_is_an_event(model: Model) -> None:
    case = make_case(model, draws=2)
    found, _ = gaps(model, (event for event in trace(case, SUBJECT)))
    assert max(found) == 1
    assert sum(found) > 3


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


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A GPT-2 of five layers, so that a window can end within the model."""
    root, tokenizer = tmp_path_factory.mktemp("deep"), byte_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=5, n_head=4, n_positions=96,
        bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    save(spread(GPT2LMHeadModel(config)), tokenizer, root / "deep")
    catalog, cache = Catalog(model_dirs=(root,)), ModelCache(budget=2**30)
    list(load("deep", catalog=catalog, cache=cache))
    return loaded(catalog.find("deep"), cache)


def modules_by_hand(model: Model, kind: str) -> list[torch.nn.Module]:
    blocks = list(model.plain.transformer.h if hasattr(model.plain, "transformer")
                  else model.plain.model.layers)  # fmt: skip
    if kind == "residual":
        return blocks
    attention = "attn" if hasattr(blocks[0], "attn") else "self_attn"
    return [getattr(block, "mlp" if kind == "mlp" else attention) for block in blocks]


def published_window(layer: int, width: int, layers: int) -> range:
    """As ROME's causal_trace.py takes it: `layer - (-window // 2)` is the end, not included."""
    return range(max(0, layer - width // 2), min(layers, layer - (-width // 2)))


@torch.inference_mode()
def restored_by_hand(case: FlowCase, embeddings: torch.Tensor, kind: str, width: int) -> np.ndarray:
    """p of the target per layer, group and draw: one whole forward pass per cell."""
    modules, plain = modules_by_hand(case.model, kind), case.model.plain
    clean: list[torch.Tensor] = []

    def keep(module: Any, args: Any, output: Any) -> None:
        clean.append((output[0] if isinstance(output, tuple) else output).clone())

    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(keep).remove)
        plain(case.ids_1N)

    def cell(layer: int, group: range) -> np.ndarray:
        with ExitStack() as stack:
            for restored in published_window(layer, width, len(modules)):

                def put(
                    module: Any, args: Any, output: Any, own: torch.Tensor = clean[restored]
                ) -> Any:
                    states = (output[0] if isinstance(output, tuple) else output).clone()
                    states[:, group.start : group.stop] = own[:, group.start : group.stop]
                    return (states, *output[1:]) if isinstance(output, tuple) else states

                stack.callback(modules[restored].register_forward_hook(put).remove)
            logits = plain(inputs_embeds=embeddings).logits[:, list(case.queries)]
        found: np.ndarray = case.logprobs(logits).exp().numpy()
        return found

    return np.array([[cell(n, group) for group in case.groups] for n in range(len(modules))])


def assert_every_cell(case: FlowCase, width: int) -> None:
    noisy = corrupt(case, [SUBJECT.positions] * case.params.draws, "tracing")
    _, maps = traced(case)
    for kind, found in maps.items():
        taken = 1 if kind == "residual" else width
        probability = restored_by_hand(case, noisy.embeddings_KND, kind, taken)
        rounding = 2e-5 * probability.max()
        expected = (probability - noisy.probability_K).mean(-1)
        np.testing.assert_allclose(found.effect, expected, atol=rounding)
        if taken > 1:  # the last row reaches other groups through the layer before
            assert np.abs(found.effect[-1, :-1]).max() > 10 * rounding


@pytest.mark.parametrize("width", [1, 2, 3, 10])
@pytest.mark.parametrize("target_length", [1, 2])
def test_every_cell_is_that_of_a_pass_of_its_own(
    model: Model, width: int, target_length: int
) -> None:
    """Against forward hooks on plain transformers, windows as ROME's code takes them."""
    case = make_case(model, draws=2, trace_window=width, target_length=target_length)
    assert_every_cell(case, width)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 10])
def test_windows_that_end_within_a_deeper_model(deep: Model, width: int) -> None:
    assert_every_cell(make_case(deep, draws=2, trace_window=width), width)


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
