"""CNTP: sample several continuations at uncertain tokens, keep the one with lowest perplexity.

The entropy H of the next token decides how many trials N are sampled up to the end of the clause.
The trial with the lowest perplexity is appended as a whole. Where the entropy is low, N = 1 and a
single token is sampled.

Source: "Cautious Next Token Prediction" (arXiv 2507.03038). With u = clamp((H − low)/(high −
low), 0, 1) and N_max trials at most, N = ⌊1 + (N_max − 1) u⌋ (formula `code`, which matches the
paper's figure) or clamp(⌊N_max u⌋, 1, N_max) (formula `paper`).

All trials of a branch point advance in one batch. Equal prefixes share a row, and a trial that can
no longer win is pruned. Each random number depends only on (seed, position, trial), so neither
optimisation changes a token. The baselines on the same prompt and seed are greedy decoding,
sampling, min-p, beam search, best of N by perplexity, and self-consistency. docs/trace.md describes
the events.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from analysis.decoding.answers import AnswerPattern
from analysis.decoding.beam import Beam
from analysis.decoding.bends import PROCESSED, TRUNCATED, BendParams, bends, token_biases
from analysis.decoding.best_of_n import BestOfN, Samples
from analysis.decoding.cntp_params import CntpParams
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
from analysis.decoding.meter import TraceMeter
from analysis.decoding.prefix import Prefix
from analysis.decoding.stepwise import Caution, Stepwise, one_trial
from analysis.decoding.stops import PUBLISHED, ClauseStop, eos_ids, stop_strings, text_stop
from analysis.decoding.task import (
    DecoderSetup,
    DecodingTask,
    end_events,
    paced,
    read_task,
    start_event,
)
from analysis.decoding.trials import Rules
from analysis.errors import InvalidParams
from analysis.events import Event
from analysis.method import Example
from analysis.model import Model
from analysis.model.checkpoint import InForce
from analysis.model.logit_processors import Start, neutral
from analysis.run_context import RunContext
from analysis.text.sampling import make_sampling

VERSION = "3"
NEEDS = ("causal_lm",)
EVENTS = (PromptTokens, TraceStart, TokenStep, TrialTokens, Fork, OutputTokens, TraceEnd)


class Params(BendParams, CntpParams):
    """Parameters of a CNTP run."""


STATED = r"has (\d+)"  # the answer, as the bundled models phrase it
EXAMPLES = (
    Example(
        name="Work step by step, or answer at once?",
        look_for="The model is uncertain only about how to begin. Among the trials at that branch "
        "point, clauses that calculate have a lower perplexity than clauses that state a "
        "result, as plain sampling does.",
        model="demo-lm",
        params={
            "prompt": "Emma found 15 coins. Emma finds 4 more. Then Emma drops 9. Emma sells 9. "
            "Question: How many coins does Emma have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "1",
            "seed": 1,
        },
    ),
    Example(
        name="High temperature",
        look_for="At temperature 1.4 the trials select a good beginning, but a wrong token can "
        "still be sampled where the entropy is too low for trials. Look at the output "
        "where a sum is wrong.",
        model="demo-lm",
        params={
            "prompt": "Simon found 4 plums. Then Simon gets 6 more. Then Simon drops 8. Simon "
            "finds 5 more. Question: How many plums does Simon have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "7",
            "temperature": 1.4,
            "top_p": 1.0,
            "top_k": 0,
            "seed": 1,
        },
    ),
    Example(
        name="Trials at every step",
        look_for="This ablation samples ten trials at every step. It computes many more tokens, "
        "and nearly all trials equal the selected one.",
        model="demo-lm",
        params={
            "prompt": "Julia got 9 buttons. Julia buys 4 more. Then Julia gets 6 more. Oscar finds "
            "14 feathers. Question: How many buttons does Julia have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "19",
            "mode": "fixed",
            "with_beam": False,
            "with_min_p": False,
        },
    ),
    Example(
        name="CNTP compared with self-consistency",
        look_for="Self-consistency generates ten complete answers and counts votes, whereas CNTP "
        "samples several trials of single clauses. Compare the cost bars.",
        model="demo-lm",
        params={
            "prompt": "Leo finds 7 buttons. Ida picked up 7 shells. Leo gives 3 more to Ida. Ida "
            "buys 9 more. Ida finds 8 more. Question: How many shells does Ida have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "27",
            "temperature": 1.1,
            "samples": 10,
            "seed": 2,
        },
    ),
)

WHOLE = ("best_of_n", "self_consistency")  # both use the same samples
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
EXTRA = (*PROCESSED, "token_bias", *TRUNCATED[3:], "min_p")  # shown where they have an effect
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


def run(model: Model, params: Params, context: RunContext) -> Iterator[Event]:
    """Yield the events of all decoders on one prompt."""
    task = _read_task(model, params)
    yield from task.prompt_events()
    pool: list[Samples] = []
    try:
        for trace, decoder in enumerate(_decoders(params)):
            yield from paced(_trace(task, params, trace, decoder, pool))
    finally:
        model.prompts.trim()


def refuse_for(model: Model, params: Params) -> None:
    """Raise what `run` raises for the prompt and for tokens given by their ids."""
    _read_task(model, params)
    text_stop(model, params.stop_strings)
    token_biases(model, params.token_bias)


def _read_task(model: Model, params: Params) -> DecodingTask:
    task = read_task(
        model,
        params,
        length=params.max_new_tokens,
        eos=eos_ids(model),
        context=model.info.longest,
    )
    _refuse_long_trials(params, task)
    return task


def _decoders(params: Params) -> list[str]:
    """The decoder of the run first, then those it is compared with."""
    baselines = [
        name for name in LABELS if name != params.decoder and getattr(params, f"with_{name}", False)
    ]
    return [params.decoder, *baselines]


def _trace(
    task: DecodingTask, params: Params, trace: int, decoder: str, pool: list[Samples]
) -> Generator[Event, None, None]:
    """Run one decoder from start to end; `pool` keeps complete outputs once sampled."""
    force = bends(task.model, params, decoder)
    plan = _plan(params, decoder, force, forced=params.forced if trace == 0 else [])
    if pool and decoder in WHOLE:
        plan = replace(plan, samples_of=pool[0].trace)
    yield start_event(task, plan, trace)
    meter = TraceMeter()
    prefix = Prefix(task.model, task.prompt, meter)
    worker = _worker(task, params, trace, plan, prefix, _rules(task, params, decoder, force), pool)
    with torch.no_grad():
        stop = yield from worker.run()
    yield from end_events(task, trace, prefix.output, stop=stop, steps=worker.steps, meter=meter)


def _plan(
    params: Params, decoder: str, force: InForce, *, forced: Sequence[ForcedToken | ForcedTrial]
) -> DecoderSetup:
    values = {**params.model_dump(), **force.values, "token_bias": params.token_bias}
    bent = [name for name in (*EXTRA, *force.applied) if not neutral(name, force.values.get(name))]
    settings = {name: values[name] for name in (*SETTINGS[decoder], *bent)}
    return DecoderSetup(
        decoder=decoder,
        label=LABELS[decoder].format(**values),
        family="autoregressive",
        settings={n: v for n, v in settings.items() if isinstance(v, int | float | str)},
        stop_rule=_stop_rule(params, decoder),
        forced=tuple(sorted(forced, key=lambda one: one.position)),
        applied=force.applied,
        not_applied=force.not_applied,
    )


def _stops(params: Params) -> list[str]:
    """Describe in words what ends the output."""
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
    task: DecodingTask,
    params: Params,
    trace: int,
    plan: DecoderSetup,
    prefix: Prefix,
    rules: Rules,
    pool: list[Samples],
) -> Stepwise | BestOfN | Beam:
    decoder, label = plan.decoder, plan.label
    if decoder == "beam":
        return Beam(task, trace, label, prefix, params.beams, rules.text)
    if decoder not in STEPWISE:
        by: Any = "perplexity" if decoder == "best_of_n" else "vote"
        return BestOfN(task, trace, label, prefix, rules, params.samples, by, pool)
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


def _rules(task: DecodingTask, params: Params, decoder: str, force: InForce) -> Rules:
    """Complete outputs do not end at a clause and, when they vote, cannot be pruned."""
    tokenizer = task.model.tokenizer
    trials = decoder == "cntp"
    start = Start(tuple(task.prompt), task.eos, task.length, task.model.device)
    return Rules(
        sampling=make_sampling(force.values, start),
        seed=task.seed,
        scoring=params.scoring if trials else "warped",
        clause=ClauseStop(tokenizer, params.stop_rule) if trials else None,
        text=text_stop(task.model, params.stop_strings),
        eos=task.eos,
        cap=params.trial_cap if trials else task.length,
        prune=params.prune if trials else not params.with_self_consistency,
    )


def refuse(params: Params) -> None:
    """Raise InvalidParams for params that contradict each other."""
    AnswerPattern(params.answer_pattern).read("")
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
            f"forced has {len(places)} entries, two of which are of the same kind at the same "
            "position.",
            remedy="Keep only the last of the two.",
            field="forced",
        )
    if params.decoder != "cntp" and any(isinstance(f, ForcedTrial) for f in params.forced):
        raise InvalidParams(
            f"A trial is forced, but the decoder {params.decoder} samples no trials.",
            remedy="Force a token instead, or set decoder to cntp.",
            field="forced",
        )


def _refuse_long_trials(params: Params, task: DecodingTask) -> None:
    room = task.model.info.longest - len(task.prompt)
    if params.trial_cap > room:
        raise InvalidParams(
            f"trial_cap is {params.trial_cap}; after a prompt of {len(task.prompt)} tokens, the "
            f"model's context of {task.model.info.context} tokens has room for {room}.",
            remedy=f"Set trial_cap to {room} or less, or shorten the prompt.",
            field="trial_cap",
        )
