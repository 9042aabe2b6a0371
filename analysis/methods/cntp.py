"""CNTP: where the model is unsure, it tries several ways on and takes the least perplexing.

The entropy H of the next token decides how many trials N are drawn from here to the end of the
clause; the trial with the lowest perplexity is appended whole. Where the model is sure, N = 1 and
one token is drawn.

Source: "Cautious Next Token Prediction" (arXiv 2507.03038). With u = clamp((H − low)/(high −
low), 0, 1) and N_max trials at most, N = ⌊1 + (N_max − 1) u⌋ (formula `code`, which matches the
paper's figure) or clamp(⌊N_max u⌋, 1, N_max) (formula `paper`).

All trials of a fork advance in one batch. Equal prefixes share a row; a trial that can no longer
win is dropped. Random numbers belong to (seed, position, trial), so that neither changes a token.
Beside it on the same prompt and seed: greedy, sampling, min-p, beam search, the best of several
samples by perplexity, and self-consistency. docs/trace.md describes the events.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from analysis import context as contexts
from analysis.decoding.beam import Beam
from analysis.decoding.costs import Meter
from analysis.decoding.events import (
    ForcedToken,
    ForcedTrial,
    Fork,
    OutputTokens,
    PromptTokens,
    TokenStep,
    TraceEnd,
    TraceStart,
    TrialTokens,
)
from analysis.decoding.params import HIDDEN, MOST_FORCED, OUTPUT_TOKENS, PromptParams
from analysis.decoding.prefix import Prefix
from analysis.decoding.stepwise import Caution, Stepwise, one_trial
from analysis.decoding.stops import PUBLISHED, ClauseStop, eos_ids, stop_strings, text_stop
from analysis.decoding.task import Plan, Task, end_events, paced, read_task, start_event
from analysis.decoding.trials import Rules
from analysis.decoding.warp import Warp
from analysis.decoding.whole import Whole
from analysis.errors import InvalidParams
from analysis.events import Event
from analysis.method import Example
from analysis.model import Model

VERSION = "3"
NEEDS = ("causal_lm",)
EVENTS = (PromptTokens, TraceStart, TokenStep, TrialTokens, Fork, OutputTokens, TraceEnd)
MOST_TRIALS = 64
STOP_TOKENS = 32


class Params(PromptParams):
    max_new_tokens: int = Field(
        default=96,
        ge=1,
        le=OUTPUT_TOKENS,
        description="Longest output in tokens.",
        json_schema_extra={"group": "Text"},
    )
    decoder: Literal["cntp", "greedy", "sampling", "min_p"] = Field(
        default="cntp",
        description="The decoder that the run is about, and that decisions by hand apply to.",
        json_schema_extra={"group": "Decoder"},
    )
    entropy_low: float = Field(
        default=0.01,
        ge=0,
        le=20,
        description="H_lo in nats: at or below it there is a single trial.",
        json_schema_extra={"group": "Trials"},
    )
    entropy_high: float = Field(
        default=1.5,
        gt=0,
        le=20,
        description="H_hi in nats: at or above it there are max_trials.",
        json_schema_extra={"group": "Trials"},
    )
    max_trials: int = Field(
        default=10,
        ge=1,
        le=MOST_TRIALS,
        description="N_max: trials at the most uncertain tokens.",
        json_schema_extra={"group": "Trials"},
    )
    trial_cap: int = Field(
        default=48,
        ge=1,
        le=OUTPUT_TOKENS,
        description="Longest trial in tokens (the published code has no limit).",
        json_schema_extra={"group": "Trials"},
    )
    formula: Literal["code", "paper"] = Field(
        default="code",
        description="How entropy becomes a number of trials: as in the published code and the "
        "paper's figure, or as in the paper's text.",
        json_schema_extra={"group": "Trials"},
    )
    mode: Literal["entropy", "fixed", "negative"] = Field(
        default="entropy",
        description="entropy: more trials where the model is unsure; for ablation, fixed: "
        "max_trials at every step; negative: more where it is sure, rounded as published.",
        json_schema_extra={"group": "Trials"},
    )
    scoring: Literal["warped", "raw"] = Field(
        default="warped",
        description="Perplexity under the distribution that was drawn from (warped) or under the "
        "model's own (raw).",
        json_schema_extra={"group": "Trials"},
    )
    stop_rule: Literal["text", "ids"] = Field(
        default="text",
        description="A trial ends where its decoded text ends a clause (text), or at the first "
        "token of a punctuation sign (ids, as published: it overlooks tokens such as .\\n, and "
        "where signs are encoded with a blank before them it ends at that blank).",
        json_schema_extra={"group": "Trials"},
    )
    single: Literal["draw", "likeliest"] = Field(
        default="draw",
        description="What a step without trials appends: a token drawn, or the likeliest.",
        json_schema_extra={"group": "Trials"},
    )
    prune: bool = Field(
        default=True,
        description="Drop a trial as soon as it can no longer win; changes the cost, not the "
        "result.",
        json_schema_extra={"group": "Trials"},
    )
    stop_strings: (
        Annotated[str, Field(max_length=500)]
        | Annotated[list[contexts.TokenId], Field(max_length=STOP_TOKENS)]
    ) = Field(
        default="",
        description="Texts that end the output, one per line; \\n stands for a new line. #12 #40 "
        "names tokens by their ids, each of which ends it (in JSON, a list).",
        json_schema_extra={**contexts.OR_IDS, "many": True, "group": "Text"},
    )
    temperature: float = Field(
        default=0.8,
        ge=0,
        le=5,
        description="Sampling temperature; 0: the likeliest token, as greedy decoding takes.",
        json_schema_extra={"group": "Sampling"},
    )
    top_k: int = Field(
        default=50,
        ge=0,
        le=1_000_000,
        description="Draw among the k likeliest tokens; 0: all.",
        json_schema_extra={"group": "Sampling"},
    )
    top_p: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Draw among the likeliest tokens that hold this much probability.",
        json_schema_extra={"group": "Sampling"},
    )
    min_p: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="min-p sampling alone: draw among tokens at least this share as likely as the "
        "likeliest.",
        json_schema_extra={"group": "Sampling"},
    )
    with_greedy: bool = Field(
        default=True,
        description="The likeliest token each time.",
        json_schema_extra={"group": "Beside it"},
    )
    with_sampling: bool = Field(
        default=True,
        description="One draw per token, same temperature, top-k and top-p.",
        json_schema_extra={"group": "Beside it"},
    )
    with_min_p: bool = Field(
        default=True,
        description="min-p sampling at the same temperature.",
        json_schema_extra={"group": "Beside it"},
    )
    with_beam: bool = Field(
        default=True,
        description="Beam search on the model's own probabilities.",
        json_schema_extra={"group": "Beside it"},
    )
    with_best_of_n: bool = Field(
        default=True,
        description="Several whole outputs, of which the least perplexing is taken.",
        json_schema_extra={"group": "Beside it"},
    )
    with_self_consistency: bool = Field(
        default=True,
        description="Several whole outputs, of which the most frequent answer is taken.",
        json_schema_extra={"group": "Beside it"},
    )
    beams: int = Field(
        default=5,
        ge=2,
        le=32,
        description="Beams of beam search.",
        json_schema_extra={"group": "Beside it"},
    )
    samples: int = Field(
        default=10,
        ge=2,
        le=MOST_TRIALS,
        description="Outputs drawn for the best of N and for self-consistency.",
        json_schema_extra={"group": "Beside it"},
    )
    forced: list[ForcedToken | ForcedTrial] = Field(
        default=[],
        max_length=MOST_FORCED,
        description="Decisions taken by hand, from which decoding goes on: a token at a position, "
        "or a trial at a fork.",
        json_schema_extra=HIDDEN,
    )


EXAMPLES = (
    Example(
        name="Reckon first, or answer first?",
        look_for="The model is unsure only how to begin: of the clauses tried there, those that "
        "reckon are less perplexing than those that state a result, which plain sampling does.",
        model="demo-lm",
        params={
            "prompt": "Emma found 15 coins. Emma finds 4 more. Then Emma drops 9. Emma sells 9. "
            "Question: How many coins does Emma have now? Answer:",
            "seed": 1,
        },
    ),
    Example(
        name="Hot, and still right?",
        look_for="At temperature 1.4 trials choose a good beginning, but a slip can still be drawn "
        "where the entropy asked for no trial: read the ribbon where the sums go wrong.",
        model="demo-lm",
        params={
            "prompt": "Simon found 4 plums. Then Simon gets 6 more. Then Simon drops 8. Simon "
            "finds 5 more. Question: How many plums does Simon have now? Answer:",
            "temperature": 1.4,
            "top_p": 1.0,
            "top_k": 0,
            "seed": 1,
        },
    ),
    Example(
        name="Trials at every step",
        look_for="The ablation draws ten trials wherever it stands: many more tokens are wasted, "
        "nearly all of them equal to the winner.",
        model="demo-lm",
        params={
            "prompt": "Julia got 9 buttons. Julia buys 4 more. Then Julia gets 6 more. Oscar finds "
            "14 feathers. Question: How many buttons does Julia have now? Answer:",
            "mode": "fixed",
            "with_beam": False,
            "with_min_p": False,
        },
    ),
    Example(
        name="Whole outputs against clauses",
        look_for="Self-consistency pays for ten whole answers and counts votes; CNTP pays for one "
        "clause, tried several times. The cost bars show the difference.",
        model="demo-lm",
        params={
            "prompt": "Leo finds 7 buttons. Ida picked up 7 shells. Leo gives 3 more to Ida. Ida "
            "buys 9 more. Ida finds 8 more. Question: How many shells does Ida have now? Answer:",
            "temperature": 1.1,
            "samples": 10,
            "seed": 2,
        },
    ),
)

STEPWISE = ("cntp", "greedy", "sampling", "min_p")
LABELS = {
    "cntp": "CNTP, {max_trials} trials at most",
    "greedy": "greedy",
    "sampling": "sampling, temperature {temperature:g}, top-p {top_p:g}",
    "min_p": "min-p {min_p:g}, temperature {temperature:g}",
    "beam": "beam search, {beams} beams",
    "best_of_n": "best of {samples} by perplexity",
    "self_consistency": "most frequent answer of {samples}",
}
SAMPLING = ("temperature", "top_k", "top_p")
SETTINGS: dict[str, tuple[str, ...]] = {
    "cntp": (
        *SAMPLING, "entropy_low", "entropy_high", "max_trials", "trial_cap", "formula", "mode",
        "scoring", "stop_rule", "single", "prune",
    ),
    "greedy": (),
    "sampling": SAMPLING,
    "min_p": ("temperature", "min_p"),
    "beam": ("beams",),
    "best_of_n": (*SAMPLING, "samples"),
    "self_consistency": (*SAMPLING, "samples", "answer_pattern"),
}  # fmt: skip


def run(model: Model, params: Params) -> Iterator[Event]:
    """Yield the traces of one prompt."""
    _refuse_contradictions(params)
    task = read_task(
        model,
        params,
        length=params.max_new_tokens,
        eos=eos_ids(model),
        context=model.info.context,
    )
    _refuse_long_trials(params, task)
    yield from task.prompt_events()
    for trace, decoder in enumerate(_decoders(params)):
        yield from paced(_trace(task, params, trace, decoder))


def _decoders(params: Params) -> list[str]:
    """The one that the run is about, then those beside it."""
    beside = [
        name for name in LABELS if name != params.decoder and getattr(params, f"with_{name}", False)
    ]
    return [params.decoder, *beside]


def _trace(task: Task, params: Params, trace: int, decoder: str) -> Generator[Event, None, None]:
    """One decoder from its first event to its last."""
    plan = _plan(params, decoder, forced=params.forced if trace == 0 else [])
    yield start_event(task, plan, trace)
    meter = Meter()
    prefix = Prefix(task.model, task.prompt, meter)
    worker = _worker(task, params, trace, plan, prefix)
    with torch.inference_mode():
        stop = yield from worker.run()
    yield from end_events(task, trace, prefix.output, stop=stop, steps=worker.steps, meter=meter)


def _plan(params: Params, decoder: str, *, forced: Sequence[ForcedToken | ForcedTrial]) -> Plan:
    values = params.model_dump()
    return Plan(
        decoder=decoder,
        label=LABELS[decoder].format(**values),
        family="autoregressive",
        settings={name: values[name] for name in SETTINGS[decoder]},
        stop_rule=_stop_rule(params, decoder),
        forced=tuple(sorted(forced, key=lambda one: one.position)),
    )


def _stops(params: Params) -> list[str]:
    """What ends the output, as it is written for people."""
    given = params.stop_strings
    if isinstance(given, str):
        return [repr(string) for string in stop_strings(given)]
    return [f"#{token}" for token in given]


def _stop_rule(params: Params, decoder: str) -> str:
    whole = f"The text ends at an end-of-text token or after {params.max_new_tokens} tokens"
    if stops := _stops(params):
        whole += f", or with one of {', '.join(stops)}"
    if decoder != "cntp":
        return f"{whole}."
    signs = "".join(PUBLISHED).replace("\n", "↵")
    how = (
        f"whose text ends a clause ({signs} and the like of other scripts)"
        if params.stop_rule == "text"
        else f"that the tokenizer begins one of these signs with ({signs})"
    )
    return f"{whole}. A trial ends there too, after {params.trial_cap} tokens, or at a token {how}."


def _worker(
    task: Task, params: Params, trace: int, plan: Plan, prefix: Prefix
) -> Stepwise | Whole | Beam:
    decoder, label = plan.decoder, plan.label
    rules = _rules(task, params, decoder)
    if decoder == "beam":
        return Beam(task, trace, label, prefix, params.beams, rules.text)
    if decoder not in STEPWISE:
        by: Any = "perplexity" if decoder == "best_of_n" else "vote"
        return Whole(task, trace, label, prefix, rules, params.samples, by)
    single = params.single if decoder == "cntp" else "draw"
    caution = Caution(
        low=params.entropy_low,
        high=params.entropy_high,
        most=params.max_trials,
        formula=params.formula,
        mode=params.mode,
    )
    return Stepwise(
        task,
        trace,
        label,
        prefix,
        rules,
        caution=caution if decoder == "cntp" else one_trial,
        single="likeliest" if decoder == "greedy" else single,
        forced=plan.forced,
    )


def _rules(task: Task, params: Params, decoder: str) -> Rules:
    """Whole outputs have no clause to end at and, for a vote, nothing to be pruned by."""
    tokenizer = task.model.tokenizer
    trials = decoder == "cntp"
    return Rules(
        warp=_warp(params, decoder),
        seed=task.seed,
        scoring=params.scoring if trials else "warped",
        clause=ClauseStop(tokenizer, params.stop_rule) if trials else None,
        text=text_stop(task.model, params.stop_strings),
        eos=task.eos,
        cap=params.trial_cap if trials else task.length,
        prune=params.prune if trials else decoder == "best_of_n",
    )


def _warp(params: Params, decoder: str) -> Warp:
    if decoder in ("greedy", "beam"):
        return Warp()
    if decoder == "min_p":
        return Warp(temperature=params.temperature, min_p=params.min_p)
    return Warp(temperature=params.temperature, top_k=params.top_k, top_p=params.top_p)


def _refuse_contradictions(params: Params) -> None:
    if params.entropy_low >= params.entropy_high:
        raise InvalidParams(
            f"entropy_low is {params.entropy_low:g} and entropy_high {params.entropy_high:g}; "
            "low must be below high.",
            remedy="Lower entropy_low or raise entropy_high.",
            field="entropy_low",
        )
    places = [(forced.position, type(forced)) for forced in params.forced]
    if len(set(places)) < len(places):
        raise InvalidParams(
            f"forced holds {len(places)} decisions, of which two are of one kind at one position.",
            remedy="Keep the last of them.",
            field="forced",
        )
    if params.decoder != "cntp" and any(isinstance(f, ForcedTrial) for f in params.forced):
        raise InvalidParams(
            f"A trial is forced, but the decoder {params.decoder} draws none.",
            remedy="Force a token, or set decoder to cntp.",
            field="forced",
        )


def _refuse_long_trials(params: Params, task: Task) -> None:
    room = task.model.info.context - len(task.prompt)
    if params.trial_cap > room:
        raise InvalidParams(
            f"trial_cap is {params.trial_cap}; after a prompt of {len(task.prompt)} tokens the "
            f"model's context of {task.model.info.context} has room for {room}.",
            remedy=f"Set trial_cap to {room} or less, or shorten the prompt.",
            field="trial_cap",
        )
