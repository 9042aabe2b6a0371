"""LocalLeap: sure tokens vouch for their neighbours, so that a canvas fills in leaps.

A canvas of masks after the prompt is filled block by block. In each step, positions with
confidence ≥ κ are anchors; within W tokens of an anchor, confidence ≥ τ is enough. All of them are
committed at once, or the single most confident position where there are none.

Source: "Accelerating Diffusion LLM Inference via Local Determinism Propagation" (arXiv
2510.07081). Beside it on the same prompt: one token per step (vanilla), k per step, a threshold
and a factor (Fast-dLLM, arXiv 2505.22618), an entropy bound (arXiv 2505.24857) and KLASS (arXiv
2511.05664). Confidence is the softmax probability of the token on the raw logits without the
mask's, told by its ln(1 − p) from a float64 sum over the other tokens, so that the order among
sure positions is the model's and not rounding. docs/trace.md describes the events.
"""

from collections.abc import Generator, Iterator
from typing import Literal, get_args

import numpy as np
from pydantic import Field

from analysis.decoding import selection
from analysis.decoding.canvas import Canvases, Frame, Logits, RowStep
from analysis.decoding.canvas_cache import LABELS as APPROXIMATIONS
from analysis.decoding.canvas_cache import CachedLogits
from analysis.decoding.canvas_event import canvas_event
from analysis.decoding.delays import delays
from analysis.decoding.events import (
    CanvasStep,
    Delays,
    ForcedCommit,
    OutputTokens,
    PromptTokens,
    TraceEnd,
    TraceStart,
)
from analysis.decoding.meter import Meter
from analysis.decoding.params import HIDDEN, MOST_FORCED, OUTPUT_TOKENS, PromptParams
from analysis.decoding.selection import Rule
from analysis.decoding.stops import eos_ids
from analysis.decoding.task import Plan, Task, end_events, paced, read_task, start_event
from analysis.errors import InvalidParams, SpecialTokenInText
from analysis.events import Event, Progress
from analysis.method import Example
from analysis.model import Model
from analysis.model.chat_template import template_of
from analysis.model.checkpoint import generation_asks
from analysis.model.masked_diffusion import MaskedDiffusion, adapter_for
from analysis.run_context import RunContext
from analysis.text import tokenization as texts

VERSION = "4"
NO_LIMIT = 10**9  # tokens, of a model that names none
NEEDS = ("masked_diffusion_lm",)
EVENTS = (PromptTokens, TraceStart, CanvasStep, OutputTokens, Delays, TraceEnd)

Decoder = Literal[
    "local_leap", "vanilla", "fixed", "threshold", "factor", "entropy_bound", "klass"
]  # fmt: skip


class Params(PromptParams):
    canvas_length: int = Field(
        default=64,
        ge=1,
        le=OUTPUT_TOKENS,
        description="G: masks after the prompt; a multiple of block.",
        json_schema_extra={"group": "Canvas"},
    )
    block: int = Field(
        default=32,
        ge=1,
        le=128,
        description="b: tokens per block, at most the canvas; blocks are filled in their order.",
        json_schema_extra={"group": "Canvas"},
    )
    decoder: Decoder = Field(
        default="local_leap",
        description="The decoder that the run is about, and that decisions by hand apply to.",
        json_schema_extra={"group": "Decoder"},
    )
    kappa: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="κ: confidence of an anchor.",
        json_schema_extra={"group": "LocalLeap"},
    )
    tau: float = Field(
        default=0.75,
        gt=0,
        le=1,
        description="τ: confidence that is enough near an anchor; at most κ.",
        json_schema_extra={"group": "LocalLeap"},
    )
    width: int = Field(
        default=4,
        ge=0,
        le=OUTPUT_TOKENS,
        description="W: how far an anchor vouches, in tokens; 0: for itself alone.",
        json_schema_extra={"group": "LocalLeap"},
    )
    temperature: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="Gumbel temperature of the choice of tokens; 0: the likeliest.",
        json_schema_extra={"group": "Canvas"},
    )
    eos_fill: bool = Field(
        default=False,
        description="Once a finished block holds an end-of-text token, fill the rest with it and "
        "stop.",
        json_schema_extra={"group": "Canvas"},
    )
    write_special: bool = Field(
        default=False,
        description="Let special tokens beside those that end a text be written ([PAD], [CLS], "
        "<unk>), as published: by default they have no probability.",
        json_schema_extra={"group": "Canvas"},
    )
    cache: Literal["none", "prefix", "dual"] = Field(
        default="none",
        description="Keys and values refreshed once per block only: of what stands before the "
        "block (prefix), or also of what follows (dual). Faster, and an approximation.",
        json_schema_extra={"group": "Canvas"},
    )
    fixed_k: int = Field(
        default=2,
        ge=1,
        le=128,
        description="Tokens per step of the fixed decoder.",
        json_schema_extra={"group": "Other decoders"},
    )
    threshold: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Confidence from which the threshold decoder commits.",
        json_schema_extra={"group": "Other decoders"},
    )
    factor: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="f: the factor decoder commits the largest n with (n + 1)(1 − c_n) < f.",
        json_schema_extra={"group": "Other decoders"},
    )
    entropy_bound: float = Field(
        default=0.1,
        ge=0,
        le=100,
        description="γ in nats: the entropy-bound decoder commits the longest run of sure "
        "positions with ΣH − max H ≤ γ.",
        json_schema_extra={"group": "Other decoders"},
    )
    klass_confidence: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="θ: KLASS asks for more confidence than this.",
        json_schema_extra={"group": "Other decoders"},
    )
    klass_divergence: float = Field(
        default=0.01,
        gt=0,
        le=100,
        description="ε in nats: KL to the step before that counts as stable.",
        json_schema_extra={"group": "Other decoders"},
    )
    klass_history: int = Field(
        default=2,
        ge=1,
        le=16,
        description="Stable steps in a row that KLASS asks for, counted inside a block; the "
        "published code counts over the whole canvas, which saves a step in later blocks.",
        json_schema_extra={"group": "Other decoders"},
    )
    with_local_leap: bool = Field(
        default=True,
        description="LocalLeap, where the run is about another decoder.",
        json_schema_extra={"group": "Beside it"},
    )
    with_vanilla: bool = Field(
        default=True,
        description="One token per step, with the analysis of delayed decoding.",
        json_schema_extra={"group": "Beside it"},
    )
    with_fixed: bool = Field(
        default=True,
        description="fixed_k tokens per step.",
        json_schema_extra={"group": "Beside it"},
    )
    with_threshold: bool = Field(
        default=True,
        description="All above a threshold.",
        json_schema_extra={"group": "Beside it"},
    )
    with_factor: bool = Field(
        default=True,
        description="As many as the factor allows.",
        json_schema_extra={"group": "Beside it"},
    )
    with_entropy_bound: bool = Field(
        default=True,
        description="As many as the entropy bound allows.",
        json_schema_extra={"group": "Beside it"},
    )
    with_klass: bool = Field(
        default=True,
        description="Sure and stable.",
        json_schema_extra={"group": "Beside it"},
    )
    forced: list[ForcedCommit] = Field(
        default=[],
        max_length=MOST_FORCED,
        description="Decisions taken by hand, from which decoding goes on: a token committed at a "
        "position in a step.",
        json_schema_extra=HIDDEN,
    )


STATED = r"has (\d+)"  # the answer, in the words of the bundled models
EXAMPLES = (
    Example(
        name="Leaps around anchors",
        look_for="Confident tokens (anchors) let their neighbours commit early; one token per step "
        "writes the same answer in several times as many steps. On this model the published "
        "thresholds lose 10 points of right answers; κ 0.99 with τ 0.9 loses 2 at 8.6 steps.",
        model="demo-diffusion",
        params={
            "prompt": "Rosa picked up 19 nuts. Rosa finds 7 more. David has 11 buttons. "
            "Rosa loses 1. Question: How many nuts does Rosa have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "25",
        },
    ),
    Example(
        name="How long answers wait",
        look_for="The lifelines of the vanilla run: most positions hold their final token long "
        "before one token per step gets to them.",
        model="demo-diffusion",
        params={
            "prompt": "Simon found 4 plums. Then Simon gets 6 more. Then Simon drops 8. Simon "
            "finds 5 more. Question: How many plums does Simon have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "7",
            "decoder": "vanilla",
        },
    ),
    Example(
        name="Too bold",
        look_for="With τ at 0.3 and W at 16 neighbours are committed half guessed: fewer steps, "
        "and a sum that no longer has to fit.",
        model="demo-diffusion",
        params={
            "prompt": "Leo finds 7 buttons. Ida picked up 7 shells. Leo gives 3 more to Ida. Ida "
            "buys 9 more. Ida finds 8 more. Question: How many shells does Ida have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "27",
            "tau": 0.3,
            "width": 16,
        },
    ),
    Example(
        name="Stop where the text ends",
        look_for="Once a finished block holds an end-of-text token, the rest of the canvas is "
        "filled at once; keys and values outside the block are not recomputed (dual cache).",
        model="demo-diffusion",
        params={
            "prompt": "Julia got 9 buttons. Julia buys 4 more. Then Julia gets 6 more. Oscar finds "
            "14 feathers. Question: How many buttons does Julia have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "19",
            "eos_fill": True,
            "cache": "dual",
            "with_factor": False,
            "with_entropy_bound": False,
            "with_klass": False,
        },
    ),
)

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
    """Yield the traces of one prompt."""
    _refuse_contradictions(params)
    adapter = adapter_for(model)
    eos = () if adapter.eos_id is None else (adapter.eos_id,)
    limit = adapter.context or NO_LIMIT
    task = read_task(model, params, length=params.canvas_length, eos=eos, context=limit)
    _refuse_masks(task, adapter)
    _refuse_forced(params, adapter)
    yield from task.prompt_events()
    for trace, decoder in enumerate(_decoders(params)):
        yield from paced(_trace(task, params, adapter, trace, decoder))


def rule(params: Params, decoder: str) -> Rule:
    """The rule by which a decoder picks what to commit."""
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


def frame(params: Params, decoder: str, adapter: MaskedDiffusion) -> Frame:
    """The canvas that a decoder fills."""
    return Frame(
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
    """b: a canvas shorter than the block is one block."""
    return min(params.block, params.canvas_length)


def banned(adapter: MaskedDiffusion) -> tuple[int, ...]:
    """Special tokens that no text holds: all but those that end one or that a chat's turns hold."""
    tokenizer = adapter.model.tokenizer
    template = template_of(tokenizer) or ""
    kept = {adapter.eos_id, adapter.mask_id, *eos_ids(adapter.model)}
    known = texts.special_tokens(tokenizer).items()
    return tuple(sorted(i for name, i in known if i not in kept and name not in template))


def _decoders(params: Params) -> list[str]:
    """The one that the run is about, then those beside it."""
    beside = [
        name for name in DECODERS if name != params.decoder and getattr(params, f"with_{name}")
    ]
    return [params.decoder, *beside]


def _trace(
    task: Task, params: Params, adapter: MaskedDiffusion, trace: int, decoder: str
) -> Generator[Event, None, None]:
    """One decoder from its first event to its last."""
    forced = tuple(sorted(params.forced, key=lambda one: one.step)) if trace == 0 else ()
    plan = _plan(params, adapter, decoder, forced)
    yield start_event(task, plan, trace)
    meter = Meter()
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
) -> Plan:
    values = params.model_dump()
    stop = "The canvas is full."
    if params.eos_fill:
        stop = "The canvas is full, or a finished block holds an end-of-text token."
    return Plan(
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


def _book(meter: Meter, step: RowStep) -> None:
    """A forward pass; every masked position that was looked at and not committed is waste."""
    looked = len(step.looked.positions_M)
    meter.main_forwards += 1
    meter.model_seconds += step.model_seconds
    meter.tokens_computed += looked
    seen = sum(commit.reason != "eos_fill" for commit in step.commits)
    meter.tokens_wasted += looked - seen


def _progress(plan: Plan, canvases: Canvases, task: Task) -> Progress:
    done = int((canvases.output_BG[0] != plan.mask_id).sum())
    return Progress(stage=f"decoding: {plan.label}", done=done, total=task.length, unit="tokens")


def _refuse_contradictions(params: Params) -> None:
    if params.canvas_length % block_of(params):
        fitting = -(-params.canvas_length // params.block) * params.block
        raise InvalidParams(
            f"canvas_length is {params.canvas_length}, which is no multiple of block "
            f"({params.block}).",
            remedy=f"Set canvas_length to {fitting}, or choose another block.",
            field="canvas_length",
        )
    if params.tau > params.kappa:
        raise InvalidParams(
            f"tau is {params.tau:g} and kappa {params.kappa:g}; near an anchor less confidence is "
            "asked, not more.",
            remedy=f"Set tau to {params.kappa:g} or less.",
            field="tau",
        )
    places = {forced.position for forced in params.forced}
    if len(places) < len(params.forced):
        raise InvalidParams(
            f"forced holds {len(params.forced)} decisions for {len(places)} positions.",
            remedy="A position is committed once: keep one decision for each.",
            field="forced",
        )


def _refuse_masks(task: Task, adapter: MaskedDiffusion) -> None:
    if adapter.mask_id in task.prompt:
        name = task.model.tokenizer.convert_ids_to_tokens(adapter.mask_id)
        raise SpecialTokenInText(
            f"The prompt holds the mask token {name} at position "
            f"{task.prompt.index(adapter.mask_id)}; masks stand on the canvas alone.",
            remedy="Remove it from the prompt.",
            field="prompt",
        )


def _refuse_forced(params: Params, adapter: MaskedDiffusion) -> None:
    vocabulary = adapter.model.info.vocabulary
    for forced in params.forced:
        if forced.token == adapter.mask_id or forced.token >= vocabulary:
            raise InvalidParams(
                f"Token {forced.token} was forced; this model's tokens are 0 to "
                f"{vocabulary - 1}, without its mask {adapter.mask_id}.",
                remedy="Choose another token.",
                field="forced",
            )
