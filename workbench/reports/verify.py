"""Verifies a bundle: computes its runs again and compares all numbers.

Three checks find a change of any single value: the hash of each file; whether tables, notebook,
report.md and comments.csv follow from the events, arrays and comments; and whether the model gives
the same events and arrays again. A user's text (a caption, a comment) can be changed unnoticed only
in all files together with all hashes. Figures are checked by their hash alone.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import analysis
from analysis.catalog.entries import Catalog
from analysis.environment import GLASSBENCH, environment
from analysis.errors import GlassbenchError, UnknownPicture
from analysis.events import ArrayRef, Event, array_bytes, content_ref
from analysis.images.event import PictureRef, picture_ref, png_bytes
from analysis.images.files import read_picture
from analysis.method import get
from workbench.catalog.methods import INSPECT
from workbench.reports.bundle import FIGURES, bundle_files
from workbench.reports.comparison import Comparison, Files, results
from workbench.reports.document import RunRecord
from workbench.reports.errors import MethodDiffers
from workbench.reports.provenance import template_date
from workbench.reports.reading import Bundle

Step = Callable[[], object]


@dataclass
class PanelResult:
    """The comparison of a panel; `refusal`: why it could not be computed."""

    run: RunRecord
    comparison: Comparison | None = None
    refusal: GlassbenchError | None = None
    environment: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return self.comparison is not None and self.comparison.same and self.refusal is None


def bundle_altered(bundle: Bundle) -> list[str]:
    """The contradictions within the bundle, in words."""
    altered = list(bundle.altered)
    if bundle.manifest.glassbench != GLASSBENCH:
        return altered  # another version may write its tables differently
    written = bundle_files(bundle.report, figures=_figures(bundle))
    for name in sorted(written.keys() | bundle.files.keys()):
        if written.get(name) != bundle.files.get(name):
            altered.append(f"{name} is not what events, arrays and comments give")
    return altered


def run_verify(run: RunRecord, *, catalog: Catalog, step: Step) -> PanelResult:
    """Compute a run again and compare; `step` is called with each event."""
    result = PanelResult(run)
    files = Files(dict(run.files))
    comparison = Comparison((run.info or {}).get("dtype"))
    was = results(event.value for event in run.events)
    try:
        _check_method(run)
        with closing(_computed(run, catalog, files, result, step)) as now:
            _compare(comparison, was, results(now), files, whole=run.status != "cancelled")
    except GlassbenchError as error:
        if not _failed_so(run, error):
            result.refusal = error
            return result
        for left in was:
            comparison.missing(f"{left.get('kind')} is missing now")
    result.comparison = comparison
    return result


def _compare(
    comparison: Comparison,
    was: Iterator[dict[str, Any]],
    now: Iterator[dict[str, Any]],
    files: Files,
    *,
    whole: bool,
) -> None:
    for old in was:
        new = next(now, None)
        if new is None:
            return comparison.missing(f"{old.get('kind')} is missing now")
        comparison.event(old, new, files)
    if whole and (more := next(now, None)) is not None:
        comparison.missing(f"{more.get('kind')} is more than was recorded")


def _computed(
    run: RunRecord, catalog: Catalog, files: Files, result: PanelResult, step: Step
) -> Generator[dict[str, Any]]:
    """The events in their stored form; adds their arrays and pictures to `files`."""

    def keep(array: Any) -> ArrayRef:
        ref = content_ref(array)
        files.content[ref.sha256] = array_bytes(array)
        return ref

    def keep_picture(picture: Any) -> PictureRef:
        content = png_bytes(picture)
        ref = picture_ref(picture, content)
        files.content[ref.sha256] = content
        return ref

    def picture(sha256: str) -> Any:
        if sha256 not in run.uploads:
            raise UnknownPicture(
                f"The bundle lacks the picture {sha256[:12]}.", remedy="Export it again."
            )
        return read_picture(run.uploads[sha256])

    events: Iterator[Event] = analysis.run(
        run.method,
        model=run.model,
        params=run.params,
        catalog=catalog,
        pictures=picture,
        today=template_date(run),
        dtype=run.dtype,
    )
    for event in events:
        value = event.model_dump(
            mode="json", context={"store": keep, "picture_store": keep_picture}
        )
        if value["kind"] == "model":
            result.environment = _environment(run, value["info"], catalog)
        step()
        yield value


def _check_method(run: RunRecord) -> None:
    """Raises UnknownMethod, MethodDiffers."""
    if run.method == INSPECT:
        return
    version = get(run.method).version
    if version != run.method_version:
        raise MethodDiffers(
            f"{run.method} is of version {version} here; the bundle's is {run.method_version}.",
            remedy="Verify it with the Glassbench that made it: see the manifest.",
        )


def _failed_so(run: RunRecord, error: GlassbenchError) -> bool:
    """Whether the recorded run failed with the same error."""
    return run.status == "failed" and (run.error or {}).get("code") == error.code


def _environment(run: RunRecord, info: dict[str, Any], catalog: Catalog) -> list[str]:
    """The differences of versions, machine and model, one line each."""
    path = catalog.find(run.model).path
    now = {**environment(path), **_model(info), "revision": info["revision"]}
    if run.environment is None:
        return ["the bundle does not record what it was computed with"]
    was = {**run.environment, **_model(run.info or {}), "revision": run.revision}
    return list(_differences("", was, now))


def _model(info: dict[str, Any]) -> dict[str, Any]:
    return {name: info.get(name) for name in ("device", "dtype", "self_check")}


def _differences(name: str, was: Any, now: Any) -> Iterator[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted(was.keys() | now.keys()):
            yield from _differences(f"{name}.{key}".lstrip("."), was.get(key), now.get(key))
    elif was != now:
        yield f"{name}: {was}, now {now}"


def _figures(bundle: Bundle) -> dict[str, dict[str, bytes]]:
    """The bundle's figures, which are not computed again."""
    return {
        panel.id: {
            name.rpartition("/")[2]: content
            for name, content in bundle.files.items()
            if name.startswith(f"{panel.folder}/{FIGURES}/")
        }
        for panel in bundle.manifest.panels
    }
