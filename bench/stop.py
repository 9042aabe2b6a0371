"""Stop on a model of Llama-3.2-1B's geometry, through the real worker: how soon each run ends.

Weights are random: time depends on shapes alone. What is not shown: GPUs, larger models.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from analysis.method import get
from bench.clicks import FINAL
from bench.server import running
from bench.table import Line
from tests.e2e.stack import Stack
from tests.tiny_models import byte_tokenizer, save

MODEL = "llama-1b"
METHODS = ("reagent", "cntp", "graph_kv", "information_flow")
STOPS = 8  # of each method
LATEST_SECONDS = 45.0  # after the model is loaded
GEOMETRY = {
    "vocab_size": 128_256,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "max_position_embeddings": 131_072,
    "tie_word_embeddings": True,
}


def lines() -> Iterator[Line]:
    with running() as stack:
        folder_make(stack.models / MODEL)
        [worker] = stack.workers
        yield _line("loading", [_stopped(stack, "reagent", wait, loaded=False) for wait in (3, 8)])
        _stopped(stack, "cntp", 0, loaded=True)
        for method in METHODS:
            waits = random.Random(method)
            found = [
                _stopped(stack, method, waits.uniform(0, LATEST_SECONDS), loaded=True)
                for _ in range(STOPS)
            ]
            yield _line(method, found)
        if worker.poll() is not None:
            yield Line("the worker after all stops", "", refused="it was ended")


def folder_make(path: Path) -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**GEOMETRY)).half()
    save(model, byte_tokenizer(), path)


def _line(what: str, seconds: list[float]) -> Line:
    details = {"seconds": [round(one, 2) for one in seconds]}
    return Line(f"Stop, 1B, {what}: slowest", "s", max(seconds), at_most=1, details=details)


def _started(stack: Stack, method: str) -> str:
    params: dict[str, Any] = get(method).examples[0].params
    return stack.start_run(**{**params, "method": method, "model": MODEL})


def _stopped(stack: Stack, method: str, wait: float, *, loaded: bool) -> float:
    """Seconds from the click on Stop to the end of the run."""
    run = _started(stack, method)
    stack.wait_for_status(run, "running", *FINAL)
    if loaded:
        stack.wait_for_event(run, "model")
    time.sleep(wait)
    start = time.perf_counter()
    stack.post(f"/api/runs/{run}/cancel").raise_for_status()
    while (status := stack.run(run)["status"]) not in FINAL:
        time.sleep(0.02)
    took = time.perf_counter() - start
    print(f"{method}: {status} {took:.2f} s after a stop at {wait:.1f} s", flush=True)
    return took
