"""LocalLeap: confident anchors let neighbours commit early in masked-diffusion decoding.

A canvas of masks after the prompt is decoded block by block. In each step, positions with
confidence ≥ κ are anchors; within W tokens of an anchor, confidence ≥ τ suffices. All these
positions are committed in parallel. If there are none, the single most confident position is
committed.

Source: "Accelerating Diffusion LLM Inference via Local Determinism Propagation" (arXiv 2510.07081).
The baselines on the same prompt are one token per step (vanilla), k per step, a threshold and a
factor (Fast-dLLM, arXiv 2505.22618), an entropy bound (arXiv 2505.24857) and KLASS (arXiv
2511.05664). Confidence is the softmax probability of the token on the raw logits without the mask
token's. It is kept as ln(1 − p), from a float64 sum over the other tokens, so that the order among
confident positions does not depend on rounding. docs/trace.md describes the events.
"""

from collections.abc import Generator, Iterator
from typing import get_args

import numpy as np

from analysis.decoding import selection
from analysis.decoding.answers import AnswerPattern
from analysis.decoding.canvas import Canvases, CanvasSettings, Logits, RowStep
from analysis.decoding.canvas_cache import LABELS as APPROXIMATIONS
from analysis.decoding.canvas_cache import CachedLogits
from analysis.decoding.canvas_event import canvas_event
from analysis.decoding.delay_events import Delays
from analysis.decoding.delayed_decoding import delays
from analysis.decoding.events import (
    CanvasStep,
    ForcedCommit,
    OutputTokens,
    PromptTokens,
    TraceEnd,
    TraceStart,
)
from analysis.decoding.meter import TraceMeter
from analysis.decoding.selection import Rule
from analysis.decoding.stops import eos_ids
from analysis.decoding.task import (
    DecoderSetup,
    DecodingTask,
    end_events,
    paced,
    read_task,
    start_event,
)
from analysis.errors import InvalidParams
from analysis.events import Event, Progress
from analysis.methods.local_leap import examples, refusals
from analysis.methods.local_leap.params import Decoder, Params
from analysis.model import Model
from analysis.model.chat_template import template_of
from analysis.model.checkpoint import generation_asks
from analysis.model.masked_diffusion import MaskedDiffusion, adapter_for
from analysis.run_context import RunContext
from analysis.text import tokenization as texts

VERSION = "4"
NO_LIMIT = 10**9  # tokens, for a model that gives no limit
NEEDS = ("masked_diffusion_lm",)
EVENTS = (PromptTokens, TraceStart, CanvasStep, OutputTokens, Delays, TraceEnd)

EXAMPLES = examples.EXAMPLES
DECODERS = get_args(Decoder)
LABELS = {
    "local_leap": "LocalLeap, κ {kappa:g}, τ {tau:g}, W {width}",
    "vanilla": "one token per step",
    "fixed": "{fixed_k} tokens per step",
    "threshold": "threshold {threshold:g}",
    "factor": "factor {factor:g}",
    "entropy_bound": "entropy bound {entropy_bound:g}",
    "klass": "KLASS, θ {klass_confidence:g}, ε {klass_divergence:g}",
}
SHARED = ("temperature", "eos_fill", "write_special", "cache")
SETTINGS: dict[str, tuple[str, ...]] = {
    "local_leap": ("kappa", "tau", "width"),
    "vanilla": ("kappa",),
    "fixed": ("fixed_k",),
    "threshold": ("threshold",),
    "factor": ("factor",),
    "entropy_bound": ("entropy_bound",),
    "klass": ("klass_confidence", "klass_divergence", "klass_history"),
}


def run(model: Model, params: Params, context: RunContext) -> Iterator[Event]:
    """Yield the events of all decoders on one prompt."""
    adapter = adapter_for(model)
    task = _read_task(adapter, params)
    yield from task.prompt_events()
    for trace, decoder in enumerate(_decoders(params)):
        yield from paced(_trace(task, params, adapter, trace, decoder))


def refuse_for(model: Model, params: Params) -> None:
    """Raise what `run` raises for the prompt and for forced tokens."""
    _read_task(adapter_for(model), params)


def _read_task(adapter: MaskedDiffusion, params: Params) -> DecodingTask:
    eos = () if adapter.eos_id is None else (adapter.eos_id,)
    limit = adapter.context or NO_LIMIT
    task = read_task(adapter.model, params, length=params.canvas_length, eos=eos, context=limit)
    refusals.refuse_masks(task, adapter)
    refusals.refuse_forced(params.forced, adapter)
    return task


def rule(params: Params, decoder: str) -> Rule:
    """The rule by which a decoder selects the positions to commit."""
    match decoder:
        case "local_leap":
            return selection.local_leap(params.kappa, params.tau, params.width)
        case "vanilla":
            return selection.fixed(1)
        case "fixed":
            return selection.fixed(params.fixed_k)
        case "threshold":
            return selection.threshold(params.threshold)
        case "factor":
            return selection.factor(params.factor)
        case "entropy_bound":
            return selection.entropy_bound(params.entropy_bound)
        case _:
            return selection.klass(params.klass_confidence, params.klass_history)


def frame(params: Params, decoder: str, adapter: MaskedDiffusion) -> CanvasSettings:
    """The canvas that a decoder fills."""
    return CanvasSettings(
        length=params.canvas_length,
        block=block_of(params),
        mask_id=adapter.mask_id,
        banned=() if params.write_special else banned(adapter),
        eos=() if adapter.eos_id is None else (adapter.eos_id,),
        temperature=params.temperature,
        eos_fill=params.eos_fill,
        divergence=params.klass_divergence if decoder == "klass" else None,
    )


def block_of(params: Params) -> int:
    """b: tokens per block; a canvas shorter than that is one block."""
    return min(params.block, params.canvas_length)


def banned(adapter: MaskedDiffusion) -> tuple[int, ...]:
    """Special tokens that never occur in a text: all except those that end a text or mark the turns
    of a chat.
    """
    tokenizer = adapter.model.tokenizer
    template = template_of(tokenizer) or ""
    kept = {adapter.eos_id, adapter.mask_id, *eos_ids(adapter.model)}
    size = adapter.model.info.vocabulary
    known = [(name, i) for name, i in texts.special_tokens(tokenizer).items() if i < size]
    return tuple(sorted(i for name, i in known if i not in kept and name not in template))


def _decoders(params: Params) -> list[str]:
    """The decoder of the run first, then those it is compared with."""
    baselines = [
        name for name in DECODERS if name != params.decoder and getattr(params, f"with_{name}")
    ]
    return [params.decoder, *baselines]


def _trace(
    task: DecodingTask, params: Params, adapter: MaskedDiffusion, trace: int, decoder: str
) -> Generator[Event, None, None]:
    """Run one decoder from its first event to its last."""
    forced = tuple(sorted(params.forced, key=lambda one: one.step)) if trace == 0 else ()
    plan = _plan(params, adapter, decoder, forced)
    yield start_event(task, plan, trace)
    meter = TraceMeter()
    logits = _logits(params, adapter, len(task.prompt))
    canvases = Canvases(
        logits,
        np.array([task.prompt]),
        frame(params, decoder, adapter),
        rule(params, decoder),
        seeds=[task.seed],
        device=task.model.device,
        forced=forced,
    )
    steps: list[RowStep] = []
    for (step,) in canvases.run():
        steps.append(step)
        _book(meter, step)
        cached = isinstance(logits, CachedLogits) and not logits.exact
        yield canvas_event(task.model.tokenizer, trace, step, meter, cached=cached)
        yield _progress(plan, canvases, task)
    output = canvases.output_BG[0].tolist()
    if decoder == "vanilla" and steps:
        yield delays(steps, kappa=params.kappa, eos=task.eos, trace=trace)
    yield from end_events(task, trace, output, stop="filled", steps=len(steps), meter=meter)


def _logits(params: Params, adapter: MaskedDiffusion, prompt_length: int) -> Logits:
    if params.cache == "none":
        return adapter.logits
    return CachedLogits(adapter, params.cache, prompt_length, block_of(params))


def _plan(
    params: Params, adapter: MaskedDiffusion, decoder: str, forced: tuple[ForcedCommit, ...]
) -> DecoderSetup:
    values = params.model_dump()
    stop = "The canvas is full."
    if params.eos_fill:
        stop = "The canvas is full, or a finished block holds an end-of-text token."
    return DecoderSetup(
        decoder=decoder,
        label=LABELS[decoder].format(**values),
        family="diffusion",
        settings={name: values[name] for name in (*SETTINGS[decoder], *SHARED)},
        stop_rule=stop,
        forced=forced,
        approximation=APPROXIMATIONS.get(params.cache, ""),
        mask_id=adapter.mask_id,
        block=block_of(params),
        not_applied=generation_asks(getattr(adapter.model.plain, "generation_config", None)),
    )


def _book(meter: TraceMeter, step: RowStep) -> None:
    """Count a forward pass; each masked position evaluated but not committed is waste."""
    looked = len(step.looked.positions_M)
    meter.main_forwards += 1
    meter.model_seconds += step.model_seconds
    meter.tokens_computed += looked
    seen = sum(commit.reason != "eos_fill" for commit in step.commits)
    meter.tokens_wasted += looked - seen


def _progress(plan: DecoderSetup, canvases: Canvases, task: DecodingTask) -> Progress:
    done = int((canvases.output_BG[0] != plan.mask_id).sum())
    return Progress(stage=f"decoding: {plan.label}", done=done, total=task.length, unit="tokens")


def refuse(params: Params) -> None:
    """Raise InvalidParams for params that contradict each other."""
    AnswerPattern(params.answer_pattern).read("")
    if params.canvas_length % block_of(params):
        fitting = -(-params.canvas_length // params.block) * params.block
        raise InvalidParams(
            f"canvas_length is {params.canvas_length}, which is not a multiple of block "
            f"({params.block}).",
            remedy=f"Set canvas_length to {fitting}, or choose another block.",
            field="canvas_length",
        )
    if params.tau > params.kappa:
        raise InvalidParams(
            f"tau is {params.tau:g} and kappa is {params.kappa:g}; tau must not exceed kappa.",
            remedy=f"Set tau to {params.kappa:g} or less.",
            field="tau",
        )
    places = {forced.position for forced in params.forced}
    if len(places) < len(params.forced):
        raise InvalidParams(
            f"forced has {len(params.forced)} entries for {len(places)} positions.",
            remedy="Each position is committed once: keep one entry per position.",
            field="forced",
        )
