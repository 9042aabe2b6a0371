"""Run a method in this process, without a browser; the numbers are those of the page."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from analysis import method as methods
from analysis.catalog.codec import ids_of
from analysis.catalog.dtypes import AUTO, DTYPES, Dtype, check_dtype
from analysis.catalog.entries import Entry, describe, folder_entry
from analysis.costs.cheaper import ASKS_FROM
from analysis.errors import GlassbenchError, InvalidParams, UnknownMethod
from analysis.events import Progress
from analysis.images.files import PictureReader, picture_hash, pictures_by_hash, read_picture
from analysis.method import picture_fields
from workbench.catalog.selectors import catalog
from workbench.estimates.here import estimate_here
from workbench.estimates.selectors import RunEstimate
from workbench.estimates.text import cheaper_text, estimate_text
from workbench.management.refusal import exit_on_refusal
from workbench.runs.folder import RunFolder

STOPPED = 130


class Command(BaseCommand):
    help = "Run a method on a model and write manifest, events, arrays/ and pictures/ to a folder."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("method", nargs="?", help="stem of a method, for example reagent")
        parser.add_argument("--model", help="id from --list, owner/name of a hub, or a folder")
        parser.add_argument("--dtype", default=AUTO, help=f"of the model: {', '.join(DTYPES)}")
        parser.add_argument("--preset", help="named params of the method, applied first")
        parser.add_argument("--params", type=Path, help="JSON file of parameters")
        parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
        parser.add_argument("--out", type=Path, help="folder for the result; must be new or empty")
        parser.add_argument(
            "--estimate", action="store_true", help="print time and memory of the run, and end"
        )
        parser.add_argument(
            "--yes", action="store_true", help="do not ask before a run of over ten minutes"
        )
        parser.add_argument("--list", action="store_true", help="print methods and models")

    def handle(self, **options: Any) -> None:
        with exit_on_refusal(self.stderr):
            if options["list"]:
                self._list()
            else:
                self._analyze(options)

    def _list(self) -> None:
        for stem in methods.stems():
            method = methods.get(stem)
            needs = " or ".join(method.needs)
            self.stdout.write(f"method  {stem:20} {method.title} (needs {needs})")
        for entry in catalog().entries():
            model = describe(entry)
            text = model.problem or ", ".join(model.capabilities)
            self.stdout.write(f"model   {entry.id:20} {entry.source}: {text}")

    def _analyze(self, options: dict[str, Any]) -> None:
        method = methods.get(_required(options, "method"))
        model = _model(_required(options, "model"))
        dtype = check_dtype(options["dtype"])
        given, pictures = _read_pictures(method, _params(method, options))
        params = method.check(given).model_dump(mode="json")
        if options["estimate"]:
            self.stdout.write(_estimate(method, model, params, dtype)[0])
            return
        folder = RunFolder.create(_required(options, "out"))
        params = self._confirmed(method, model, params, dtype, yes=options["yes"])
        with tqdm(file=self.stderr, disable=None) as bar:
            try:
                for event in folder.record(method, model, params, pictures, dtype):
                    if isinstance(event, Progress):
                        _show(bar, event)
            except KeyboardInterrupt:
                sys.exit(STOPPED)
        self.stdout.write(f"{folder.path / 'manifest.json'}")

    def _confirmed(
        self,
        method: methods.Method,
        model: Entry,
        params: dict[str, Any],
        dtype: Dtype,
        *,
        yes: bool,
    ) -> dict[str, Any]:
        """The params, or those of the cheaper variant; a long run is asked about on a terminal."""
        told, found = _estimate(method, model, params, dtype)
        self.stderr.write(f"Expected: {told}")
        if found is None or found.found.seconds <= ASKS_FROM or yes:
            return params
        if not sys.stdin.isatty():
            self.stderr.write("The run starts without a question: there is no terminal.")
            return params
        variant = found.cheaper
        if variant:
            self.stderr.write(f"Cheaper, {cheaper_text(variant.found, variant.lacks)}")
        choices = "[y]es, [c]heaper, [N]o" if variant else "[y]es, [N]o"
        self.stderr.write(f"Start it? {choices}: ", ending="")
        answer = sys.stdin.readline().strip().lower()[:1]
        if answer == "c" and variant:
            return variant.params
        if answer != "y":
            sys.exit(STOPPED)
        return params


def _estimate(
    method: methods.Method, model: Entry, params: dict[str, Any], dtype: Dtype
) -> tuple[str, RunEstimate | None]:
    """The estimate in words, and itself."""
    found = estimate_here(method=method, entry=model, params=params, dtype=dtype)
    if found is None:
        return "unknown until the model is on this machine", None
    return estimate_text(found), found


def _show(bar: "tqdm[Any]", event: Progress) -> None:
    bar.desc, bar.unit, bar.total, bar.n = event.stage, f" {event.unit}", event.total, event.done
    bar.refresh()


def _required(options: dict[str, Any], name: str) -> Any:
    if options[name]:
        return options[name]
    if name == "method":
        raise UnknownMethod(
            "No method is named.", remedy=f"Name one: {', '.join(methods.stems())}."
        )
    raise InvalidParams(f"--{name} is missing.", remedy="See analyze --help.", field=name)


def _model(given: str) -> Entry:
    """A catalog entry; `given` is read as a folder only if no model has that id."""
    try:
        return catalog().find(given)
    except GlassbenchError:
        if Path(given).is_dir():
            return folder_entry(Path(given))
        raise


def _params(method: methods.Method, options: dict[str, Any]) -> dict[str, Any]:
    """The preset, overridden by the file, overridden by --set."""
    return {
        **_preset(method, options["preset"]),
        **_file(options["params"]),
        **dict(_setting(method, text) for text in options["set"]),
    }


def _read_pictures(
    method: methods.Method, params: dict[str, Any]
) -> tuple[dict[str, Any], PictureReader]:
    """The params with picture files replaced by their hashes, and a reader of these pictures."""
    files = {name: Path(params[name]) for name in picture_fields(method) if params.get(name)}
    pictures = {name: read_picture(_content(name, file)) for name, file in files.items()}
    hashes = {name: picture_hash(picture) for name, picture in pictures.items()}
    return {**params, **hashes}, pictures_by_hash(*pictures.values())


def _content(name: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidParams(
            f"{name}: {str(file)!a} cannot be read: {error}.",
            remedy="Name a PNG, JPEG or WebP file.",
            field=name,
        ) from None


def _preset(method: methods.Method, name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    if name not in method.presets:
        raise InvalidParams(
            f"{method.stem} has no preset {name!a}.",
            remedy=f"Choose one of: {', '.join(method.presets)}.",
        )
    return method.presets[name]


def _file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        params = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidParams(
            f"--params {path} cannot be read: {error}.", remedy="Give a JSON file in UTF-8."
        ) from None
    if not isinstance(params, dict):
        raise InvalidParams(f"--params {path} is no object.", remedy='Write {"prompt": "…"}.')
    return params


def _setting(method: methods.Method, text: str) -> tuple[str, Any]:
    """KEY=VALUE; the value is JSON, except that a text parameter takes it literally.

    Params that accept token ids take them as `#12`: `--set contrast=#12`.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidParams(f"--set {text!a} has no =.", remedy="Write --set key=value.")
    field = method.params.model_fields.get(key)
    if field is not None and field.annotation is str:
        return key, value
    extra = field.json_schema_extra if field is not None else None
    if isinstance(extra, dict) and extra.get("widget") == "text_or_ids":
        ids = ids_of(value)
        if ids is None:
            return key, value
        return key, ids if extra.get("many") or len(ids) > 1 else ids[0]
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
