"""A session of Anna's, and visitors with and without access."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.workbench.sessions.calls import open_link, send, taken
from tests.workbench.sessions.pages import Process, process
from workbench.sessions import room
from workbench.sessions.models import Session, SessionMember
from workbench.sessions.roles import Role


@pytest.fixture
def session(anna: User) -> Session:
    return Session.objects.create(owner=anna, title="Who has the ball?")


@pytest.fixture
def member(session: Session, tom: User) -> SessionMember:
    """Tom, an editor of the session."""
    return SessionMember.objects.create(session=session, user=tom, role=Role.EDITOR)


@pytest.fixture
def other_process() -> Iterator[Process]:
    with process() as running:
        yield running


@pytest.fixture
def slow_reread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "REREAD_SECONDS", 3600)


@pytest.fixture
def path(session: Session) -> str:
    return f"/api/sessions/{session.pk}"


@pytest.fixture
def eve_client(db: None) -> Client:
    """A user without a role in the session."""
    client = Client(REMOTE_ADDR="192.0.2.4")
    client.force_login(User.objects.create_user("eve", password="eve's password"))
    return client


@pytest.fixture
def make_link(anna_client: Client, path: str) -> Callable[..., Any]:
    def make(role: str, **asked: Any) -> Any:
        return taken(send(anna_client, "post", f"{path}/links", {"role": role, **asked}), 201)

    return make


@pytest.fixture
def make_guest(
    db: None, settings: Any, make_link: Callable[..., Any]
) -> Callable[..., tuple[Client, Any]]:
    """A client without an account that has opened a link, and the link."""
    settings.ANONYMOUS_LINKS = True

    def make(role: str, **asked: Any) -> tuple[Client, Any]:
        client, link = Client(REMOTE_ADDR="192.0.2.5"), make_link(role, **asked)
        taken(open_link(client, link["token"]))
        return client, link

    return make
