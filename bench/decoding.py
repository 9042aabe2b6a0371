"""Decoders on held-out number stories: CNTP compared with a sequential loop, greedy and sampling;
LocalLeap with one token per step, and steps against accuracy for its settings.

Seconds are wall time, one prompt at a time, model loaded; both sides of a line alternate in
one process on the same prompts. Accuracy is of the number that the answer states.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import torch

import analysis
from analysis.catalog.entries import Catalog
from analysis.decoding import cache as caches
from analysis.decoding import random_streams
from analysis.decoding.canvas import Canvases
from analysis.decoding.distributions import NextTokenStats, next_token_stats
from analysis.decoding.events import OutputTokens, TraceEnd
from analysis.decoding.meter import TraceMeter
from analysis.decoding.prefix import Prefix, forward
from analysis.decoding.stepwise import Caution
from analysis.decoding.stops import ClauseStop, eos_ids
from analysis.loading import loaded
from analysis.methods import cntp, local_leap
from analysis.model import Model
from analysis.model.logit_processors import Start
from analysis.model.masked_diffusion import adapter_for
from analysis.run_context import RunContext
from analysis.runner import model_cache
from analysis.text.sampling import Sampling, make_sampling
from analysis.worlds.numbers import NumberItem, answer_read, number_item
from analysis.worlds.tales import tale
from bench.table import Line

ITEMS = 500
TIMED = 40  # of them, where both sides must write the same tokens
THREADS = 1
LENGTH, CAP = 64, 48
BASELINES = ("greedy", "sampling", "beam", "best_of_n")
QUIET = {
    f"with_{name}": False
    for name in ("greedy", "sampling", "min_p", "beam", "best_of_n", "self_consistency")
}
QUESTION = " Question:"
FRONT: tuple[tuple[str, dict[str, float]], ...] = (
    *(("threshold", {"threshold": least}) for least in (0.8, 0.9, 0.95, 0.99)),
    ("local_leap", {"kappa": 0.9, "tau": 0.75, "width": 4}),
    ("local_leap", {"kappa": 0.9, "tau": 0.85, "width": 4}),
    ("local_leap", {"kappa": 0.95, "tau": 0.75, "width": 4}),
    ("local_leap", {"kappa": 0.99, "tau": 0.9, "width": 4}),
    ("factor", {"factor": 0.5}),
    ("entropy_bound", {"entropy_bound": 0.01}),
)
OF_FRONT = 200  # stories


@dataclass
class Result:
    """Results of one decoder on all items: `tokens` per item, `right` per item."""

    tokens: list[list[int]] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    seconds: float = 0.0
    forwards: int = 0
    unpadded: int = 0  # forward passes on blocks up to the one with the end of the text
    computed: int = 0  # tokens that forward passes ran on after the prompt

    @property
    def wrong_percent(self) -> float:
        return 100 * (1 - float(np.mean(self.right)))

    def interval(self) -> list[float]:
        """Wilson's 95 % interval of the share of right answers, percent."""
        n, p, z = len(self.right), float(np.mean(self.right)), 1.959964
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * float(p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5 / (1 + z * z / n)
        return [round(100 * (middle - half), 2), round(100 * (middle + half), 2)]


def lines(items: int = ITEMS) -> Iterator[Line]:
    torch.set_num_threads(THREADS)
    stories = held_out(items)
    writer, filler = _model("demo-lm"), _model("demo-diffusion")
    asked = [story.prompt for story in stories[:TIMED]]
    begun = [prompt[: prompt.index(QUESTION)] for prompt in asked]
    yield from loop_lines(writer, free_stories(TIMED), "free stories", "entropy")
    yield from loop_lines(writer, begun, "number stories continued", "entropy")
    yield from loop_lines(writer, asked, "answers", "entropy")
    yield from loop_lines(writer, asked, "answers, trials at every step", "fixed")
    yield from accuracy_lines(writer, stories)
    yield from leap_lines(filler, stories)
    yield from front_lines(filler, stories[:OF_FRONT])


def held_out(items: int) -> list[NumberItem]:
    """Stories whose calculation is in no training text."""
    rng = Random("decoding")
    return [number_item(rng) for _ in range(items)]


def free_stories(count: int) -> list[str]:
    """Beginnings of stories with many possible continuations."""
    rng = Random("free stories")
    return [tale(rng).partition(".")[0] + "." for _ in range(count)]


def loop_lines(model: Model, prompts: list[str], name: str, mode: str) -> Iterator[Line]:
    """CNTP compared with a loop over trials, same random numbers: equal tokens."""
    ours, theirs = Result(), Result()
    for seed, prompt in enumerate(prompts):
        _run_cntp(model, prompt, ours, seed=seed, mode=mode)
        _run_loop(model, prompt, theirs, seed=seed, mode=mode)
    refused = "" if ours.tokens == theirs.tokens else "the tokens differ from the loop's"
    for unit, mine, other, goal in (
        ("forward passes", ours.forwards, theirs.forwards, 5),
        ("s", ours.seconds, theirs.seconds, 4),
    ):
        yield Line(
            f"CNTP, N_max 10, {name}",
            unit,
            mine / len(prompts),
            "loop with cache",
            other / len(prompts),
            at_least_times=goal,
            refused=refused,
            details={"prompts": len(prompts)},
        )


def accuracy_lines(model: Model, stories: list[NumberItem]) -> Iterator[Line]:
    """Wrong answers of CNTP and of the other decoders; the difference is paired."""
    results = {name: Result() for name in ("cntp", *BASELINES)}
    for seed, story in enumerate(stories):
        for name, result in results.items():
            _run_cntp(model, story.prompt, result, seed=seed, **_as_main_or_baseline(name))
            result.right.append(_is_right(model, story, result.tokens[-1]))
    ours = results["cntp"]
    for name in BASELINES:
        theirs = results[name]
        yield Line(
            f"CNTP, {len(stories)} stories: wrong answers",
            "%",
            ours.wrong_percent,
            name,
            theirs.wrong_percent,
            details={
                "right_percent_interval_ours": ours.interval(),
                "right_percent_interval_theirs": theirs.interval(),
                "gain_points_interval": _paired_interval(ours.right, theirs.right),
                "forwards_ours": ours.forwards / len(stories),
                "forwards_theirs": theirs.forwards / len(stories),
                "tokens_computed_ours": ours.computed / len(stories),
                "tokens_computed_theirs": theirs.computed / len(stories),
            },
        )


def leap_lines(model: Model, stories: list[NumberItem]) -> Iterator[Line]:
    """LocalLeap and the threshold decoder compared with one token per step."""
    results = {name: Result() for name in ("local_leap", "vanilla", "threshold")}
    for story in stories:
        for name, result in results.items():
            _run_canvas(model, story.prompt, result, name)
            result.right.append(_is_right(model, story, result.tokens[-1]))
    vanilla = results["vanilla"]
    for name, label in (("local_leap", "LocalLeap"), ("threshold", "threshold 0.9")):
        ours, goal = results[name], name == "local_leap"
        what = f"{label}, {len(stories)} stories"
        yield Line(
            f"{what}: steps", "steps", ours.forwards / len(stories),
            "vanilla", vanilla.forwards / len(stories),
            at_least_times=1 / 0.142 if goal else None,
        )  # fmt: skip
        yield Line(
            f"{what}: time", "s", ours.seconds / len(stories),
            "vanilla", vanilla.seconds / len(stories),
            at_least_times=6.94 if goal else None,
        )  # fmt: skip
        yield Line(
            f"{what}: wrong answers", "%", ours.wrong_percent, "vanilla", vanilla.wrong_percent,
            at_most=round(vanilla.wrong_percent + 1, 3) if goal else None,
            details={
                "right_percent_interval_ours": ours.interval(),
                "right_percent_interval_theirs": vanilla.interval(),
                "gain_points_interval": _paired_interval(ours.right, vanilla.right),
            },
        )  # fmt: skip


def front_lines(model: Model, stories: list[NumberItem]) -> Iterator[Line]:
    """Steps with and without padding, and wrong answers, of several settings; paired by story."""
    results = [_filled(model, stories, decoder, given) for decoder, given in FRONT]
    vanilla = _filled(model, stories, "vanilla", {})
    for (decoder, given), ours in zip(FRONT, results, strict=True):
        label = local_leap.LABELS[decoder].format(
            **local_leap.Params(prompt="a", **given).model_dump()
        )
        what = f"{label}, {len(stories)} stories"
        yield Line(
            f"{what}: steps", "steps", ours.forwards / len(stories),
            "vanilla", vanilla.forwards / len(stories),
        )  # fmt: skip
        yield Line(
            f"{what}: steps without padding", "steps", ours.unpadded / len(stories),
            "vanilla", vanilla.unpadded / len(stories),
        )  # fmt: skip
        yield Line(
            f"{what}: wrong answers", "%", ours.wrong_percent, "vanilla", vanilla.wrong_percent,
            details={
                "right_percent_interval_ours": ours.interval(),
                "right_percent_interval_theirs": vanilla.interval(),
                "gain_points_interval": _paired_interval(ours.right, vanilla.right),
            },
        )  # fmt: skip


def _filled(
    model: Model, stories: list[NumberItem], decoder: str, given: dict[str, float]
) -> Result:
    result = Result()
    for story in stories:
        _run_canvas(model, story.prompt, result, decoder, **given)
        result.right.append(_is_right(model, story, result.tokens[-1]))
    return result


def _run_cntp(model: Model, prompt: str, result: Result, **params: Any) -> None:
    given = {"prompt": prompt, "max_new_tokens": LENGTH, "trial_cap": CAP, **QUIET, **params}
    checked = cntp.Params.model_validate(given)
    started = time.perf_counter()
    events = list(cntp.run(model, checked, RunContext()))
    result.seconds += time.perf_counter() - started
    end = [event for event in events if isinstance(event, TraceEnd)][-1]
    result.forwards += end.cost.main_forwards + end.cost.trial_forwards
    result.computed += end.cost.tokens_computed
    ids = [
        token
        for e in events
        if isinstance(e, OutputTokens) and e.trace == end.trace
        for token in e.ids
    ]
    result.tokens.append(ids)


def _as_main_or_baseline(name: str) -> dict[str, Any]:
    """Parameters whose last trace is of this decoder."""
    if name in cntp.STEPWISE:
        return {"decoder": name}
    return {"decoder": "greedy", f"with_{name}": True}


@torch.inference_mode()
def _run_loop(model: Model, prompt: str, result: Result, *, seed: int, mode: Any) -> None:
    """Trials in sequence, each on a copy of the prefix's cache, the first token from the logits
    already computed: a careful loop (the published one computes them again in each trial)."""
    defaults = cntp.Params(prompt=prompt, mode=mode)
    caution = Caution(
        defaults.entropy_low, defaults.entropy_high, defaults.max_trials, defaults.formula, mode
    )
    clause, eos = ClauseStop(model.tokenizer, "text"), eos_ids(model)
    sampling = defaults.model_dump(include={"temperature", "top_k", "top_p"})
    drawing = make_sampling(sampling, Start((), eos, LENGTH, model.device))
    before = model.passes.forwards
    started = time.perf_counter()
    prefix = Prefix(model, model.tokenizer(prompt).input_ids, TraceMeter())
    while len(prefix.output) < LENGTH and not set(prefix.output[-1:]) & set(eos):
        seen = next_token_stats(prefix.next_logits(), drawing)
        count = caution(float(seen.warped.entropy_R[0]))
        if count == 1:
            u = random_streams.uniforms(seed, len(prefix.output), 0, 1)
            prefix.append([int(random_streams.pick(seen.warped_RV, u.tolist())[0])])
            continue
        trials = [
            _trial(prefix, seen, number, seed, drawing, clause, eos) for number in range(count)
        ]
        prefix.append(min(trials, key=lambda trial: trial[0])[1])
    result.seconds += time.perf_counter() - started
    result.forwards += model.passes.forwards - before
    result.tokens.append(prefix.output)


def _trial(
    prefix: Prefix,
    seen: NextTokenStats,
    number: int,
    seed: int,
    drawing: Sampling,
    clause: ClauseStop,
    eos: tuple[int, ...],
) -> tuple[float, list[int]]:
    """Mean −ln q and tokens of one trial."""
    most = min(CAP, LENGTH - len(prefix.output))
    numbers = random_streams.uniforms(seed, len(prefix.output), number, most)
    cache = caches.share(prefix.cache)
    ids: list[int] = []
    nll = 0.0
    while len(ids) < most:
        if ids:
            seen = next_token_stats(forward(prefix.model, cache, [ids[-1:]]), drawing)
        token = int(random_streams.pick(seen.warped_RV, [float(numbers[len(ids)])])[0])
        nll -= float(seen.warped_RV[0, token])
        ids.append(token)
        if token in eos or clause(token):
            break
    return nll / len(ids), ids


def _run_canvas(model: Model, prompt: str, result: Result, decoder: str, **given: float) -> None:
    adapter = adapter_for(model)
    params = local_leap.Params.model_validate({"prompt": prompt, **given})
    ids = np.array([model.tokenizer(prompt).input_ids])
    started = time.perf_counter()
    canvases = Canvases(
        adapter.logits,
        ids,
        local_leap.frame(params, decoder, adapter),
        local_leap.rule(params, decoder),
        seeds=[0],
        device=model.device,
    )
    blocks = [step.block for (step,) in canvases.run()]
    result.seconds += time.perf_counter() - started
    result.forwards += canvases.forwards
    output = canvases.output_BG[0].tolist()
    end = output.index(adapter.eos_id) if adapter.eos_id in output else len(output)
    result.unpadded += sum(block * params.block <= end for block in blocks)
    result.tokens.append(output[:end])


def _is_right(model: Model, story: NumberItem, ids: list[int]) -> bool:
    text = str(model.tokenizer.decode(ids, skip_special_tokens=True))
    return answer_read(text) == story.answer


def _paired_interval(ours: list[bool], theirs: list[bool]) -> list[float]:
    """95 % bootstrap interval of the gain in right answers, percentage points, item by item."""
    gain = np.array(ours, dtype=float) - np.array(theirs, dtype=float)
    rng = np.random.default_rng(0)
    means = rng.choice(gain, (4000, len(gain))).mean(1)
    return [round(100 * float(bound), 2) for bound in np.quantile(means, (0.025, 0.975))]


def _model(name: str) -> Model:
    list(analysis.run("inspect", model=name, params={}))
    return loaded(Catalog().find(name), model_cache())
