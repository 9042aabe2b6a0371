"""ReAGent: the exact form compared with inseq's and with a plain loop; the centred form compared
with inseq's.

All CPU seconds are of one thread, model loaded. inseq runs in a separate process, with the
versions of torch and transformers that we use.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM, AutoTokenizer

import analysis
from analysis.catalog.entries import BUNDLED, folder_entry
from analysis.methods.reagent import PRESETS, probing
from analysis.training.gates_lm import answers_right, carrier_positions
from analysis.worlds.stories import StoryQuestion, document, item
from bench.equality import (
    PassRun,
    longer,
    map_distance,
    mean_map,
    p_value,
    shifted,
    step_distance,
)
from bench.peers.environment import answers
from bench.table import Line
from bench.trained import FACTS, trained

FOLDER = Path(__file__).parents[1] / "data" / "bench" / "models" / "bench-lm"
THREADS = 1
PROMPT_TOKENS, OUTPUT_TOKENS = 40, 3
CASES = 4
SEEDS = range(6)
ITEMS = 16
LEAST_P = 0.01  # two samples of one process fall below it once in a hundred
INSEQ_SETTINGS = {
    "num_probes": 16,
    "replacing_ratio": 0.3,
    "max_probe_steps": 3000,
    "keep_top_n": 5,
    "stopping_condition_top_k": 3,
}
QUIET = {"replacer": "uniform", "faithfulness": False, "baselines": False}


@dataclass(frozen=True)
class Text:
    """A prompt and the output to explain, as texts."""

    prompt: str
    output: str


def lines() -> Iterator[Line]:
    torch.set_num_threads(THREADS)
    folder = trained(FOLDER)
    texts = list(_texts(folder, CASES))
    theirs_facts, theirs = inseq_runs(folder, texts, SEEDS)
    ours = exact_runs(folder, texts, SEEDS)
    yield exact_line(ours, theirs, theirs_facts)
    yield loop_line(folder, texts[0])
    yield from centred_lines(BUNDLED / "demo-lm")


def exact_line(ours: list[PassRun], theirs: list[PassRun], facts: dict[str, Any]) -> Line:
    """The exact form compared with inseq's, at inseq's settings, several texts and seeds."""
    what = f"ReAGent, exact form, {OUTPUT_TOKENS} tokens of output"
    details = {**facts, **_costs("ours", ours), **_costs("theirs", theirs)}
    details |= {
        "p_maps": p_value(ours, theirs, map_distance),
        "p_steps": p_value(ours, theirs, step_distance),
        "rank_correlation": _rank_correlation(ours, theirs),
    }
    # What the same tests must detect in samples of this size.
    details |= {
        "p_maps_planted": p_value(shifted(ours), theirs, map_distance),
        "p_steps_planted": p_value(longer(ours), theirs, step_distance),
    }
    return Line(
        what,
        "CPU s",
        float(np.mean([run.cpu_seconds for run in ours])),
        f"inseq {facts['inseq']}",
        float(np.mean([run.cpu_seconds for run in theirs])),
        at_least_times=4,
        refused=_difference(details),
        details=details,
    )


def loop_line(folder: Path, text: Text) -> Line:
    """The exact form compared with one step and one row at a time: equal numbers."""
    ours = exact_runs(folder, [text], [0])[0]
    with mock.patch.object(probing, "BUSY_ROWS", 1):
        loop = exact_runs(folder, [text], [0], rows_per_forward=1)[0]
    equal = all((a == b).all() for a, b in zip(ours.steps, loop.steps, strict=True))
    apart = max(np.abs(a - b).max() for a, b in zip(ours.maps, loop.maps, strict=True))
    return Line(
        "ReAGent, exact form, same random numbers",
        "CPU s",
        ours.cpu_seconds,
        "one row at a time",
        loop.cpu_seconds,
        refused="" if equal and apart <= 1e-6 else f"maps differ by {apart:.2g}",
        details={"largest_difference": float(apart)} | _costs("ours", [ours]),
    )


def centred_lines(folder: Path) -> Iterator[Line]:
    """The centred form compared with inseq's ReAGent on stories with known carriers."""
    items = list(_answered(folder, ITEMS))
    texts = [Text(i.prompt, f" {i.answer}.") for i in items]
    _, theirs = inseq_runs(folder, texts, [0])
    by_stop = {name: centred_runs(folder, texts, early) for name, early in STOPS.items()}
    truth = _recovery(folder, items, [run.maps[0] for run in theirs])
    for name, runs in by_stop.items():
        recovery = _recovery(folder, items, [run.maps[0] for run in runs])
        worse = any(recovery[key] < truth[key] for key in truth)
        yield Line(
            f"ReAGent, centred form, {name}, of {len(items)} stories",
            "CPU s",
            float(np.mean([run.cpu_seconds for run in runs])),
            "inseq",
            float(np.mean([run.cpu_seconds for run in theirs])),
            at_least_times=10,
            refused=f"recovery {recovery} is below {truth}" if worse else "",
            details={"recovery": recovery, "recovery_theirs": truth}
            | _costs("ours", runs)
            | _costs("theirs", theirs),
        )


STOPS = {"512 probes": False, "with early stopping": True}


def exact_runs(folder: Path, texts: list[Text], seeds: Any, **params: Any) -> list[PassRun]:
    """Our exact form with inseq's settings, per text and seed."""
    given = {**PRESETS["paper, 16 probes"], **params}
    return [_run(folder, case, t, s, given) for case, t in enumerate(texts) for s in seeds]


def centred_runs(folder: Path, texts: list[Text], stop_early: bool) -> list[PassRun]:  # noqa: FBT001
    given = {**PRESETS["centred"], "stop_early": stop_early}
    return [_run(folder, case, text, 0, given) for case, text in enumerate(texts)]


def inseq_runs(folder: Path, texts: list[Text], seeds: Any) -> tuple[dict[str, Any], list[PassRun]]:
    """Versions and replacer, then inseq's runs on the same texts."""
    job = {
        "folder": str(folder),
        "settings": INSEQ_SETTINGS,
        "threads": THREADS,
        "specials": AutoTokenizer.from_pretrained(folder).all_special_tokens,
        "cases": [[text.prompt, text.output] for text in texts],
        "seeds": list(seeds),
    }
    facts, *answers_of_runs = answers("inseq_reagent.py", job)
    gave_up = INSEQ_SETTINGS["max_probe_steps"]
    return facts, [
        PassRun(
            maps=[np.array(scores) for scores in run.pop("maps")],
            steps=[np.array([s or gave_up for s in steps]) for steps in run.pop("steps")],
            **run,
        )
        for run in answers_of_runs
    ]


def _run(folder: Path, case: int, text: Text, seed: int, params: dict[str, Any]) -> PassRun:
    entry = folder_entry(folder)
    list(analysis.run("inspect", model=entry, params={}))
    given = {**QUIET, **params, "prompt": text.prompt, "continuation": text.output, "seed": seed}
    started = time.process_time()
    events: list[Any] = list(analysis.run("reagent", model=entry, params=given))
    cpu_seconds = time.process_time() - started
    scores = [event for event in events if event.kind == "scores"][-1]
    cost = events[-1]
    return PassRun(
        case=case,
        seed=seed,
        maps=[scores.mean[t, :valid] for t, valid in enumerate(scores.valid)][1:],
        steps=[np.array(e.steps) for e in events if e.kind == "convergence" and e.row],
        cpu_seconds=cpu_seconds,
        forwards=sum(cost.forwards.values()),
        rows=sum(cost.rows.values()),
    )


def _difference(details: dict[str, Any]) -> str:
    """Why the exact form's results are not known to be inseq's, or nothing."""
    for name in ("p_maps", "p_steps"):
        if details[name] < LEAST_P:
            return f"{name} = {details[name]:.3g}: another process than inseq's"
        if details[f"{name}_planted"] >= LEAST_P:
            return f"too few runs: {name} does not see a planted difference"
    return ""


def _costs(name: str, runs: list[PassRun]) -> dict[str, float]:
    mean = {
        key: float(np.mean([getattr(run, key) for run in runs])) for key in ("forwards", "rows")
    }
    return {f"{key}_{name}": round(value, 1) for key, value in mean.items()}


def _rank_correlation(ours: list[PassRun], theirs: list[PassRun]) -> float:
    """Spearman's, of the mean maps, averaged over texts and output tokens."""
    correlations = []
    for case in {run.case for run in ours}:
        a, b = ([run for run in runs if run.case == case] for runs in (ours, theirs))
        for t in range(len(a[0].maps)):
            correlations.append(spearmanr(mean_map(a, t), mean_map(b, t)).statistic)
    return float(np.mean(correlations))


def _recovery(folder: Path, items: list[StoryQuestion], maps: list[np.ndarray]) -> dict[str, float]:
    """Shares of stories whose top token is a carrier, and whose top 3 contain one.

    Special tokens are left out, so that a method that scores them loses nothing by it.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    top_1, top_3 = [], []
    for story, scores in zip(items, maps, strict=True):
        carriers = {at for places in carrier_positions(tokenizer, story).values() for at in places}
        ids = tokenizer(story.prompt).input_ids
        special = np.isin(ids, tokenizer.all_special_ids)
        order = np.argsort(-np.where(special, -np.inf, scores), kind="stable").tolist()
        top_1.append(order[0] in carriers)
        top_3.append(bool(carriers & set(order[:3])))
    return {"top_1": float(np.mean(top_1)), "top_3": float(np.mean(top_3))}


def _texts(folder: Path, count: int) -> Iterator[Text]:
    """Stories of PROMPT_TOKENS tokens, with the model's most probable continuation."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    rng = Random(1)
    while count:
        story = document(rng, facts=FACTS)
        prompt = story.text[: story.text.index(" Answer:")]
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        if ids.shape[1] != PROMPT_TOKENS:
            continue
        written = model.generate(ids, max_new_tokens=OUTPUT_TOKENS, do_sample=False)[0].tolist()
        output = tokenizer.decode(written[PROMPT_TOKENS:])
        whole = len(written) == PROMPT_TOKENS + OUTPUT_TOKENS
        special = set(written) & set(tokenizer.all_special_ids)
        if whole and not special and tokenizer(prompt + output).input_ids == written:
            count -= 1
            yield Text(prompt, output)


def _answered(folder: Path, count: int) -> Iterator[StoryQuestion]:
    """Held-out stories that the model answers correctly, one and two hops alternating."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    rng = Random(2)
    while count:
        story = item(rng, hops=1 + count % 2)
        if answers_right(model, tokenizer, [story])[0]:
            count -= 1
            yield story
