"""How time and memory of the text methods grow with tokens, vocabulary and heads.

Models of random weights, loaded through the same code as any folder; one process each, one
thread. The peer is a plain loop with transformers: as many forward passes of one row each, with
the logits of every position. What is not shown: trained models, where runs end sooner or later.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import analysis
from analysis.catalog.entries import Catalog
from analysis.loading import loaded
from analysis.runner import model_cache
from bench.table import Line
from tests.tiny_models import byte_tokenizer, save

SENTENCES = ("Anna has the ball.", "Tom went to the garden.", "The book is in the kitchen.")
QUESTION = "Where is the book?"
SAMPLE_SECONDS = 0.002
PLAIN_ROWS = 8


@dataclass(frozen=True)
class Case:
    method: str
    tokens: int
    vocabulary: int = 32_000
    layers: int = 4
    heads: int = 8

    def __str__(self) -> str:
        size = f"{self.layers} × {self.heads} heads, {self.vocabulary // 1000}k tokens known"
        return f"{self.method}, {self.tokens} tokens, {size}"


METHODS = ("reagent", "cntp", "graph_kv", "information_flow")
CASES = [
    *(Case(method, tokens) for method in METHODS for tokens in (256, 1024, 4096)),
    *(Case(method, 1024, vocabulary=256_000) for method in METHODS),
    *(Case(method, 1024, layers=16, heads=32) for method in METHODS),
]


def lines() -> Iterator[Line]:
    for case in CASES:
        found = _measured(case)
        details = {**asdict(case), **found}
        yield Line(f"{case}: time", "s", found["seconds"], "a plain loop", found["plain"])
        yield Line(f"{case}: memory beside the weights", "MiB", found["mib"], details=details)


def _measured(case: Case) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "bench.growth", json.dumps(asdict(case))]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    print(case, out.strip(), flush=True)
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


class Peak(threading.Thread):
    """The largest resident memory since the start, beyond that at the start."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process()
        self.first = self.most = self.process.memory_info().rss
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(SAMPLE_SECONDS):
            self.most = max(self.most, self.process.memory_info().rss)

    @property
    def mib(self) -> float:
        return (self.most - self.first) / 2**20


def case_run(case: Case) -> dict[str, float]:
    """Seconds and peak memory of a run after its model is loaded, and seconds of the plain loop."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        _folder_make(case, Path(folder) / "random")
        catalog = Catalog(model_dirs=(Path(folder),))
        events = analysis.run(case.method, model="random", params=_params(case), catalog=catalog)
        next(event for event in events if event.kind == "model")
        model = loaded(catalog.find("random"), model_cache())
        passes, peak, start = model.passes.forwards, Peak(), time.perf_counter()
        rows = model.passes.rows
        peak.start()
        for _ in events:
            pass
        seconds = time.perf_counter() - start
        peak.ended.set()
        rows, passes = model.passes.rows - rows, model.passes.forwards - passes
        plain = _plain_row(model.plain, case.tokens) * rows
    return {"seconds": seconds, "plain": plain, "mib": peak.mib, "rows": rows, "passes": passes}


@torch.inference_mode()
def _plain_row(model: Any, tokens: int) -> float:
    ids = torch.randint(3, 300, (1, tokens))
    start = time.perf_counter()
    for _ in range(PLAIN_ROWS):
        model(ids, use_cache=False)
    return (time.perf_counter() - start) / PLAIN_ROWS


def _folder_make(case: Case, path: Path) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=case.vocabulary,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=case.layers,
        num_attention_heads=case.heads,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )
    save(LlamaForCausalLM(config), byte_tokenizer(), path)


def _params(case: Case) -> dict[str, Any]:
    if case.method == "graph_kv":
        texts = [_text(case.tokens // 8) for _ in range(8)]
        segments = [{"id": f"s{n}", "text": text} for n, text in enumerate(texts)]
        return {"segments": segments, "question": QUESTION, "max_new_tokens": 2}
    params = {"prompt": _text(case.tokens), "max_new_tokens": 8 if case.method == "cntp" else 1}
    if case.method == "reagent":
        params |= {"probes": 64, "stop_early": False, "faithfulness": False}
    if case.method == "information_flow":
        params |= {"grouping": "sentence"}
    return params


def _text(tokens: int) -> str:
    """About this many tokens of whole sentences."""
    tokenizer, found = byte_tokenizer(), SENTENCES[0]
    number = 1
    while len(tokenizer(found).input_ids) < tokens - 12:
        found += f" {SENTENCES[number % len(SENTENCES)]}"
        number += 1
    return found


if __name__ == "__main__":
    print(json.dumps(case_run(Case(**json.loads(sys.argv[1])))))
