"""Traces of decoders: print one, export those of a run, write the schema. Needs no model."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from analysis.decoding import trace as traces
from analysis.decoding.trace_text import lines
from analysis.errors import InvalidParams
from workbench.management.refusal import exit_on_refusal

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "trace.schema.json"


class Command(BaseCommand):
    help = "Show or export the traces of a decoding run, or write the schema of trace files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="print a trace as text")
        show.add_argument("file", type=Path, help="a trace file, events.jsonl, or a run's folder")
        export = actions.add_parser("export", help="write a run's traces to one file")
        export.add_argument("file", type=Path, help="events.jsonl, or a run's folder")
        export.add_argument("to", type=Path, help="the trace file; must not exist")
        schema = actions.add_parser("schema", help="write the JSON schema of trace files")
        schema.add_argument("--out", type=Path, default=SCHEMA)

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_on_refusal(self.stderr):
            getattr(self, f"_{options['action']}")(options)

    def _show(self, options: dict[str, Any]) -> None:
        for line in lines(traces.load(_read(options["file"]))):
            self.stdout.write(line)

    def _export(self, options: dict[str, Any]) -> None:
        if options["to"].exists():
            raise InvalidParams(
                f"{options['to']} exists.", remedy="Name a new file; nothing is overwritten."
            )
        file = traces.load(_read(options["file"]))
        options["to"].write_text(traces.dump(file.events()), encoding="utf-8")

    def _schema(self, options: dict[str, Any]) -> None:
        text = json.dumps(traces.schema(), indent=2, ensure_ascii=False)
        options["out"].write_text(text + "\n", encoding="utf-8")


def _read(path: Path) -> str:
    """The text of a file, or of a run folder's events. Raises InvalidParams."""
    file = path / "events.jsonl" if path.is_dir() else path
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidParams(
            f"{file} cannot be read: {error}.", remedy="Name a trace file or a run's folder."
        ) from None
