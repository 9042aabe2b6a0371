"""inseq's `reagent` on a model folder: a job as JSON on stdin, one JSON line per run on stdout.

Job: {folder, settings, cases: [[prompt, output], ...], seeds: [...]}. A run is a case with a
seed: {case, seed, cpu_seconds, forwards, rows, steps, maps}; steps: per output token, per
probe, the step at which it stopped (null: it gave up); maps: per output token, importance of
each token before it.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["INSEQ_HOME"] = tempfile.mkdtemp()  # inseq keeps its tag table; each job makes its own

import inseq
import nltk
import torch
from inseq.attr.feat.ops.reagent_core import TopKStoppingConditionEvaluator

TAGGER = "no tagger (NLTK's data are absent): one group of all ordinary tokens"


class Stops:
    """Which probes passed the stop test, per target (its context's length) and step."""

    def __init__(self) -> None:
        self.hits: dict[int, list[torch.Tensor]] = {}
        judge = TopKStoppingConditionEvaluator.__call__

        def judged(evaluator: Any, input_ids: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            hit = judge(evaluator, input_ids, *args, **kwargs)
            self.hits.setdefault(input_ids.shape[1], []).append(hit)
            return hit

        TopKStoppingConditionEvaluator.__call__ = judged

    def steps(self) -> list[list[int | None]]:
        stops = []
        for length in sorted(self.hits):
            hits = torch.stack(self.hits[length])
            first = hits.int().argmax(0) + 1
            pairs = zip(first.tolist(), hits.any(0).tolist(), strict=True)
            stops.append([step if hit else None for step, hit in pairs])
        self.hits.clear()
        return stops


class RowMeter:
    """Forward passes and their rows."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.forwards = self.rows = 0
        forward = model.forward

        def counted(*args: Any, **kwargs: Any) -> Any:
            given = kwargs.get("input_ids", args[0] if args else None)
            given = kwargs["inputs_embeds"] if given is None else given
            self.forwards, self.rows = self.forwards + 1, self.rows + len(given)
            return forward(*args, **kwargs)

        model.forward = counted

    def read(self) -> dict[str, int]:
        """Counts since the last reading."""
        counts = {"forwards": self.forwards, "rows": self.rows}
        self.forwards = self.rows = 0
        return counts


def runs(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    model = inseq.load_model(job["folder"], "reagent", **job["settings"])
    stops, meter = Stops(), RowMeter(model.model)
    for case, (prompt, output) in enumerate(job["cases"]):
        for seed in job["seeds"]:
            torch.manual_seed(seed)
            started = time.process_time()
            attribution = model.attribute(prompt, prompt + output, show_progress=False)
            cpu_seconds = time.process_time() - started
            scores = attribution.sequence_attributions[0].target_attributions[..., 0]
            start = scores.shape[0] - scores.shape[1]
            yield {
                "case": case,
                "seed": seed,
                "cpu_seconds": cpu_seconds,
                **meter.read(),
                "steps": stops.steps(),
                "maps": [scores[: start + t, t].tolist() for t in range(scores.shape[1])],
            }


def substitute_tagger(specials: set[str]) -> None:
    """Put special tokens into one group and all others into another."""
    nltk.download = lambda *_, **__: True
    nltk.pos_tag = lambda words: [(word, "special" if word in specials else "X") for word in words]


def main() -> None:
    job = json.load(sys.stdin)
    torch.set_num_threads(job["threads"])
    substitute_tagger(set(job["specials"]))
    facts = {name: version(name) for name in ("inseq", "transformers", "torch")}
    emit({**facts, "replacer": TAGGER})
    for run in runs(job):
        emit(run)


def emit(record: dict[str, Any]) -> None:
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
