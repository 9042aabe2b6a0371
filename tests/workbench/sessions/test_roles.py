"""The role of a visitor, by ownership, membership or links; ended ones give no role."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from workbench.accounts.visitor import Visitor
from workbench.errors import RoleMissing, SessionNotFound
from workbench.sessions.access import session_role, sessions_readable
from workbench.sessions.models import Session, SessionLink, SessionMember
from workbench.sessions.roles import Role
from workbench.sessions.selectors import session_get

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(anna: User) -> Session:
    return Session.objects.create(owner=anna, title="Who has the ball?")


@pytest.fixture
def make_link(session: Session) -> Callable[..., SessionLink]:
    def make(role: Role, **changes: Any) -> SessionLink:
        token = uuid.uuid4().hex
        return SessionLink.objects.create(
            session=session, role=role, token_sha256=token, max_runs_per_hour=1, **changes
        )

    return make


def check(visitor: Visitor, session: Session, role: Role | None) -> None:
    """One selector, and the list, must agree with the role."""
    assert session_role(visitor, session) == role
    assert list(sessions_readable(visitor)) == ([session] if role else [])


def test_roles_are_ordered() -> None:
    assert [role.rank for role in Role] == [0, 1, 2, 3]
    assert Role.EDITOR.allows(Role.VIEWER)
    assert Role.EDITOR.allows(Role.EDITOR)
    assert not Role.COMMENTER.allows(Role.EDITOR)


def test_owner_and_member_by_name(anna: User, tom: User, session: Session) -> None:
    check(Visitor(anna), session, Role.OWNER)
    check(Visitor(tom), session, None)
    SessionMember.objects.create(session=session, user=tom, role=Role.COMMENTER)
    check(Visitor(tom), session, Role.COMMENTER)
    check(Visitor(None), session, None)


@pytest.mark.parametrize("role", ["viewer", "commenter", "editor"])
def test_a_guest_has_what_the_link_gives_while_it_stands(
    session: Session, make_link: Callable[..., SessionLink], role: Role
) -> None:
    link = make_link(role, expires_at=timezone.now() + timedelta(hours=1))
    guest = Visitor(None, frozenset({link.pk}), "3f2a81")
    assert guest.name == "Guest 3f2a"
    check(guest, session, Role(role))
    ended = {"expires_at": timezone.now() - timedelta(seconds=1)}, {"revoked_at": timezone.now()}
    for change in ended:
        SessionLink.objects.update(**{"expires_at": None, "revoked_at": None, **change})
        check(guest, session, None)


def test_a_link_that_ends_takes_no_more_than_it_gave(
    tom: User, session: Session, make_link: Callable[..., SessionLink]
) -> None:
    link = make_link(Role.EDITOR)
    SessionMember.objects.create(session=session, user=tom, role=Role.VIEWER)
    SessionMember.objects.create(session=session, user=tom, role=Role.EDITOR, link=link)
    check(Visitor(tom), session, Role.EDITOR)
    SessionLink.objects.update(revoked_at=timezone.now())
    check(Visitor(tom), session, Role.VIEWER)


GIVEN = st.tuples(st.sampled_from(Role.values[:3]), st.booleans(), st.booleans(), st.booleans())


@hypothesis_settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(named=st.none() | st.sampled_from(Role.values[:3]), links=st.lists(GIVEN, max_size=4))
def test_the_highest_valid_role_counts(
    tom: User,
    session: Session,
    make_link: Callable[..., SessionLink],
    named: str | None,
    links: list[tuple[str, bool, bool, bool]],
) -> None:
    """Any mixture of a membership and of valid and ended links, as member and as guest."""
    session.members.all().delete()
    session.links.all().delete()
    roles, opened = [], set()
    if named:
        session.members.create(user=tom, role=named)
        roles.append(Role(named))
    now = timezone.now()
    for role, expired, revoked, as_guest in links:
        ends = now + timedelta(hours=-1 if expired else 1)
        link = make_link(role, expires_at=ends, revoked_at=now if revoked else None)
        if as_guest:
            opened.add(link.pk)
        else:
            session.members.create(user=tom, role=role, link=link)
        if not (expired or revoked):
            roles.append(Role(role))
    highest = max(roles, key=lambda role: role.rank, default=None)
    check(Visitor(tom, frozenset(opened)), session, highest)


def test_a_low_role_is_reported_and_a_missing_role_is_not(
    anna: User, tom: User, session: Session
) -> None:
    with pytest.raises(SessionNotFound) as theirs:
        session_get(visitor=Visitor(tom), session=session.pk)
    with pytest.raises(SessionNotFound) as nobodys:
        session_get(visitor=Visitor(tom), session="x")
    assert theirs.value.message.replace(str(session.pk), "x") == nobodys.value.message
    SessionMember.objects.create(session=session, user=tom, role=Role.VIEWER)
    assert session_get(visitor=Visitor(tom), session=str(session.pk)) == session
    with pytest.raises(RoleMissing, match="viewer of this session"):
        session_get(visitor=Visitor(tom), session=session.pk, needs=Role.EDITOR)
