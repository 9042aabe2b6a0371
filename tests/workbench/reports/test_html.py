"""The HTML report: its policy and its data; no text in it is executed."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.recorded import recorded_report, recorded_run
from tests.workbench.reports.conftest import look
from workbench.reports.document import CommentRecord, PanelRecord, Report, ThreadRecord
from workbench.reports.errors import ReportPageMissing
from workbench.reports.html import html_build
from workbench.reports.selectors import run_report
from workbench.runs.models import Run

EVIL = "</script><script>alert(1)</script><!--<script>\u202eabc\u2028&amp;\"'"
SCRIPT = 'const end = "</script>", note = `<!-- a < b`; document.title.length < 1;'


@pytest.fixture(autouse=True)
def built(tmp_path: Path, settings: Any) -> Path:
    """A built page of one line."""
    settings.FRONTEND_DIST = tmp_path
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "report.js").write_text(SCRIPT)
    (folder / "report.css").write_text("b::before{content:'</style>'}")
    return folder


class Elements(HTMLParser):
    """Every element with its attributes, and the texts inside scripts, styles and titles."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = False
        self.feed(page.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.texts.append("")
        self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        parts = zip(self.found, self.texts, strict=True)
        return [(attributes, text) for (name, attributes), text in parts if name == tag]


def blocks(page: bytes) -> dict[str, bytes]:
    """What the data blocks of a file hold, by their id."""
    found = {}
    for attributes, text in Elements(page).all("script"):
        if attributes.get("type") == "text/plain":
            content = base64.b64decode(text)
            zipped = attributes["data-kind"] == "gzip"
            found[str(attributes["id"])] = gzip.decompress(content) if zipped else content
    return found


def outline(page: bytes) -> Any:
    return next(json.loads(t) for a, t in Elements(page).all("script") if a.get("id") == "outline")


def sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_only_the_one_script_and_style_may_run() -> None:
    elements = Elements(html_build(recorded_report()))
    ((script, code),) = [s for s in elements.all("script") if "type" not in s[0]]
    ((_, style),) = elements.all("style")
    assert script == {}
    policy = next(
        a["content"]
        for a, _ in elements.all("meta")
        if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{sha256(code)}'; "
        f"style-src 'sha256-{sha256(style)}'; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )


def test_code_that_would_end_its_element_means_the_same() -> None:
    elements = Elements(html_build(recorded_report()))
    code = next(text for attributes, text in elements.all("script") if not attributes)
    assert code == SCRIPT.replace("</script", "\\x3c/script").replace("<!--", "\\x3c!--")
    assert "\\3c /style" in elements.all("style")[0][1]


def test_nothing_is_loaded_and_nothing_is_sent() -> None:
    page = html_build(recorded_report())
    elements = Elements(page)
    assert elements.all("link") == [({"rel": "icon", "href": "data:,"}, "\n")]
    assert not [a for tag, a in elements.found if "src" in a]
    metas = {a.get("name"): a.get("content") for a, _ in elements.all("meta")}
    assert metas["robots"] == "noindex, nofollow"
    assert metas["referrer"] == "no-referrer"
    assert elements.all("html")[0][0] == {"lang": "en"}


def test_texts_of_users_are_only_in_title_and_data() -> None:
    thread = ThreadRecord(
        "t", "p", {"type": "panel"}, (CommentRecord("c", EVIL, EVIL, EVIL),), EVIL
    )
    run = recorded_run("centred", [{"kind": "look", "token": EVIL}])
    panels = (PanelRecord("p", EVIL, run, {"token": EVIL}), PanelRecord("n", EVIL))
    page = html_build(Report(EVIL, panels, (thread,), owner=EVIL))
    clean = html_build(Report("", (PanelRecord("p", "", run), PanelRecord("n", ""))))
    assert [tag for tag, _ in Elements(page).found] == [tag for tag, _ in Elements(clean).found]
    assert Elements(page).all("title")[0][1].startswith(EVIL)
    read = outline(page)
    assert (read["title"], read["owner"]) == (EVIL, EVIL)
    assert [panel["text"] for panel in read["panels"]] == [EVIL, EVIL]
    assert read["panels"][0]["state"] == {"token": EVIL}
    assert read["panels"][0]["threads"][0]["comments"][0]["body"] == EVIL
    assert json.loads(blocks(page)["events-1"])[1] == {"kind": "look", "token": EVIL}
    body = re.sub(rb"<script.*?</script>", b"", page.split(b"<body>")[1], flags=re.DOTALL)
    assert b"alert" not in body


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.django_db
def test_events_arrays_and_pictures_are_complete_and_included_once(
    finished_run: Callable[..., Run], compressed: Any
) -> None:
    seen = look()
    run = finished_run(seen)
    report = run_report(runs=[run, run], title="Twice")
    found = blocks(html_build(report, compressed=compressed))
    record = report.runs[0]
    assert json.loads(found["events-1"]) == [event.value for event in record.events]
    assert found["events-2"] == found["events-1"]
    files = {name: content for name, content in found.items() if name.startswith("file-")}
    (large,) = files.values()
    assert large == seen.large.astype("<f4").tobytes()
    assert set(files) == {f"file-{hashlib.sha256(large).hexdigest()}"}


def test_a_lone_surrogate_is_no_fault() -> None:
    page = html_build(Report("a\ud800b", (PanelRecord("n", "c\udfffd"),)))
    assert outline(page)["panels"][0]["text"] == "c\udfffd"


def test_the_same_report_is_the_same_file() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first, second = (html_build(recorded_report(), made_at=at) for _ in range(2))
    assert first == second
    assert outline(first)["made_at"] == "2026-01-02T03:04:05+00:00"


def test_threads_are_at_their_panel() -> None:
    panels = outline(html_build(recorded_report()))["panels"]
    resolved = {panel["id"]: [t["resolved"] for t in panel["threads"]] for panel in panels}
    assert {name: found for name, found in resolved.items() if found} == {
        "note": [True],
        "centred": [False],
    }


def test_a_page_that_is_not_built_is_named(built: Path) -> None:
    (built / "report.css").unlink()
    with pytest.raises(ReportPageMissing, match=r"report\.css"):
        html_build(recorded_report())
