"""Writes a report in any format."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from workbench.reports.archive import archive_write
from workbench.reports.bundle import FilesByPanel, bundle_build
from workbench.reports.chromium import report_figures, report_pdf
from workbench.reports.document import Report
from workbench.reports.errors import ChromiumMissing, ReportPageMissing
from workbench.reports.figures import figures_of
from workbench.reports.html import html_build
from workbench.reports.markdown import markdown_build
from workbench.reports.notebook import notebook_build

Format = Literal["html", "bundle", "notebook", "markdown", "markdown-figures", "pdf"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class FileKind:
    suffix: str
    content_type: str


KINDS: dict[Format, FileKind] = {
    "html": FileKind("html", "text/html; charset=utf-8"),
    "bundle": FileKind("zip", "application/zip"),
    "notebook": FileKind("ipynb", "application/x-ipynb+json"),
    "markdown": FileKind("md", "text/markdown; charset=utf-8"),
    "markdown-figures": FileKind("zip", "application/zip"),
    "pdf": FileKind("pdf", "application/pdf"),
}
_BUILDERS: dict[Format, Callable[[Report], bytes]] = {
    "html": html_build,
    "pdf": report_pdf,
    "bundle": lambda report: bundle_build(report, figures=figures_draw(report)),
    "notebook": lambda report: notebook_build(report).encode(),
    "markdown": lambda report: markdown_build(report).encode(),
    "markdown-figures": lambda report: folder_build(report, figures=figures_draw(report)),
}


def figures_draw(report: Report) -> dict[str, dict[str, bytes]]:
    """The figures by panel as SVG, PNG and CSV; empty if there is no browser."""
    drawn: dict[str, dict[str, bytes]] = {panel.id: {} for panel in report.panels}
    try:
        figures = report_figures(report) if report.runs else []
    except (ChromiumMissing, ReportPageMissing):
        return {}
    for figure in figures:
        kinds = {"svg": figure.svg, "csv": figure.csv}
        files = {f"{figure.stem}.{kind}": text.encode() for kind, text in kinds.items() if text}
        if figure.png:
            files[f"{figure.stem}.png"] = base64.b64decode(figure.png)
        drawn[figure.panel].update(files)
    return drawn


def folder_build(report: Report, *, figures: FilesByPanel) -> bytes:
    """A .zip of report.md and its figures."""
    files: dict[str, bytes] = {}
    shown = {}
    for number, panel in enumerate(report.panels, 1):
        folder = f"figures/{number:02}"
        drawn = figures.get(panel.id, {})
        files |= {f"{folder}/{name}": content for name, content in drawn.items()}
        shown[panel.id] = figures_of(drawn, folder=folder)
    files["report.md"] = markdown_build(report, figures=shown).encode()
    return archive_write(files)


def report_build(report: Report, *, format: Format) -> bytes:
    """The report as a file.

    Raises ReportTooLarge, ReportPageMissing, ChromiumMissing, ChromiumBusy, ChromiumFailed.
    """
    return _BUILDERS[format](report)
