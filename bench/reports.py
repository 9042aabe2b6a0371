"""Ten panels as a report: how long each format takes to make, how large it is, how long a check."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")
django.setup()

from analysis.errors import GlassbenchError  # noqa: E402
from analysis.method import get, stems  # noqa: E402
from bench.table import Line  # noqa: E402
from tests.workbench.reports.computed import record  # noqa: E402
from workbench.reports.bundle import bundle_build  # noqa: E402
from workbench.reports.document import PanelRecord, Report, RunRecord  # noqa: E402
from workbench.reports.export import figures_draw, report_build  # noqa: E402
from workbench.reports.reading import bundle_read  # noqa: E402

PANELS = 10
TIMES = 3
MODEL = "demo-lm"


def lines() -> Iterator[Line]:
    report = ten_panels()
    seconds, content = timed(lambda: bundle_build(report))
    yield Line("bundle of ten panels: made", "s", seconds, at_most=5, details=_details(report))
    yield Line("bundle of ten panels: size", "MB", len(content) / 1e6, at_most=5)
    seconds, _ = timed(lambda: bundle_read(content))
    yield Line("bundle of ten panels: checked", "s", seconds, at_most=5)
    yield from _html(report)
    start = time.perf_counter()
    drawn = sum(map(len, figures_draw(report).values()))
    took = time.perf_counter() - start if drawn else None
    refused = "" if drawn else "there is no browser, or the page is not built"
    yield Line("figures of ten panels: drawn by Chromium", "s", took, refused=refused)


def _html(report: Report) -> Iterator[Line]:
    duration, size = "HTML of ten panels: made", "HTML of ten panels: size"
    try:
        seconds, content = timed(lambda: report_build(report, format="html"))
    except GlassbenchError as error:
        yield Line(duration, "s", refused=error.message)
        return
    yield Line(duration, "s", seconds, at_most=5)
    yield Line(size, "MB", len(content) / 1e6, at_most=5)


def ten_panels() -> Report:
    """The first example of each method on text, in rotation."""
    runs = list(_runs())
    panels = (
        PanelRecord(
            str(UUID(int=n)), "A *caption*.", replace(runs[n % len(runs)], id=str(UUID(int=n)))
        )
        for n in range(PANELS)
    )
    return Report("Ten panels", tuple(panels))


def _runs() -> Iterator[RunRecord]:
    for stem in stems():
        for example in get(stem).examples:
            if example.model == MODEL:
                yield record(stem, MODEL, example.params)
                break


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest of several times, and the result."""
    took = []
    for _ in range(TIMES):
        start = time.perf_counter()
        content = work()
        took.append(time.perf_counter() - start)
    return min(took), content


def _details(report: Report) -> dict[str, int]:
    return {run.method: len(run.events) for run in report.runs}
