"""The two image models on held-out items, measured through the methods.

Every figure is read from a run's events. Shares are given as 1 minus the share, so that less is
better; their 95 % intervals (normal approximation of the mean) are in the results file.
"""

import time
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

import analysis
from analysis.catalog.entries import BUNDLED
from analysis.methods.seg_similarity.similarity import MEASURES, SCORES
from analysis.training.gates_t2i import held_out_captions, held_out_leaking
from bench.table import Line

ITEMS = 501  # scenes, a third of each kind of question
KINDS = ("attribute", "superlative", "relation")
CAPTIONS = 60
MAP_MEASURES = ("auc", "pointing")
GRID = {"prompt": "a red circle", "tokens": False, "encoder_flow": False, "pictures": 16}


def lines(items: int = ITEMS) -> Iterator[Line]:
    """demo-vlm, then demo-t2i; a model that is not there is refused by name."""
    for model, measure in (("demo-vlm", vlm_lines), ("demo-t2i", t2i_lines)):
        if (BUNDLED / model).is_dir():
            yield from measure(items)
        else:
            yield Line(model, "", refused=f"{model} is not bundled with this copy")


def vlm_lines(items: int) -> Iterator[Line]:
    """Masks, maps and the causal check on scenes of each kind."""
    each = -(-items // len(KINDS))
    runs = [_looked(kind, number) for kind in KINDS for number in range(each)]
    count = f"{len(runs)} scenes"
    yield _missing(f"demo-vlm, {count}: 1 - mask IoU", [run["iou"] for run in runs], 0.3)
    measured = np.array([run["measures"] for run in runs if run["measures"] is not None])
    yield from _map_lines(measured, ("dot",))
    yield from _map_lines(measured, SCORES)
    yield from _causal([run for run in runs if run["region"] is not None])
    yield Line(
        "map of a further token",
        "ms",
        ours=1000 * fmean(run["per_map"] for run in runs),
        at_most=50,
    )


def _map_lines(measured_NMSL: np.ndarray, scores: Sequence[str]) -> Iterator[Line]:
    """AUC and pointing of the layer, and of the score, whose AUC is best on the mean."""
    named = [SCORES.index(score) for score in scores]
    auc_NSL, hit_NSL = (measured_NMSL[:, MEASURES.index(name), named] for name in MAP_MEASURES)
    mean_SL = auc_NSL.mean(0)
    score, layer = np.unravel_index(mean_SL.argmax(), mean_SL.shape)
    where = f"{scores[score]}, layer {layer}"
    details = {
        "auc": dict(zip(scores, mean_SL.tolist(), strict=True)),
        "pointing": dict(zip(scores, hit_NSL.mean(0).tolist(), strict=True)),
    }
    yield _missing(
        f"1 - AUC of the map: {where}", auc_NSL[:, score, layer].tolist(), 0.1, **details
    )
    yield _missing(f"1 - pointing: {where}", hit_NSL[:, score, layer].tolist(), 0.2)


def _looked(kind: str, scene: int) -> dict[str, Any]:
    """Results of one run; an answer without a mask counts as an empty mask."""
    params = {"kind": kind, "scene": 10_000 + scene}
    events = list(_timed("seg_similarity", "demo-vlm", params))
    masks = [event for _, event in events if event.kind == "mask"]
    maps = [(at, event) for at, event in events if event.kind == "map"]
    blanked = [event for _, event in events if event.kind == "blanked"]
    apart = [event.answer_change for event in blanked if event.control]
    first = maps[0][1].measures
    return {
        "iou": masks[0].iou or 0.0,
        "measures": first,
        "region": blanked[0].answer_change if blanked else None,
        "control": fmean(apart) if apart else None,
        "per_map": (maps[-1][0] - maps[1][0]) / max(1, len(maps) - 2),
    }


def _causal(runs: Sequence[dict[str, Any]]) -> Iterator[Line]:
    region, control = ([-run[name] for run in runs] for name in ("region", "control"))
    yield Line(
        "drop of the answer's log-probability, control patches masked",
        "nats",
        ours=fmean(control),
        peer="region masked",
        theirs=fmean(region),
        at_least_times=5,
        details={"region": _interval(region), "control": _interval(control)},
    )


def t2i_lines(items: int) -> Iterator[Line]:
    """Items shown, representatives, leaks with and without the fix, and the time of a grid."""
    count = min(items, CAPTIONS)
    shown, representative = [], []
    for caption in held_out_captions(count, items=2):
        rows, findings = _rows(caption.text, pictures=2, leak=False)
        shown += [n == 2 for n in findings[0].shown if n is not None]
        token_rows = [f for row, f in zip(rows, findings, strict=True) if row.shows == "token"]
        representative.append(any(result.representative for result in token_rows))
    yield _missing(f"demo-t2i, {count} captions: 1 - items drawn", shown, 0.05)
    yield _missing("1 - items with a representative token", representative, None)
    before: list[float] = []
    after: list[float] = []
    for caption in held_out_leaking(count, kind="borrower"):
        rows, findings = _rows(caption.text, pictures=2, tokens=False)
        for row, result in zip(rows, findings, strict=True):
            if row.shows in ("whole", "fixed") and result.leaks is not None:
                (before if row.shows == "whole" else after).append(result.leaks / result.pictures)
    yield Line(
        f"leaks after the fix, {len(after)} prompts",
        "",
        ours=fmean(after),
        peer="before",
        theirs=fmean(before),
        at_least_times=1 / 0.15,
        details={"before": _interval(before), "after": _interval(after)},
    )
    together, apart = _seconds(16), _seconds(1)
    yield Line("16 pictures", "s", ours=together, at_most=20)
    yield Line("16 pictures", "s", ours=together, peer="one at a time", theirs=apart,
               at_least_times=3)  # fmt: skip


def _rows(prompt: str, **params: Any) -> tuple[list[Any], list[Any]]:
    given = {"prompt": prompt, "encoder_flow": False, "removal": False, **params}
    events: list[Any] = list(analysis.run("information_flow", model="demo-t2i", params=given))
    return [event for event in events if event.kind == "row"], events[-1].rows


def _seconds(rows_per_batch: int) -> float:
    """Seconds of the second row of 16 pictures; the first row warms up."""
    params = {**GRID, "rows_per_batch": rows_per_batch}
    events = _timed("information_flow", "demo-t2i", params)
    drawn = [at for at, event in events if event.kind == "picture"]
    return drawn[31] - drawn[15]


def _timed(method: str, model: str, params: dict[str, Any]) -> Iterator[tuple[float, Any]]:
    start = time.perf_counter()
    for event in analysis.run(method, model=model, params=params):
        yield time.perf_counter() - start, event


def _missing(what: str, values: Sequence[float], most: float | None, **details: Any) -> Line:
    details = {"interval_of_share": _interval(values), **details}
    return Line(what, "", ours=1 - fmean(values), at_most=most, details=details)


def _interval(values: Sequence[float]) -> list[float]:
    """Ends of the mean's 95 % interval."""
    half = 1.96 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return [fmean(values) - half, fmean(values) + half]
