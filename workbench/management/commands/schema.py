"""Write the schemas from which the page's types and forms are generated."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from workbench.api import api
from workbench.reports.page import page_schema
from workbench.reports.tables import FORMULA_SIGNS
from workbench.socket.messages import socket_schema

GEN = Path(__file__).resolve().parents[2] / "gen"


class Command(BaseCommand):
    help = "Write the schemas of methods, HTTP API, socket and report as JSON (imports torch)."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--out", type=Path, default=GEN, help="Folder to write to.")

    def handle(self, *args: Any, out: Path, **options: Any) -> None:
        (out / "methods").mkdir(parents=True, exist_ok=True)
        written = method_schemas()
        for file in (out / "methods").glob("*.json"):
            if file.stem not in written:
                file.unlink()
        for stem, schema in written.items():
            write(out / "methods" / f"{stem}.json", schema)
        write(out / "openapi.json", api.get_openapi_schema(path_prefix="/api/"))
        write(out / "socket.json", socket_schema())
        write(out / "report.json", page_schema())
        write(out / "csv.json", {"formula_signs": FORMULA_SIGNS})


def method_schemas() -> dict[str, dict[str, Any]]:
    """The declarations of each method, by stem."""
    from analysis.method import get, stems

    return {stem: method_schema(get(stem)) for stem in stems()}


def method_schema(method: Any) -> dict[str, Any]:
    return {
        "stem": method.stem,
        "title": method.title,
        "doc": method.doc,
        "version": method.version,
        "needs": list(method.needs),
        "params_schema": method.params.model_json_schema(),
        "presets": method.presets,
        "examples": [
            {
                "name": example.name,
                "look_for": example.look_for,
                "model": example.model,
                "params": example.params,
            }
            for example in method.examples
        ],
        "event_schema": method.event_schema(),
    }


def write(file: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    file.write_text(text, encoding="utf-8")
