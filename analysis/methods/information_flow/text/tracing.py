"""Causal tracing: the subject is corrupted with noise, one state is restored at a time.

Source: "Locating and Editing Factual Associations in GPT" (arXiv 2202.05262), section 2.

Shapes: K draws of noise, N positions, S of them from the restored group on, L layers, G groups,
D width, B rows (layer by layer, all draws of each).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from analysis.attention.modules import blocks_of
from analysis.decoding.cache import can_cut, empty
from analysis.errors import ModelIncompatible
from analysis.events import Event, Omitted, Progress
from analysis.methods.information_flow.text.block_parts import block_parts
from analysis.methods.information_flow.text.case import FlowCase
from analysis.methods.information_flow.text.cutting import shared_cache
from analysis.methods.information_flow.text.events import Corrupted, Restored, Trace
from analysis.methods.information_flow.text.knockout import windows_of
from analysis.methods.information_flow.text.positions import NamedPositions
from analysis.model.stepping import told_passes
from analysis.text.embedding_table import embedding_deviation

SHOWN_EVERY = 8  # groups per event
STAGE = "adding noise to the subject"
SHORT = 8  # tokens that show what is added to a state


@dataclass(frozen=True)
class Noisy:
    """The input with noise on the subject: embeddings per sample, keys and values, p of the target.

    `layers` is empty if the model's keys and values cannot be shared.
    """

    embeddings_KND: torch.Tensor
    layers: list[tuple[torch.Tensor, torch.Tensor]]
    probability_K: np.ndarray


def trace(case: FlowCase, subject: NamedPositions) -> Iterator[Event]:
    """Yield the effect of the noise, then the growing maps."""
    modules = yield from _modules(case)
    clean = yield from told_passes(STAGE, lambda: _clean(case, modules))
    if any(len(clean[kind]) != len(modules[kind]) for kind in modules):
        reason = "Some layers do not run on a text alone."
        yield Omitted(analysis="Causal tracing", reason=reason)
        return
    hidden = [subject.positions] * case.params.draws
    noisy = yield from told_passes(STAGE, lambda: corrupt(case, hidden, "tracing"))
    yield (yield from told_passes(STAGE, lambda: _corrupted(case, subject, noisy)))
    for kind in modules:
        yield from _map(case, subject, noisy, kind, modules[kind], clean[kind])


def _modules(case: FlowCase) -> Generator[Event, None, dict[Restored, list[nn.Module]]]:
    """The modules whose outputs are the states of each kind, per layer."""
    layers = case.model.info.layers
    modules: dict[Restored, list[nn.Module]] = {"residual": blocks_of(case.model.plain, layers)}
    try:
        found = block_parts(case.model, case.ids_1N[:, :SHORT], range(layers))
        parts = [(part.attention, part.mlp) for _, part in found]
    except ModelIncompatible as error:
        yield Omitted(analysis="Causal tracing of attention and MLP", reason=str(error))
        return modules
    attention, mlp = zip(*parts, strict=True)
    return {**modules, "attention": list(attention), "mlp": list(mlp)}


@torch.no_grad()
def corrupt(case: FlowCase, hidden: Sequence[tuple[int, ...]], name: str) -> Noisy:
    """One noise sample per entry of `hidden`: noise on the embeddings at these positions."""
    embeddings_1ND = case.model.embeddings(case.ids_1N)
    embeddings_KND = embeddings_1ND.repeat(len(hidden), 1, 1)
    scale = case.params.noise * embedding_deviation(case.model)
    random = case.random(name)
    for draw, positions in enumerate(hidden):
        noise = random.standard_normal((len(positions), embeddings_KND.shape[-1])) * scale
        embeddings_KND[draw, list(positions)] += torch.tensor(noise).to(embeddings_KND)
    cache = empty(case.model)
    logits_KTV = case.model.logits(
        None,
        torch.tensor(case.queries),
        embeddings_BND=embeddings_KND,
        past_key_values=cache,
        use_cache=True,
    )
    layers: list[Any] = cache.layers if can_cut(cache) else []
    return Noisy(
        embeddings_KND,
        [(layer.keys, layer.values) for layer in layers],
        case.logprobs(logits_KTV).exp().numpy(),
    )


def _corrupted(case: FlowCase, subject: NamedPositions, noisy: Noisy) -> Corrupted:
    random = case.random("tracing control")
    rest = [n for n in range(case.queries.start) if n not in set(subject.positions)]
    pool = rest if len(rest) >= len(subject.positions) else list(range(case.queries.start))
    size = len(subject.positions)
    hidden = [
        tuple(int(n) for n in random.choice(pool, size, replace=False))
        for _ in range(case.params.draws)
    ]
    control = corrupt(case, hidden, "tracing control noise").probability_K
    return Corrupted(
        label=subject.label,
        positions=list(subject.positions),
        deviation=case.params.noise,
        clean=float(np.exp(case.logprob)),
        corrupted=float(noisy.probability_K.mean()),
        corrupted_deviation=float(noisy.probability_K.std(ddof=1)),
        control=float(control.mean()),
        control_deviation=float(control.std(ddof=1)),
    )


@torch.no_grad()
def _clean(
    case: FlowCase, modules: dict[Restored, list[nn.Module]]
) -> dict[str, list[torch.Tensor]]:
    """Output of each module on the uncorrupted input, [N, D] per layer."""
    states: dict[str, list[torch.Tensor]] = {kind: [] for kind in modules}
    with ExitStack() as stack:
        for kind, found in modules.items():
            for module in found:
                hook = partial(_keep, states[kind])
                stack.callback(module.register_forward_hook(hook).remove)
        case.model.forward(input_ids=case.ids_1N, logits_to_keep=1, use_cache=False)
    return states


def _keep(states: list[torch.Tensor], module: nn.Module, args: Any, output: Any) -> None:
    del module, args
    # A copy: Falcon adds to its MLP's output in place.
    states.append((output[0] if isinstance(output, tuple) else output)[0].clone())


def _map(
    case: FlowCase,
    subject: NamedPositions,
    noisy: Noisy,
    kind: Restored,
    modules: list[nn.Module],
    clean: list[torch.Tensor],
) -> Iterator[Event]:
    """The map of one kind, group by group from the last to the first.

    States before the subject are not corrupted, so that restoring them has no effect. Only the
    target's positions of the last layer are used: a row that restores no other layer is 0 for all
    other groups.
    """
    layers, groups = len(modules), case.groups
    windows = _windows(case, kind)
    read = [layer for layer, (first, _) in enumerate(windows) if first < layers - 1]
    effect_LGK = np.zeros((layers, len(groups), len(noisy.probability_K)))
    touched = [n for n, group in enumerate(groups) if group.stop > min(subject.positions)]
    for done, number in enumerate(reversed(touched), 1):
        upto = layers if number == len(groups) - 1 else len(read)
        restore = _Restoring(groups[number], modules, clean, windows)
        for rows, probability in _restored(case, noisy, restore, upto):
            base_R = noisy.probability_K[rows % len(noisy.probability_K)]
            at = rows // len(noisy.probability_K)
            effect_LGK[at, number, rows % len(noisy.probability_K)] = probability - base_R
        yield Progress(
            stage=f"restoring states: {kind}", done=done, total=len(touched), unit="groups"
        )
        if done % SHOWN_EVERY == 0 and done < len(touched):
            yield _trace(kind, effect_LGK, done, final=False)
    yield _trace(kind, effect_LGK, len(groups), final=True)


def _windows(case: FlowCase, kind: Restored) -> list[tuple[int, int]]:
    """First and last layer restored in each row; for the residual stream, only its own layer."""
    width = 1 if kind == "residual" else case.params.trace_window
    return windows_of(case.model.info.layers, width)


def _trace(kind: Restored, effect_LGK: np.ndarray, done: int, *, final: bool) -> Trace:
    error = effect_LGK.std(-1, ddof=1) / np.sqrt(effect_LGK.shape[-1])
    return Trace(
        restored=kind,
        done=done,
        final=final,
        effect=effect_LGK.mean(-1).astype(np.float32),
        deviation=error.astype(np.float32),
    )


@dataclass(frozen=True)
class _Restoring:
    """Positions with their clean states, and the restored layers per row of the map."""

    group: range
    modules: list[nn.Module]
    clean: list[torch.Tensor]
    windows: list[tuple[int, int]]

    @contextmanager
    def on(self, layer_B: np.ndarray, first: int) -> Iterator[None]:
        """Context in which the clean states around row b's layer are restored; rows begin at
        `first`.
        """
        lowest_B, highest_B = np.array(self.windows)[layer_B].T
        with ExitStack() as stack:
            for layer, module in enumerate(self.modules):
                rows = np.flatnonzero((lowest_B <= layer) & (layer <= highest_B))
                if len(rows):
                    hook: Callable[..., Any] = partial(self._put, layer, rows.tolist(), first)
                    stack.callback(module.register_forward_hook(hook).remove)
            yield

    def _put(
        self, layer: int, rows: list[int], first: int, module: nn.Module, args: Any, output: Any
    ) -> Any:
        del module, args
        states_BSD = (output[0] if isinstance(output, tuple) else output).clone()
        states_SD = self.clean[layer][self.group.start : self.group.stop]
        start = self.group.start - first
        states_BSD[rows, start : start + len(self.group)] = states_SD
        return (states_BSD, *output[1:]) if isinstance(output, tuple) else states_BSD


@torch.no_grad()
def _restored(
    case: FlowCase, noisy: Noisy, restore: _Restoring, layers: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers (layer · K + draw), and p of the target with that layer's states restored."""
    first = restore.group.start if noisy.layers else 0
    draws = len(noisy.probability_K)
    keep_T = torch.tensor([query - first for query in case.queries])
    places = torch.arange(first, case.positions, device=case.model.device)
    for block in case.blocks(layers * draws, case.positions - first):
        rows = np.arange(block.start, block.stop)
        draw_B = torch.tensor(rows % draws, device=case.model.device)
        cache = shared_cache(noisy.layers, first, draw_B) if first else None
        with restore.on(rows // draws, first):
            logits_BTV = case.model.logits(
                None,
                keep_T,
                embeddings_BND=noisy.embeddings_KND[draw_B, first:],
                position_ids=places[None],
                past_key_values=cache,
                use_cache=first > 0,
            )
        yield rows, case.logprobs(logits_BTV).exp().numpy()
