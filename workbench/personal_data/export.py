"""All of a user's data as one zip file."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, Q, QuerySet

from analysis.images.event import PNG_SIGNATURE
from workbench.audit.models import Action
from workbench.audit.selectors import audit_of_user
from workbench.audit.services import audit
from workbench.personal_data.zip_stream import ZipMember, zip_stream
from workbench.runs.models import Artifact, Run, RunEvent
from workbench.runs.selectors import run_snapshot
from workbench.sessions.models import Comment, Session, SessionMember
from workbench.uploads.models import Upload

Row = TypeVar("Row", bound=Model)

README = """\
All data that Glassbench stores about {name}.

profile.json    the account: names, second step, single sign-on
logins.jsonl    current log-ins
log.jsonl       the audit log of this account: log-ins, sharing, exports
sessions.jsonl  own sessions (with their text), and sessions with a membership
comments.jsonl  own comments
uploads/        uploaded pictures
runs/ID/        run.json: the run and how it ended; events.jsonl: its events
artifacts/      arrays and pictures that events refer to by sha256. HASH.png is a picture. HASH.bin
                is an array: numpy.fromfile(file, dtype).reshape(shape), both as in the event.
"""


def account_export(*, user: User) -> Iterator[bytes]:
    """The zip file in blocks. The export is audited before the first block."""
    audit(Action.ACCOUNT_EXPORTED, actor=user)
    return zip_stream(_members(user))


def _members(user: User) -> Iterator[ZipMember]:
    yield "README.txt", [README.format(name=user.username).encode()]
    yield "profile.json", [_json(_profile(user))]
    yield (
        "logins.jsonl",
        _lines(_login(row) for row in _each(UserSession.objects.filter(user=user))),
    )
    yield "log.jsonl", _lines(_fields(row) for row in _each(audit_of_user(user=user)))
    yield "sessions.jsonl", _lines(_sessions(user))
    yield "comments.jsonl", _lines(_comments(user))
    for upload in _each(Upload.objects.filter(owner=user)):
        yield f"uploads/{upload.sha256}.png", _stored(upload.storage_name)
    for run in _each(Run.objects.filter(owner=user).select_related("owner", "cached_from")):
        yield f"runs/{run.id}/run.json", [run_snapshot(run).model_dump_json(indent=1).encode()]
        yield f"runs/{run.id}/events.jsonl", _events(run)
    mine = Q(runs__owner=user) | Q(runs__copies__owner=user)
    for artifact in _each(Artifact.objects.filter(mine).distinct()):
        yield _artifact(artifact)


def _profile(user: User) -> dict[str, Any]:
    names = ("username", "first_name", "last_name", "email", "date_joined", "last_login")
    factors = Authenticator.objects.filter(user=user).values("type", "created_at", "last_used_at")
    sso = SocialAccount.objects.filter(user=user).values("provider", "uid", "extra_data")
    profile = {name: getattr(user, name) for name in (*names, "is_staff")}
    return {**profile, "second_step": list(factors), "single_sign_on": list(sso)}


def _login(row: UserSession) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("created_at", "ip", "user_agent")}


def _fields(row: Model) -> dict[str, Any]:
    return {field.name: field.value_from_object(row) for field in row._meta.concrete_fields}


def _sessions(user: User) -> Iterator[dict[str, Any]]:
    names = ("title", "created_at", "changed_at", "archived_at", "template")
    for session in _each(Session.objects.filter(owner=user)):
        facts = {name: getattr(session, name) for name in (*names, "text")}
        yield {"id": session.id, "role": "owner", **facts}
    for member in _each(SessionMember.objects.filter(user=user).select_related("session")):
        facts = {"title": member.session.title, "since": member.since}
        yield {"id": member.session_id, "role": member.role, **facts}


def _comments(user: User) -> Iterator[dict[str, Any]]:
    names = ("id", "body", "created_at", "edited_at", "deleted_at")
    for comment in _each(Comment.objects.filter(author=user).select_related("thread")):
        place = {"session": comment.thread.session_id, "anchor": comment.thread.anchor}
        yield {**place, **{name: getattr(comment, name) for name in names}}


def _events(run: Run) -> Iterator[bytes]:
    rows = RunEvent.objects.filter(run=run.source).order_by("attempt", "seq")
    for row in rows.iterator(chunk_size=100):
        head = json.dumps({"attempt": row.attempt, "seq": row.seq, "at": row.at.isoformat()})
        yield f'{head[:-1]}, "event": {row.payload}}}\n'.encode()


def _artifact(artifact: Artifact) -> ZipMember:
    with default_storage.open(artifact.storage_name) as file:
        picture = file.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE
    name = f"artifacts/{artifact.sha256}.{'png' if picture else 'bin'}"
    return name, _stored(artifact.storage_name)


def _stored(name: str) -> Iterator[bytes]:
    with default_storage.open(name) as file:
        yield from file.chunks()


def _each(rows: QuerySet[Row]) -> Iterator[Row]:
    return rows.order_by("pk").iterator(chunk_size=100)


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False).encode()


def _lines(values: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    for value in values:
        yield json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False).encode() + b"\n"
