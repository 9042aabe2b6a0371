"""How long runs were estimated to take, against how long they took.

The bundled examples of all methods, then ReAGent, CNTP, Graph-KV and information flow on
GPT-2's geometry with random weights. Each is estimated from the runs before it, as the worker does,
and counts from the second run of its model on.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import analysis
from analysis import costs
from analysis import method as methods
from analysis.catalog.entries import Catalog, Entry, folder_entry
from analysis.costs.case import case_of
from analysis.costs.durations import ModelKey, nearest
from analysis.costs.estimate import calculated
from analysis.events import ModelLoaded
from analysis.model.calibration import calibrate
from analysis.workload import Speed
from bench.table import Line
from tests.tiny_models import byte_tokenizer, save

WITHIN = 2.0
GOAL = 10.0  # at most so many per cent beyond the factor
WORDS = "Anna has the ball and Tom is in the hall while it rains outside. "
GEOMETRY: list[tuple[str, dict[str, Any]]] = [
    ("reagent", {"prompt": WORDS, "max_new_tokens": 2, "probes": 32, "draws": 1}),
    ("reagent", {"prompt": WORDS * 3, "max_new_tokens": 2, "probes": 32, "faithfulness": False}),
    ("cntp", {"prompt": WORDS * 4, "max_new_tokens": 16}),
    ("information_flow", {"prompt": WORDS, "max_new_tokens": 2, "tracing": False}),
]


@dataclass(frozen=True)
class Ran:
    """A run: measured over calculated seconds."""

    key: ModelKey
    method: str
    ratio: float
    seconds: float
    off: float | None  # measured over estimated seconds; None: the first run of the model


def lines() -> Iterator[Line]:
    speed = calibrate()
    done: list[Ran] = []
    for stem in methods.stems():
        for example in methods.get(stem).examples:
            done.append(run(done, speed, stem, Catalog().find(example.model), example.params))
    yield line("time, bundled examples", done)
    with tempfile.TemporaryDirectory() as folder:
        entry = gpt2(Path(folder) / "gpt2-random")
        big = list(done)
        for stem, params in GEOMETRY:
            big.append(run(big, speed, stem, entry, params))
        yield line("time, GPT-2 geometry", big[len(done) :])


def line(what: str, done: list[Ran]) -> Line:
    """The share of runs whose duration was further than a factor of two from its estimate."""
    judged = [ran for ran in done if ran.off is not None]
    beyond = [ran for ran in judged if not 1 / WITHIN <= (ran.off or 0) <= WITHIN]
    details = {
        f"{number} {ran.method} on {ran.key[0]}": {"seconds": ran.seconds, "off": ran.off}
        for number, ran in enumerate(done)
    }
    share = 100 * len(beyond) / max(1, len(judged))
    named = f"{what}: beyond a factor of {WITHIN:g}, of {len(judged)} runs"
    return Line(named, "%", share, at_most=GOAL, details=details)


def run(done: list[Ran], speed: Speed, stem: str, entry: Entry, params: dict[str, Any]) -> Ran:
    """Estimate a run from those done, then make it."""
    method = methods.get(stem)
    filled = method.check(params).model_dump(mode="json")
    memory = psutil.virtual_memory().total
    case = case_of(entry, filled, method.needs, kind="cpu", memory=memory)
    expected = calculated(costs.stages(stem, case), case.model, case.device, speed)
    key = (entry.id, entry.revision or "", case.dtype)
    known = nearest(done, key, stem)
    seconds = timed(stem, entry, filled)
    first = all(ran.key != key for ran in done)
    off = None if known is None or first else seconds / (known.factor * expected)
    print(f"{stem} on {entry.id}: {seconds:.1f} s, off by {off}", file=sys.stderr, flush=True)
    return Ran(key, stem, seconds / expected, seconds, off)


def timed(stem: str, entry: Entry, params: dict[str, Any]) -> float:
    """Seconds from the loaded model to the last event."""
    began = time.perf_counter()
    for event in analysis.run(stem, model=entry, params=params):
        if isinstance(event, ModelLoaded):
            began = time.perf_counter()
    return time.perf_counter() - began


def gpt2(path: Path) -> Entry:
    """GPT-2's width, layers and vocabulary, with random weights and a tokenizer of bytes."""
    torch.manual_seed(0)
    save(GPT2LMHeadModel(GPT2Config()).eval(), byte_tokenizer(), path)
    return folder_entry(path)
