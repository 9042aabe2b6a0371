"""A session with objects of all kinds, and visitors of all kinds."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from analysis.images.event import png_bytes
from tests.workbench.sessions.calls import open_link, send, taken
from workbench.catalog.methods import method_get
from workbench.runs.artifacts import artifact_save
from workbench.runs.execution import Pending, event_append, run_claim, run_end
from workbench.runs.models import Run, Status
from workbench.sessions.models import SessionLink
from workbench.uploads.models import Upload
from workbench.uploads.selectors import picture_fields

# Accounts, and guests who came by a link of that role; both of an ended link are guests.
ENDED = ("stranger", "expired", "revoked")
MEMBERS = ("viewer", "commenter", "editor")
GUESTS = ("guest_viewer", "guest_commenter", "guest_editor")
EVERYBODY = (*ENDED, *MEMBERS, "owner", "other", *GUESTS)

ARRAY = b"12345678"
PICTURE = png_bytes(np.zeros((2, 3, 3), np.uint8))


@dataclass(frozen=True)
class SessionWorld:
    """`people`: a client for each of EVERYBODY; `names`: values for addresses and bodies."""

    people: dict[str, Client]
    names: dict[str, str]


def make_world(*, owner: Client, make_run: Callable[..., Run], settings: Any) -> SessionWorld:
    """Create the session through the API, as its owner."""
    settings.ANONYMOUS_LINKS = True
    run = _make_run(make_run)
    session = taken(send(owner, "post", "/api/sessions", {"title": "Balls"}), 201)["id"]
    path = f"/api/sessions/{session}"
    taken(send(owner, "post", f"{path}/runs", {"run": run.pk}), 204)
    people = {"stranger": Client(REMOTE_ADDR="192.0.2.9"), "owner": owner, "other": _other()}
    for role in MEMBERS:
        people[role] = _account(role)
        taken(send(owner, "post", f"{path}/members", {"username": role, "role": role}))
        people[f"guest_{role}"] = _guest(_link(owner, path, role))
    says = {"panel": str(uuid.uuid4()), "anchor": {"type": "panel"}, "body": "Look"}
    thread = taken(send(people["commenter"], "post", f"{path}/threads", says), 201)
    expired, revoked, valid = (_link(owner, path, "editor") for _ in range(3))
    people |= {"expired": _guest(expired), "revoked": _guest(revoked)}
    past = timezone.now() - timedelta(seconds=1)
    SessionLink.objects.filter(pk=expired["id"]).update(expires_at=past)
    taken(owner.delete(f"{path}/links/{revoked['id']}"), 204)
    names = {
        "session": session,
        "session_id": session,
        "run": str(run.pk),
        "run_id": str(run.pk),
        "array": hashlib.sha256(ARRAY).hexdigest(),
        "picture": hashlib.sha256(PICTURE).hexdigest(),
        "link": valid["id"],
        "token": valid["token"],
        "ended_token": revoked["token"],
        "username": "commenter",
        "thread": thread["id"],
        "comment": thread["comments"][0]["id"],
        "model_id": "toy",
        "new": str(uuid.uuid4()),
    }
    return SessionWorld(people, names)


def _account(name: str) -> Client:
    client = Client(REMOTE_ADDR="192.0.2.6")
    client.force_login(User.objects.create_user(name))
    return client


def _other() -> Client:
    """The owner of another session."""
    client = _account("other")
    taken(send(client, "post", "/api/sessions", {"title": "Mine"}), 201)
    return client


def _link(owner: Client, path: str, role: str) -> Any:
    return taken(send(owner, "post", f"{path}/links", {"role": role}), 201)


def _guest(link: Any) -> Client:
    client = Client(REMOTE_ADDR="192.0.2.7")
    taken(open_link(client, link["token"]))
    return client


def _make_run(make_run: Callable[..., Run]) -> Run:
    """A finished run with an array, a picture, and a picture that it was made from."""
    run = run_claim(run=make_run().id, worker="w")
    assert run is not None
    sizes = {}
    for content in (ARRAY, PICTURE):
        sha256 = hashlib.sha256(content).hexdigest()
        artifact_save(sha256=sha256, content=content)
        sizes[sha256] = len(content)
    event_append(run=run.id, attempt=1, events=[Pending(2, "{}", sizes)])
    run_end(run=run.id, attempt=1, status=Status.DONE)
    sha256 = hashlib.sha256(PICTURE).hexdigest()
    upload = Upload(owner=run.owner, sha256=sha256, width=3, height=2, size=len(PICTURE))
    default_storage.save(upload.storage_name, ContentFile(PICTURE))
    upload.save()
    name = picture_fields(method_get("seg_similarity"))[0]
    Run.objects.filter(pk=run.pk).update(params={**run.params, name: sha256})
    return run
