"""Write a session, or single runs, as a report."""

import hashlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from analysis.errors import InvalidParams
from workbench.errors import RunNotFound, SessionNotFound
from workbench.management.refusal import exit_on_refusal
from workbench.reports.document import Report
from workbench.reports.export import FORMATS, report_build
from workbench.reports.selectors import run_report
from workbench.reports.session_selectors import session_report
from workbench.runs.models import Run
from workbench.sessions.models import Session


class Command(BaseCommand):
    help = "Write a session (or single runs) as a bundle, a notebook, Markdown, HTML or PDF."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("session", nargs="?", type=UUID, help="id of a session")
        parser.add_argument("--run", type=UUID, action="append", default=[], metavar="ID")
        parser.add_argument("--panel", action="append", metavar="ID", help="these, in this order")
        parser.add_argument("--title")
        parser.add_argument("--no-comments", action="store_true")
        parser.add_argument("--format", choices=FORMATS, default="bundle")
        parser.add_argument("--out", type=Path, required=True, help="file; must not exist")

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_on_refusal(self.stderr):
            content = report_build(_report(options), format=options["format"])
            _write(options["out"], content)
        self.stdout.write(f"{options['out']}  {len(content)} bytes")
        self.stdout.write(f"SHA-256 {hashlib.sha256(content).hexdigest()}")


def _report(options: dict[str, Any]) -> Report:
    if (options["session"] is None) == (not options["run"]):
        raise InvalidParams(
            "Name a session, or runs.", remedy="Write export ID, or export --run ID --run ID."
        )
    if options["run"]:
        runs = [_run(run) for run in options["run"]]
        return run_report(runs=runs, title=options["title"] or "Report")
    session = Session.objects.select_related("owner").filter(pk=options["session"]).first()
    if session is None:
        raise SessionNotFound(
            f"There is no session {options['session']}.", remedy="Copy its id from the address."
        )
    return session_report(
        session=session,
        panels=options["panel"],
        title=options["title"],
        comments=not options["no_comments"],
    )


def _run(run: UUID) -> Run:
    row = Run.objects.select_related("owner", "cached_from").filter(pk=run).first()
    if row is None:
        raise RunNotFound(f"There is no run {run}.", remedy="Copy its id from the address.")
    return row


def _write(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise InvalidParams(
            f"--out {path} cannot be written: {error.strerror}.",
            remedy="Name a new file; nothing is overwritten.",
            field="out",
        ) from None
