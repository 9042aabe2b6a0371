"""The matrix of cut attention of demo-lm: all pairs of 64 tokens, compared with one cut at a time.

Both sides make the same 2,016 cuts in one process on the same threads. The loop is what attention
knockout is usually written as: one forward pass through TransformerLens per cut, hooks on
`hook_attn_scores`. It is timed on every eighth cut and its seconds are scaled up; on those cuts
both sides must agree to 1e-5 nats before anything is timed. Memory is the peak of a process that
makes the matrix of sentences of 512 tokens, the answer included.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import torch

from analysis.attention.decoder_masks import hooked, of_cuts, size_of
from analysis.attention.edges import Cut
from analysis.catalog.entries import Catalog
from analysis.loading import load, loaded
from analysis.methods.information_flow.text.case import FlowCase, read_case
from analysis.methods.information_flow.text.cutting import trunk_of
from analysis.methods.information_flow.text.matrix import MatrixRow, fill_matrix
from analysis.methods.information_flow.text.params import FlowParams
from analysis.runner import model_cache
from analysis.text import context as contexts
from analysis.worlds.stories import item
from bench.table import Line
from tests.drain import drain

TOKENS, LONG = 64, 512  # demo-lm reads no more
TOLERANCE = 1e-5  # nats
SAMPLED = 8  # every n-th cut is also computed by the loop
THREADS = 2


def lines() -> Iterator[Line]:
    torch.set_num_threads(THREADS)
    case = case_of(TOKENS, "token")
    rows, _ = matrix(case)  # warm-up, and the reference for the loop
    pairs = [(query, key) for query in rows for key in range(query)][::SAMPLED]
    effects, loop_seconds = loop(case, pairs)
    worst = max(abs(effects[pair] - rows[pair[0]].delta[pair[1]]) for pair in pairs)
    refused = "" if worst <= TOLERANCE else f"the sides differ by {worst:.1e} nats"
    seconds = min(matrix(case)[1] for _ in range(3))
    what = f"flow matrix, {TOKENS} tokens, all pairs"
    yield Line(what, "s", seconds, at_most=10, refused=refused)
    peer, whole = "one cut at a time", loop_seconds * SAMPLED
    yield Line(what, "s", seconds, peer, whole, at_least_times=8, refused=refused)
    yield Line(f"flow matrix, {LONG} tokens by sentence, memory", "GiB", peak_gib(), at_most=4)


def case_of(tokens: int, grouping: str) -> FlowCase:
    """A story of exactly that many positions with a question at its end."""
    catalog = Catalog()
    list(load("demo-lm", catalog=catalog, cache=model_cache()))
    model = loaded(catalog.find("demo-lm"), model_cache())
    asked = item(Random("flow"), hops=2)
    given: dict[str, Any] = {"continuation": f" {asked.answer}", "grouping": grouping}
    text, count = asked.prompt, 0
    while len(model.tokenizer(text).input_ids) < tokens:
        story = item(Random(f"filler {count}"), hops=1).prompt
        text, count = f"{story[: story.index(' Question:')]} {text}", count + 1
    ids = model.tokenizer(text, add_special_tokens=False).input_ids[-(tokens - 1) :]
    params = FlowParams(prompt=model.tokenizer.decode(ids), **given)
    return read_case(model, params, drain(contexts.read(model, params))[1])


def matrix(case: FlowCase) -> tuple[dict[int, MatrixRow], float]:
    rows: dict[int, MatrixRow] = {}
    start = time.perf_counter()
    for _ in fill_matrix(trunk_of(case), rows):
        pass
    return rows, time.perf_counter() - start


def loop(
    case: FlowCase, pairs: list[tuple[int, int]]
) -> tuple[dict[tuple[int, int], float], float]:
    """One forward pass per cut, with hooks."""
    size, effects = size_of(case.model, case.ids_1N), {}
    start = time.perf_counter()
    for query, key in pairs:
        cut = Cut(tuple(case.groups[query]), tuple(case.groups[key]))
        logits = hooked(case.model, case.ids_1N, of_cuts([cut], size)).logits_BNV
        target = case.logprobs(logits[:, list(case.queries)])
        effects[query, key] = float(target[0]) - case.logprob
    return effects, time.perf_counter() - start


def peak_gib() -> float:
    """Peak memory of a separate process."""
    command = [sys.executable, "-m", "bench.information_flow"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    matrix(case_of(LONG - 1, "sentence"))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
