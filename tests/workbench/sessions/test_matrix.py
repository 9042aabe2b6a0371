"""Every operation of the API and every message of the socket, requested by every kind of visitor.

The lists come from the API itself: what has no row here fails the tests. In addition,
a refused request must have changed nothing.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_database
from django.apps import apps
from django.core import serializers
from django.db import transaction
from django.test import Client
from pycrdt import Doc, Map

from tests.workbench.conftest import PARAMS
from tests.workbench.sessions.world import (
    ENDED,
    EVERYBODY,
    GUESTS,
    PICTURE,
    SessionWorld,
    make_world,
)
from tests.workbench.sockets import page
from workbench.api import api
from workbench.reports.bundle import bundle_build
from workbench.reports.document import PanelRecord, Report
from workbench.runs.models import Run
from workbench.sessions.protocol import REFUSED, SAVED, UPDATE, sync_frame
from workbench.sessions.roles import Role
from workbench.socket.messages import socket_schema

Expected = dict[str, int]


def by_role(needs: str, ok: int = 200) -> Expected:
    """Visitors with at least that role in the session; without a role it is not found."""
    statuses = dict.fromkeys(ENDED, 401) | {"other": 404}
    for role in Role:
        statuses[role] = statuses[f"guest_{role}"] = ok if role.allows(Role(needs)) else 403
    return {name: statuses[name] for name in EVERYBODY}


def admitted(ok: int = 200) -> Expected:
    """Visitors with an account or a valid link."""
    return {name: 401 if name in ENDED else ok for name in EVERYBODY}


def accounts(ok: int = 200, **others: int) -> Expected:
    """Visitors with an account."""
    guests = (*ENDED, *GUESTS)
    return {name: 401 if name in guests else others.get(name, ok) for name in EVERYBODY}


def everybody(ok: int) -> Expected:
    return dict.fromkeys(EVERYBODY, ok)


VIEWER, COMMENTER, EDITOR, OWNER = "viewer", "commenter", "editor", "owner"


@dataclass(frozen=True)
class MatrixRow:
    """The status for each visitor; words in braces are names of the world."""

    expected: Expected
    body: Any = None
    query: str = ""
    names: dict[str, str] = field(default_factory=dict)


RUN = {"id": "{new}", "method": "reagent", "model": "toy", "params": PARAMS}
ASKED = {name: RUN[name] for name in ("method", "model", "params")}
SAYS, PANEL = {"body": "Look"}, {"type": "panel"}
ARRAY, UPLOAD = {"sha256": "{array}"}, {"sha256": "{picture}"}

BUNDLE = bundle_build(Report("Balls", (PanelRecord(id=str(uuid.uuid4()), text="Who has them?"),)))

ROWS: dict[str, list[MatrixRow]] = {
    "me": [MatrixRow(admitted())],
    "methods": [MatrixRow(admitted())],
    "models": [MatrixRow(admitted())],
    "model": [MatrixRow(admitted())],
    "tokens": [MatrixRow(admitted(), {"model": "toy", "given": " ball"})],
    "workers": [MatrixRow(admitted())],
    "run_create": [
        MatrixRow(accounts(201), RUN),
        MatrixRow(by_role(EDITOR, 201), {**RUN, "session": "{session}"}),
    ],
    "estimate": [
        MatrixRow(accounts(), ASKED),
        MatrixRow(by_role(EDITOR), {**ASKED, "session": "{session}"}),
    ],
    "run_list": [MatrixRow(accounts()), MatrixRow(by_role(VIEWER), query="?session={session}")],
    "run_get": [MatrixRow(by_role(VIEWER))],
    "run_events": [MatrixRow(by_role(VIEWER))],
    "run_cancel": [MatrixRow(by_role(EDITOR))],
    "run_delete": [MatrixRow(by_role(OWNER, 204))],
    "artifact": [MatrixRow(by_role(VIEWER), names=ARRAY)],
    "picture": [MatrixRow(by_role(VIEWER), names=UPLOAD)],
    "upload_create": [MatrixRow(accounts(201, owner=200), PICTURE)],
    "upload_list": [MatrixRow(accounts())],
    "upload": [MatrixRow(by_role(VIEWER), names=UPLOAD)],
    "upload_delete": [MatrixRow(accounts(404, owner=204), names=UPLOAD)],
    "session_list": [MatrixRow(admitted())],
    "search": [MatrixRow(admitted(), query="?query=ball")],
    "session_create": [
        MatrixRow(accounts(201), {"title": "New"}),
        MatrixRow(
            accounts(201, viewer=403, commenter=403, other=404),
            {"title": "New", "template": "{session}"},
        ),
    ],
    "session_get": [MatrixRow(by_role(VIEWER))],
    "session_change": [
        MatrixRow(by_role(EDITOR), {"title": "Other"}),
        MatrixRow(by_role(OWNER), {"archived": True}),
        MatrixRow(by_role(OWNER), {"template": True}),
    ],
    "session_delete": [MatrixRow(by_role(OWNER, 204))],
    "session_duplicate": [MatrixRow(accounts(201, viewer=403, commenter=403, other=404))],
    "session_run_attach": [MatrixRow(by_role(EDITOR, 204), {"run": "{run}"})],
    "session_run_detach": [MatrixRow(by_role(EDITOR, 204))],
    # There is one comment, of the commenter.
    "thread_list": [MatrixRow(by_role(VIEWER))],
    "thread_create": [
        MatrixRow(by_role(COMMENTER, 201), {**SAYS, "panel": "{new}", "anchor": PANEL})
    ],
    "thread_change": [MatrixRow(by_role(COMMENTER), {"resolved": True})],
    "comment_create": [MatrixRow(by_role(COMMENTER, 201), SAYS)],
    "comment_change": [MatrixRow(by_role(OWNER) | {"commenter": 200, "owner": 403}, SAYS)],
    "comment_delete": [MatrixRow(by_role(OWNER, 204) | {"commenter": 204})],
    # Only visitors who may read the session learn that a panel does not exist.
    "session_export": [
        MatrixRow(by_role(VIEWER, 422), {"format": "markdown", "panels": ["{new}"]})
    ],
    "bundle_import": [MatrixRow(accounts(201), BUNDLE)],
    "member_list": [MatrixRow(by_role(COMMENTER))],
    "member_add": [MatrixRow(by_role(OWNER), {"username": "other", "role": "viewer"})],
    "member_change": [MatrixRow(by_role(OWNER), {"role": "editor"})],
    "member_remove": [
        # The member named here may leave.
        MatrixRow(by_role(OWNER, 204) | {"commenter": 204}),
    ],
    "session_hand_over": [MatrixRow(by_role(OWNER), {"username": "editor"})],
    "session_audit": [MatrixRow(accounts(403, owner=200, other=404))],
    "link_list": [MatrixRow(by_role(OWNER))],
    "link_create": [MatrixRow(by_role(OWNER, 201), {"role": "viewer"})],
    "link_revoke": [MatrixRow(by_role(OWNER, 204))],
    "link_open": [
        MatrixRow(everybody(200), {"token": "{token}"}),
        MatrixRow(everybody(404), {"token": "{ended_token}"}),
    ],
}

# What the server says to each message, asked by somebody who may read, and by somebody who may not.
FOLLOWING = ("event", "thread")  # comes after what is watched
MESSAGES: dict[str, tuple[dict[str, Any], str, str]] = {
    "watch": ({"run": "{run}"}, "run", "run_not_found"),
    "unwatch": ({"run": "{run}"}, "pong", "pong"),
    "watch_session": ({"session": "{session}"}, "session", "session_not_found"),
    "unwatch_session": ({"session": "{session}"}, "pong", "pong"),
    "ping": ({}, "pong", "pong"),
}


@cache
def operations() -> dict[str, tuple[str, str]]:
    """Verb and address of each operation that the API says it has."""
    paths = api.get_openapi_schema(path_prefix="/api/")["paths"]
    return {
        operation["operationId"]: (verb, path)
        for path, verbs in paths.items()
        for verb, operation in verbs.items()
    }


@pytest.fixture
def world(
    db: None, anna_client: Client, make_run: Callable[..., Run], settings: Any
) -> SessionWorld:
    return make_world(owner=anna_client, make_run=make_run, settings=settings)


@contextmanager
def undone() -> Iterator[None]:
    """Roll back all changes of the block."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def fill(part: Any, names: dict[str, str]) -> Any:
    if isinstance(part, dict):
        return {key: fill(value, names) for key, value in part.items()}
    if isinstance(part, str):
        for name, value in names.items():
            part = part.replace(f"{{{name}}}", value)
    return part


def everything() -> str:
    """All rows of our tables."""
    models = [model for model in apps.get_models() if model.__module__.startswith("workbench.")]
    rows = [row for model in models for row in model._default_manager.order_by("pk")]
    return serializers.serialize("json", rows)


def ask(client: Client, operation: str, row: MatrixRow, names: dict[str, str]) -> Any:
    verb, path = operations()[operation]
    names = {**names, **fill(row.names, names)}
    body = fill(row.body, names)
    content = {} if body is None else {"data": body if verb == "get" else encode(body)}
    address = fill(path + row.query, names)
    return client.generic(verb.upper(), address, content_type="application/json", **content)


def retitled(title: str) -> bytes:
    """A document's update that sets its title."""
    doc: Doc[Any] = Doc()
    doc.get("meta", type=Map)["title"] = title
    return doc.get_update()


def encode(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def test_each_operation_has_its_row() -> None:
    assert sorted(ROWS) == sorted(operations())


def test_each_message_has_its_row() -> None:
    mapping = socket_schema()["ClientMessage"]["discriminator"]["mapping"]
    assert sorted(MESSAGES) == sorted(mapping)


@pytest.mark.parametrize("operation", sorted(ROWS))
def test_every_operation_permits_what_the_role_permits(world: SessionWorld, operation: str) -> None:
    verb, before = operations()[operation][0], everything()
    for number, row in enumerate(ROWS[operation]):
        for name, client in world.people.items():
            with undone():
                answer = ask(client, operation, row, world.names)
                case = (operation, number, name, answer.status_code, answer.content[:300])
                assert answer.status_code == row.expected[name], case
                if answer.status_code >= 400:
                    assert answer.json()["remedy"], case
                    assert verb == "get" or everything() == before, case


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_everybody_receives_what_their_role_permits(
    anna_client: Client, make_run: Callable[..., Run], settings: Any
) -> None:
    world = await in_database(make_world)(owner=anna_client, make_run=make_run, settings=settings)
    for name, client in world.people.items():
        async with page(client) as socket:
            if name in ENDED:
                await socket.refused("login_required")
                assert await socket.output() == {"type": "websocket.close", "code": 4401}
                continue
            for kind, (body, shown, refusal) in MESSAGES.items():
                await socket.send(type=kind, **fill(body, world.names))
                if kind.startswith("unwatch"):  # it has no answer of its own
                    await socket.send(type="ping")
                message = await socket.receive()
                while message["type"] in FOLLOWING:
                    message = await socket.receive()
                expected = refusal if name == "other" else shown
                assert expected in (message["type"], message.get("code")), (name, kind, message)


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_editors_alone_change_the_document(
    anna_client: Client, make_run: Callable[..., Run], settings: Any
) -> None:
    world = await in_database(make_world)(owner=anna_client, make_run=make_run, settings=settings)
    path = f"/ws/sessions/{world.names['session']}"
    editors = by_role(EDITOR)
    for name, client in world.people.items():
        async with page(client, path=path) as socket:
            first = await socket.output()
            if name in ENDED or name == "other":
                code = 4404 if name == "other" else 4401
                assert (first["type"], first["code"]) == ("websocket.close", code), name
                continue
            await socket.send_frame(bytes=sync_frame(UPDATE, retitled(name)))
            while (kind := (await socket.output())["bytes"][0]) not in (SAVED, REFUSED):
                pass
            assert kind == (SAVED if editors[name] == 200 else REFUSED), name


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_stranger_receives_nothing(
    anna_client: Client, make_run: Callable[..., Run], settings: Any
) -> None:
    """Messages sent before the socket is closed are not answered either."""
    world = await in_database(make_world)(owner=anna_client, make_run=make_run, settings=settings)
    for name in ENDED:
        async with page(world.people[name]) as socket:
            await socket.refused("login_required")
            assert (await socket.output())["type"] == "websocket.close"
            for kind, (body, *_) in MESSAGES.items():
                await socket.send(type=kind, **fill(body, world.names))
            assert await socket.is_quiet()
