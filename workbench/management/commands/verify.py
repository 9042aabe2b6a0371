"""Compute the runs of a bundle again and compare the numbers."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from workbench.catalog.selectors import catalog
from workbench.management.refusal import exit_on_refusal
from workbench.reports.comparison import NamedValues
from workbench.reports.markdown import method_title
from workbench.reports.reading import Bundle, bundle_read, file_content
from workbench.reports.text import visible
from workbench.reports.verify import PanelResult, bundle_altered, run_verify

SAME, DIFFERENT = 0, 1


class Command(BaseCommand):
    help = (
        "Compute every run of a bundle again on this machine's models and compare each number. "
        "Exit code 0: all the same, 1: something differs, 2: the file cannot be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("bundle", type=Path, help="a .zip made by export")

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_on_refusal(self.stderr):
            bundle = bundle_read(file_content(options["bundle"]))
        sys.exit(SAME if self._verify(bundle) else DIFFERENT)

    def _verify(self, bundle: Bundle) -> bool:
        altered = bundle_altered(bundle)
        for line in altered:
            self._print(f"altered    {line}")
        if not altered:
            self._print(f"files      {len(bundle.files)}, all unchanged")
        same = not altered
        total = sum(len(run.events) for run in bundle.report.runs)
        with tqdm(total=total, unit=" events", file=self.stderr, disable=None) as bar:
            for number, panel in enumerate(bundle.report.panels, 1):
                if panel.run is None:
                    continue
                bar.set_description(f"panel {number}")
                result = run_verify(panel.run, catalog=catalog(), step=bar.update)
                bar.clear()
                self._print_panel(number, result)
                same = same and result.same
        self._print("Not compared: durations (seconds), cost, figures.")
        self._print("All the same." if same else "DIFFERENT.")
        return same

    def _print_panel(self, number: int, result: PanelResult) -> None:
        run = result.run
        self._print(f"\nPanel {number}: {method_title(run.method)}, {run.model}")
        if result.refusal:
            self._print(f"  refused    {result.refusal.message} {result.refusal.remedy}")
        for named in result.comparison.names.values() if result.comparison else ():
            self._print(f"  {_line(named)}")
        for line in result.environment:
            self._print(f"  environment  {line}")

    def _print(self, text: str) -> None:
        """Print lines; control characters from the bundle are shown by their code."""
        self.stdout.write("\n".join(visible(line) for line in text.split("\n")))


def _line(named: NamedValues) -> str:
    verdict = "same     " if named.same else "DIFFERENT"
    counted = f"{named.name}: {named.count} value{'s' if named.count != 1 else ''}"
    if named.tolerance:
        counted += f", max |Δ| {named.max_abs:.2g}, relative {named.max_rel:.2g}"
        counted += f" (tolerance {named.tolerance:g})"
    if named.same:
        return f"{verdict}  {counted}"
    return f"{verdict}  {counted}; {named.different} differ: {named.example}"
