"""Sessions are exported and imported: unchanged, checked, without other users' accounts."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from analysis.images.event import png_bytes
from tests.workbench.reports.computed import computed, computed_report
from tests.workbench.reports.conftest import look, panel_id
from tests.workbench.reports.test_bundle import change
from workbench.audit.models import Action, AuditEntry
from workbench.reports.archive import archive_read
from workbench.reports.bundle import bundle_build
from workbench.reports.document import PanelRecord, Report
from workbench.reports.errors import PanelUnknown, RunUnfinished
from workbench.reports.imports import bundle_import
from workbench.reports.session_selectors import session_report
from workbench.runs.models import Artifact, Run, RunEvent
from workbench.sessions.models import Comment, Session, SessionMember, Thread
from workbench.sessions.store import document_get
from workbench.sessions.threads import ThreadsSeen, thread_changes
from workbench.uploads.models import Upload
from workbench.uploads.services import upload_create

pytestmark = pytest.mark.django_db
Make = Callable[..., Any]
HOSTILE = "=1+1 <script>alert(1)</script> \u202e"


@pytest.fixture
def session(finished_run: Make, make_session: Make, anna: User) -> Session:
    """Two runs, one of them shown twice, a note and comments; with hostile texts everywhere."""
    first = finished_run()
    second = finished_run(look(1, (HOSTILE, "\0")), method="cntp")
    Run.objects.update(method_version="0")  # of events that no real method yields
    created: Session = make_session(
        (first, HOSTILE), f"# Note\n{HOSTILE}", (second, ""), (first, "again"), title=HOSTILE
    )
    at = timezone.now()
    for number in range(2):  # two at one time: their order depends on their ids
        thread = Thread.objects.create(
            session=created, run=first, panel=panel_id(1), created_at=at,
            anchor={"type": "token", "index": number}, resolved_at=at if number else None,
        )  # fmt: skip
        fields: dict[str, Any] = {"thread": thread, "body": HOSTILE, "created_at": at}
        Comment.objects.create(author=anna, author_name="anna", **fields)
        Comment.objects.create(author_name="Guest 3f2a", edited_at=at, **fields)
        Comment.objects.create(author=anna, author_name="anna", deleted_at=at, **fields)
    return created


def post(client: Client, content: bytes) -> Any:
    return client.post("/api/imports", data=content, content_type="application/zip")


def exports(client: Client, session: Session, **body: Any) -> Any:
    asked = {"format": "bundle", "panels": [panel_id(1)], **body}
    return client.post(
        f"/api/sessions/{session.pk}/exports", data=json.dumps(asked),
        content_type="application/json",
    )  # fmt: skip


def stored() -> set[str]:
    root = Path(default_storage.path(""))
    return {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}


def test_out_and_in_and_out_again_is_the_same_to_the_byte(session: Session, tom: User) -> None:
    sent = bundle_build(session_report(session=session))
    came = bundle_import(owner=tom, content=sent)
    assert bundle_build(session_report(session=came)) == sent
    again = bundle_import(owner=tom, content=sent)
    assert bundle_build(session_report(session=again)) == sent


def test_what_came_is_the_importers_and_says_where_from(session: Session, tom: User) -> None:
    came = bundle_import(owner=tom, content=bundle_build(session_report(session=session)))
    runs = list(came.runs.all())
    assert {run.owner_id for run in runs} == {tom.pk}
    assert len(runs) == 2
    assert {run.imported["run"] for run in runs if run.imported} == {
        str(run.pk) for run in session.runs.all()
    }
    assert not {run.pk for run in runs} & {run.pk for run in session.runs.all()}
    comments = Comment.objects.filter(thread__session=came)
    assert set(comments.values_list("author", "author_name")) == {
        (None, "anna"),
        (None, "Guest 3f2a"),
    }
    assert len(document_get(session=came.pk).panels) == 4


def test_a_page_that_opens_an_imported_session_receives_every_thread(
    session: Session, tom: User
) -> None:
    came = bundle_import(owner=tom, content=bundle_build(session_report(session=session)))
    changes = thread_changes(seen={came.pk: ThreadsSeen()})
    assert {thread.id for thread in changes[came.pk].changed} == set(
        came.threads.values_list("pk", flat=True)
    )
    assert came.threads.count() > 0
    came.refresh_from_db()
    counts = list(came.threads.values_list("said", flat=True))
    assert sorted(counts) == list(range(1, came.said + 1))
    assert thread_changes(seen={came.pk: changes[came.pk].seen}) == {}


def test_an_imported_run_is_no_source_of_others(session: Session, tom: User) -> None:
    came = bundle_import(owner=tom, content=bundle_build(session_report(session=session)))
    run = came.runs.first()
    assert run is not None
    assert run.cache_key == ""


def test_a_known_method_is_drawn_and_one_that_is_not_is_not(
    tom: User, tom_client: Client, session: Session
) -> None:
    known = bundle_import(owner=tom, content=bundle_build(computed_report("cntp")))
    unknown = bundle_import(owner=tom, content=bundle_build(session_report(session=session)))
    for came, drawn in ((known, True), (unknown, False)):
        run = came.runs.first()
        assert run is not None
        shown = tom_client.get(f"/api/runs/{run.pk}").json()
        assert shown["imported"]["drawn"] is drawn
        assert shown["status"] == "done"


def test_arrays_and_pictures_are_served_as_before(
    session: Session, tom: User, tom_client: Client, stranger_client: Client
) -> None:
    before = set(Artifact.objects.values_list("pk", flat=True))
    bundle_import(owner=tom, content=bundle_build(session_report(session=session)))
    assert set(Artifact.objects.values_list("pk", flat=True)) == before
    for sha256 in before:
        assert tom_client.get(f"/api/artifacts/{sha256}").status_code == 200
        assert stranger_client.get(f"/api/artifacts/{sha256}").status_code == 401


def test_a_picture_that_params_name_comes_along(
    make_session: Make, finished_run: Make, anna: User, tom: User
) -> None:
    upload, _ = upload_create(owner=anna.pk, content=png_bytes(look().picture))
    run = finished_run()
    Run.objects.filter(pk=run.pk).update(method_version="0", params={"picture": upload.sha256})
    sent = bundle_build(session_report(session=make_session((run, ""))))
    came = bundle_import(owner=tom, content=sent)
    assert Upload.objects.filter(owner=tom, sha256=upload.sha256).exists()
    assert bundle_build(session_report(session=came)) == sent


def test_a_report_may_leave_out_and_reorder(session: Session) -> None:
    report = session_report(session=session, panels=[panel_id(3), panel_id(2)], title="Other")
    assert [panel.id for panel in report.panels] == [panel_id(3), panel_id(2)]
    assert (report.title, report.threads) == ("Other", ())
    assert session_report(session=session, comments=False).threads == ()
    assert len(session_report(session=session).threads) == 2


def test_what_cannot_be_shown_is_named(
    session: Session, make_session: Make, make_run: Make
) -> None:
    with pytest.raises(PanelUnknown, match="no panel 'x'"):
        session_report(session=session, panels=["x"])
    with pytest.raises(PanelUnknown, match="No panel"):
        session_report(session=make_session())
    with pytest.raises(RunUnfinished):
        session_report(session=make_session((make_run(), "")))
    session.session_runs.all().delete()
    with pytest.raises(PanelUnknown, match="not in the session"):
        session_report(session=session)


@pytest.mark.parametrize(
    ("format", "begins"),
    [("bundle", b"PK"), ("notebook", b'{\n "cells"'), ("markdown", b"# ")],
)
def test_who_may_read_a_session_may_export_it(
    session: Session, anna_client: Client, tom_client: Client, tom: User,
    format: str, begins: bytes,
) -> None:  # fmt: skip
    assert exports(tom_client, session, format=format).status_code == 404
    SessionMember.objects.create(session=session, user=tom, role="viewer")
    for client in (anna_client, tom_client):
        answer = exports(client, session, format=format)
        assert answer.status_code == 200, answer.content
        assert answer.content.startswith(begins)
        assert "attachment" in answer["Content-Disposition"]
        assert answer["X-Content-Type-Options"] == "nosniff"
    entries = AuditEntry.objects.filter(action=Action.SESSION_EXPORTED, session=session.pk)
    assert {entry.detail["format"] for entry in entries} == {format}
    assert {entry.actor_name for entry in entries} == {"anna", "tom"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"panels": []}, 422),
        ({"panels": ["x"]}, 422),
        ({"panels": [1]}, 422),
        ({"format": "exe"}, 422),
        ({"title": "x" * 201}, 422),
        ({"more": 1}, 422),
        ({"panels": [panel_id(n) for n in range(101)]}, 422),
    ],
)
def test_a_wrong_request_is_refused(
    session: Session, anna_client: Client, body: dict[str, Any], status: int
) -> None:
    answer = exports(anna_client, session, **body)
    assert answer.status_code == status
    assert answer.json()["remedy"]


def test_a_bundle_is_imported_over_http(
    session: Session, tom_client: Client, tom: User, stranger_client: Client
) -> None:
    content = bundle_build(session_report(session=session))
    assert post(stranger_client, content).status_code == 401
    answer = post(tom_client, content)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["owner"], shown["role"], len(shown["runs"])) == ("tom", "owner", 2)
    assert shown["imported"]["owner"] == "anna"
    assert shown["imported"].keys() == {"sha256", "glassbench", "owner", "session", "at"}
    assert AuditEntry.objects.filter(action=Action.SESSION_IMPORTED, actor=tom).count() == 1


def test_a_file_that_is_too_large_is_refused(tom_client: Client, settings: Any) -> None:
    settings.MAX_IMPORT_BYTES = 10
    answer = post(tom_client, b"x" * 11)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_params_that_the_method_refuses_are_refused(tom: User, tom_client: Client) -> None:
    run = computed("cntp")
    for params in ({**run.params, "top_p": 7.0}, {**run.params, "more": 1}):
        wrong = replace(run, params=params)
        answer = post(tom_client, bundle_build(Report("t", (PanelRecord(run.id, "", wrong),))))
        assert answer.status_code == 422, params


def test_two_runs_of_one_id_are_refused(tom_client: Client) -> None:
    run = computed("cntp")
    other = replace(run, events=run.events[:-1])
    panels = (PanelRecord(panel_id(1), "", run), PanelRecord(panel_id(2), "", other))
    answer = post(tom_client, bundle_build(Report("t", panels)))
    assert "Two different runs" in answer.json()["message"]


def test_what_no_session_takes_is_refused(tom_client: Client) -> None:
    note = PanelRecord(panel_id(1), "x", span=5)
    answer = post(tom_client, bundle_build(Report("t", (note,))))
    assert answer.status_code == 422
    assert answer.json()["remedy"]


def test_a_picture_that_holds_more_than_pixels_is_refused(
    make_session: Make, finished_run: Make, anna: User, tom_client: Client
) -> None:
    file = io.BytesIO()
    image = Image.fromarray(look().picture)
    image.info["comment"] = "x"
    image.save(file, "png", dpi=(72, 72))
    upload, _ = upload_create(owner=anna.pk, content=file.getvalue())
    run = finished_run()
    Run.objects.filter(pk=run.pk).update(method_version="0", params={"picture": upload.sha256})
    sent = bundle_build(session_report(session=make_session((run, ""))))
    files = archive_read(sent)
    name = f"uploads/{upload.sha256}.png"
    spoilt = change(sent, lambda files: files.__setitem__(name, file.getvalue()), hashed=True)
    assert name in files
    answer = post(tom_client, spoilt)
    assert "only pixels" in answer.json()["message"]


@pytest.fixture(scope="module")
def sent() -> bytes:
    return bundle_build(computed_report("cntp"))


def test_no_mutated_bundle_fails_or_leaves_anything(tom_client: Client, sent: bytes) -> None:
    before = stored()

    @given(st.lists(st.tuples(st.integers(0, len(sent) - 1), st.integers(1, 255)), max_size=4))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def mutate(changes: list[tuple[int, int]]) -> None:
        content = bytearray(sent)
        for at, by in changes:
            content[at] ^= by
        answer = post(tom_client, bytes(content))
        assert answer.status_code in (201, 413, 422), answer.content
        if answer.status_code == 201:  # some bytes of an archive's headers say nothing
            assert archive_read(bytes(content)) == archive_read(sent)

    mutate()
    assert stored() == before


def test_no_file_of_a_bundle_that_is_changed_and_hashed_again_fails(
    tom_client: Client, sent: bytes
) -> None:
    names = sorted(archive_read(sent))
    junk = st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"null", b"[]", b"{}", b"1e999", b"\\u0000", b"\xff", b'"', b"-1", b"[["]),
    )

    @given(st.sampled_from(names), st.floats(0, 1), st.integers(0, 30), junk)
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def mutate(name: str, where: float, cut: int, put: bytes) -> None:
        def spoil(files: dict[str, bytes]) -> None:
            at = int(where * len(files[name]))
            files[name] = files[name][:at] + put + files[name][at + cut :]

        try:
            content = change(sent, spoil, hashed=True)
        except ValueError:
            return  # the manifest is no JSON any more
        answer = post(tom_client, content)
        assert answer.status_code in (201, 413, 422), answer.content

    before = stored()
    mutate()
    assert stored() == before


def test_a_refused_bundle_leaves_nothing(tom_client: Client, sent: bytes) -> None:
    counts = [model.objects.count() for model in (Run, RunEvent, Session, Artifact, Upload)]
    assert post(tom_client, sent[:-1]).status_code == 422
    assert [model.objects.count() for model in (Run, RunEvent, Session, Artifact, Upload)] == counts


def test_the_commands_do_the_same(
    session: Session, tom: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    call_command("export", str(session.pk), "--out", str(first))
    assert f"{first.stat().st_size} bytes" in capsys.readouterr().out
    call_command("import", str(first), "--owner", "tom")
    came = capsys.readouterr().out.strip().removeprefix("/sessions/")
    call_command("export", came, "--out", str(second))
    without = [_without_figures(file) for file in (first, second)]
    assert without[0] == without[1]


def test_runs_are_exported_without_a_session(session: Session, tmp_path: Path) -> None:
    run = session.runs.first()
    assert run is not None
    file = tmp_path / "runs.md"
    call_command("export", "--run", str(run.pk), "--format", "markdown", "--out", str(file))
    assert file.read_text().startswith("# Report\n")


@pytest.mark.parametrize(
    "arguments",
    [[], ["00000000-0000-4000-8000-000000000000"], ["--run", panel_id(1)]],
)
def test_the_export_command_refuses_what_is_not_there(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], anna: User
) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("export", *arguments, "--out", str(tmp_path / "x.zip"))
    assert ended.value.code == 2
    assert capsys.readouterr().err


def test_nothing_is_overwritten(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text("mine")
    with pytest.raises(SystemExit):
        call_command("export", str(session.pk), "--format", "markdown", "--out", str(file))
    assert file.read_text() == "mine"


def _without_figures(file: Path) -> dict[str, bytes]:
    files = archive_read(file.read_bytes())
    drawn = ("manifest.json", "report.md")
    return {name: c for name, c in files.items() if "/figures/" not in name and name not in drawn}
