"""Deletion leaves nothing of an account, and the export contains all of it."""

import asyncio
import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings as active
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as Login
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import AsyncClient, Client
from django.utils import timezone

from analysis.images.event import png_bytes
from workbench.audit.models import Action, AuditEntry
from workbench.audit.services import audit
from workbench.personal_data.deletion import account_delete
from workbench.personal_data.export import account_export
from workbench.runs.artifacts import artifact_save
from workbench.runs.execution import Pending, event_append, run_claim, run_end
from workbench.runs.models import Artifact, Run, Status
from workbench.sessions.models import (
    Comment,
    Session,
    SessionLink,
    SessionMember,
    SessionRun,
    Thread,
)
from workbench.sessions.roles import Role
from workbench.sessions.run_start import run_create
from workbench.uploads.models import Upload
from workbench.uploads.services import upload_create

MARK = "Zaphod7B"
KEPT_IN = {  # tables, before the account goes
    *("auth_user", "audit_auditentry", "django_admin_log", "usersessions_usersession"),
    *("runs_run", "runs_runevent", "workbench_sessions_session"),
    *("workbench_sessions_sessionlink", "workbench_sessions_comment"),
}
MINE, SHARED = MARK.encode() * 10_000, b"what two people computed" * 1000
PARAMS = {"prompt": f"{MARK} has the ball."}


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, settings: Any) -> Path:
    options = {**active.STORAGES["default"]["OPTIONS"], "location": str(tmp_path)}
    settings.STORAGES = {
        **active.STORAGES,
        "default": {**active.STORAGES["default"], "OPTIONS": options},
    }
    return tmp_path


@pytest.fixture
def mark(db: None) -> User:
    user = User.objects.create_user(
        MARK, email=f"{MARK}@lab.example", password="mark's password", first_name=MARK
    )
    client = Client(REMOTE_ADDR="192.0.2.77", headers={"User-Agent": f"{MARK}'s browser"})
    client.post("/login", {"login": MARK, "password": "mark's password"})
    client.post("/login", {"login": MARK, "password": "wrong"})
    return user


def done(owner: User, arrays: list[bytes], *, text: str = MARK) -> Run:
    """A finished run about the text, whose one event refers to the arrays."""
    params = {"prompt": f"{text} has the ball."}
    run, _ = run_create(owner=owner, run=uuid.uuid4(), method="reagent", model="toy", params=params)
    assert run_claim(run=run.id, worker="w")
    hashes = {hashlib.sha256(array).hexdigest(): len(array) for array in arrays}
    for array, sha256 in zip(arrays, hashes, strict=True):
        artifact_save(sha256=sha256, content=array)
    payload = json.dumps({"kind": "token", "text": text, "arrays": list(hashes)})
    event_append(run=run.id, attempt=1, events=[Pending(2, payload, hashes)])
    run_end(run=run.id, attempt=1, status=Status.DONE)
    Artifact.objects.update(used_at=timezone.now() - timedelta(minutes=5))
    run.refresh_from_db()
    return run


@pytest.fixture
def belongings(mark: User, anna: User) -> dict[str, Any]:
    """One object of each kind that a user can own."""
    run = done(mark, [MINE, SHARED])
    copy, _ = run_create(owner=mark, run=uuid.uuid4(), method="reagent", model="toy", params=PARAMS)
    Run.objects.filter(pk=copy.pk).update(cached_from=run, status=Status.DONE)
    others = done(anna, [SHARED], text="Anna")
    pixels = np.zeros((4, 4, 3), np.uint8)
    upload_create(owner=mark.pk, content=png_bytes(pixels))
    own = Session.objects.create(owner=mark, title=f"{MARK}'s", text=MARK, state=MARK.encode())
    given = Session.objects.create(owner=mark, title="to be handed over")
    SessionMember.objects.create(session=given, user=anna, role=Role.EDITOR)
    annas = Session.objects.create(owner=anna, title="Anna's")
    SessionMember.objects.create(session=annas, user=mark, role=Role.EDITOR)
    SessionRun.objects.create(session=annas, run=run, added_by=mark)
    SessionLink.objects.create(
        session=annas,
        role=Role.VIEWER,
        token_sha256="f" * 64,
        label=MARK,
        created_by=mark,
        max_runs_per_hour=1,
    )
    thread = Thread.objects.create(session=annas, run=run, panel="p", anchor={"type": "panel"})
    comment = Comment.objects.create(
        thread=thread, author=mark, author_name=MARK, body=f"I, {MARK}"
    )
    comment.mentions.add(anna)
    Comment.objects.create(thread=thread, author=anna, author_name="anna", body="Is that so?")
    audit(Action.MEMBER_ADDED, actor=anna, subject=mark, session=annas.pk)
    LogEntry.objects.create(
        user=anna,
        content_type_id=_user_kind(),
        object_id=str(mark.pk),
        object_repr=MARK,
        action_flag=CHANGE,
    )
    return {
        "run": run,
        "others": others,
        "own": own,
        "given": given,
        "comment": comment,
        "annas": annas,
    }


def _user_kind() -> int:
    from django.contrib.contenttypes.models import ContentType

    return ContentType.objects.get_for_model(User).pk


def traces(mark: str) -> list[str]:
    """The places in the database and the storage that contain the text."""
    found = [f"{name}: {row}" for name, row in _rows() if mark in row]
    for login in Login.objects.all():
        if mark in str(login.get_decoded()):
            found.append("a login")
    for file in Path(default_storage.location).rglob("*"):
        if mark in file.name or (file.is_file() and mark.encode() in file.read_bytes()):
            found.append(str(file))
    return found


def _rows() -> Iterator[tuple[str, str]]:
    """Every row of every table, with its bytes as text."""
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{name}"')
            for row in cursor.fetchall():
                cells = (bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
                yield (
                    name,
                    " ".join(
                        cell.decode("latin-1") if isinstance(cell, bytes) else str(cell)
                        for cell in cells
                    ),
                )


def test_nothing_of_the_person_is_left(
    belongings: dict[str, Any], mark: User, anna: User, storage: Path
) -> None:
    assert {found.split(":")[0] for found in traces(MARK)} >= KEPT_IN, "the search must find it"
    key = mark.pk
    account_delete(user=mark, heirs={belongings["given"].pk: anna})
    assert traces(MARK) == []
    assert not Run.objects.filter(owner_id=key).exists()
    assert not any(storage.glob(f"uploads/{key}/*"))
    assert not Login.objects.exists()


def test_what_is_others_stays(belongings: dict[str, Any], mark: User, anna: User) -> None:
    account_delete(user=mark, heirs={belongings["given"].pk: anna})
    shared = Artifact.objects.get()
    with default_storage.open(shared.storage_name) as file:
        assert file.read() == SHARED
    assert Run.objects.get() == belongings["others"]
    given = Session.objects.get(pk=belongings["given"].pk)
    assert given.owner == anna
    assert not given.members.exists()
    comment, answer = Comment.objects.order_by("created_at")
    assert (answer.author, answer.body) == (anna, "Is that so?")
    assert (comment.author, comment.author_name, comment.body) == (None, "", "")
    assert comment.deleted_at is not None
    assert set(Session.objects.all()) == {given, belongings["annas"]}


def test_the_log_keeps_the_actions(belongings: dict[str, Any], mark: User, anna: User) -> None:
    before = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    account_delete(user=mark)
    entries = AuditEntry.objects.order_by("id")
    actions = list(entries.values_list("action", flat=True))
    assert actions == [*before, "session_deleted", "session_deleted", "account_deleted"]
    assert {entry.actor_name for entry in entries} == {"", "anna"}
    assert {entry.subject_name for entry in entries} == {""}
    assert {entry.address for entry in entries} == {None}


def test_a_run_at_work_is_stopped_and_deleted(mark: User) -> None:
    run, _ = run_create(owner=mark, run=uuid.uuid4(), method="reagent", model="toy", params=PARAMS)
    run_claim(run=run.id, worker="w")
    account_delete(user=mark)
    assert not Run.objects.exists()


def test_a_copy_of_somebody_elses_keeps_its_events(mark: User, anna: User) -> None:
    run = done(mark, [SHARED])
    copy, _ = run_create(owner=anna, run=uuid.uuid4(), method="reagent", model="toy", params=PARAMS)
    Run.objects.filter(pk=copy.pk).update(cached_from=run, status=Status.DONE, attempt=1)
    account_delete(user=mark)
    copy.refresh_from_db()
    assert copy.cached_from is None
    assert copy.events.count() == 3
    assert Artifact.objects.get().runs.get() == copy


def unpack(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode().splitlines()]


def test_the_export_holds_everything(belongings: dict[str, Any], mark: User) -> None:
    files = unpack(b"".join(account_export(user=mark)))
    assert json.loads(files["profile.json"])["email"] == f"{MARK}@lab.example"
    assert "password" not in json.loads(files["profile.json"])
    roles = [(row["title"], row["role"]) for row in lines(files["sessions.jsonl"])]
    assert sorted(roles) == [
        ("Anna's", "editor"),
        (f"{MARK}'s", "owner"),
        ("to be handed over", "owner"),
    ]
    assert [row["body"] for row in lines(files["comments.jsonl"])] == [f"I, {MARK}"]
    assert [row["ip"] for row in lines(files["logins.jsonl"])] == ["192.0.2.77"]
    run = belongings["run"]
    events = lines(files[f"runs/{run.id}/events.jsonl"])
    assert [event["seq"] for event in events] == [1, 2, 3]
    assert events[1]["event"]["text"] == MARK
    assert json.loads(files[f"runs/{run.id}/run.json"])["params"]["prompt"] == PARAMS["prompt"]
    arrays = {name: body for name, body in files.items() if name.startswith("artifacts/")}
    assert sorted(arrays.values()) == sorted([MINE, SHARED])
    (picture,) = [body for name, body in files.items() if name.startswith("uploads/")]
    assert hashlib.sha256(picture).hexdigest() == Upload.objects.get().sha256
    assert lines(files["log.jsonl"])[-1]["action"] == "account_exported"


def test_the_export_holds_nothing_of_others(belongings: dict[str, Any], anna: User) -> None:
    files = unpack(b"".join(account_export(user=anna)))
    assert MINE not in files.values()
    assert not any(str(belongings["run"].id) in name for name in files)
    assert not any(name.startswith("uploads/") for name in files)
    titles = {row["title"] for row in lines(files["sessions.jsonl"])}
    assert f"{MARK}'s" not in titles


def test_the_export_is_made_piece_by_piece(mark: User, storage: Path) -> None:
    """No block is as large as the array that it comes from, and the first comes before any."""
    noise = np.random.default_rng(0).bytes(5_000_000)
    done(mark, [noise])
    sizes = [len(block) for block in account_export(user=mark)]
    assert sum(sizes) > len(noise)
    assert max(sizes) < 200_000


def log_in(user: User, password: str) -> Client:
    client = Client(REMOTE_ADDR="192.0.2.77")
    client.post("/login", {"login": user.username, "password": password})
    return client


def proven(user: User, password: str) -> Client:
    client = log_in(user, password)
    client.post("/login/again?next=/account", {"password": password})
    return client


def test_the_page_asks_for_the_password_and_the_name(mark: User) -> None:
    client = log_in(mark, "mark's password")
    assert client.get("/account/delete")["Location"].startswith("/login/again")
    assert client.post("/account/delete", {"name": MARK})["Location"].startswith("/login/again")
    client = proven(mark, "mark's password")
    assert client.get("/account/delete").status_code == 200
    assert client.post("/account/delete", {"name": "anna"}).status_code == 422
    assert User.objects.filter(pk=mark.pk).exists()
    assert client.post("/account/delete", {"name": MARK})["Location"] == "/login"
    assert not User.objects.filter(pk=mark.pk).exists()
    assert client.get("/api/me").status_code == 401


def test_the_local_user_begins_anew(db: None) -> None:
    client = Client()
    before = client.get("/api/me").json()
    assert client.post("/account/delete", {"name": "local"}).status_code == 302
    after = client.get("/api/me").json()
    assert (after["username"], after["local"]) == ("local", True)
    assert after["id"] != before["id"]


@pytest.mark.parametrize("path", ["export", "delete", "mfa/app", "sso"])
def test_an_account_without_a_password_is_not_asked_for_one(db: None, path: str) -> None:
    """Single sign-on made it; there is nothing by which it could prove itself once more."""
    lea = User.objects.create_user("lea")
    client = Client(REMOTE_ADDR="192.0.2.1")
    client.force_login(lea)
    assert client.get(f"/account/{path}").status_code == 200


def test_a_second_factor_is_asked_for_where_there_is_no_password(db: None) -> None:
    lea = User.objects.create_user("lea")
    TOTP.activate(lea, generate_totp_secret())
    client = Client(REMOTE_ADDR="192.0.2.1")
    client.force_login(lea)
    assert client.get("/account/delete")["Location"].startswith("/login/again/code")


def test_the_page_hands_over_to_members_alone(
    belongings: dict[str, Any], mark: User, anna: User, tom: User
) -> None:
    client = proven(mark, "mark's password")
    given, own = belongings["given"].pk, belongings["own"].pk
    page = client.get("/account/delete").content.decode()
    assert f'name="heir-{given}"' in page
    assert f'name="heir-{own}"' not in page
    client.post("/account/delete", {"name": MARK, f"heir-{given}": tom.pk, f"heir-{own}": tom.pk})
    assert not Session.objects.filter(owner=tom).exists()
    assert not Session.objects.filter(pk__in=[given, own]).exists()


@pytest.mark.django_db(transaction=True)
def test_the_page_sends_the_file(anna: User) -> None:
    async def download() -> tuple[Any, bytes]:
        client = AsyncClient(REMOTE_ADDR="192.0.2.1")
        await client.post("/login", {"login": "anna", "password": "anna's password"})
        await client.post("/login/again?next=/account", {"password": "anna's password"})
        answer = await client.post("/account/export")
        return answer, b"".join([block async for block in answer.streaming_content])

    answer, content = asyncio.run(download())
    assert answer["Content-Type"] == "application/zip"
    assert "attachment" in answer["Content-Disposition"]
    assert json.loads(unpack(content)["profile.json"])["username"] == "anna"


@pytest.mark.parametrize("path", ["/account/export", "/account/delete"])
def test_a_stranger_gets_neither(stranger_client: Client, path: str) -> None:
    for answer in (stranger_client.get(path), stranger_client.post(path, {"name": "anna"})):
        assert answer["Location"].startswith("/login?next=/account")


def test_the_same_from_the_command_line(
    belongings: dict[str, Any], mark: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("out") / "mark.zip"
    call_command("export_user", MARK, "--out", str(out))
    assert json.loads(unpack(out.read_bytes())["profile.json"])["username"] == MARK
    with pytest.raises(FileExistsError):
        call_command("export_user", MARK, "--out", str(out))
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("delete_user", "nobody", "--yes")
    call_command("delete_user", MARK, "--yes", stdout=io.StringIO())
    assert not User.objects.filter(username=MARK).exists()


def test_the_command_asks_first(mark: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    with pytest.raises(CommandError, match="Nothing was deleted"):
        call_command("delete_user", MARK)
    assert User.objects.filter(username=MARK).exists()
