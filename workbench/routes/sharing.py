"""Sharing over HTTP: members, links, change of owner, opening a link."""

import secrets
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel, Field, SecretStr

from workbench import redis_connection
from workbench.accounts.visitor import GUEST, LINKS, Visitor, request_visitor
from workbench.answers import REFUSALS, ErrorOut
from workbench.errors import TooManyTries
from workbench.routes.auth import anybody, guests
from workbench.routes.sessions import RequestBody
from workbench.sessions.access import session_role
from workbench.sessions.models import SessionLink, SessionMember
from workbench.sessions.roles import Role
from workbench.sessions.schemas import RoleWord, SessionOut
from workbench.sessions.selectors import link_list, member_list, session_get, session_snapshot
from workbench.sessions.sharing import (
    link_create,
    link_not_found,
    link_open,
    link_revoke,
    member_change,
    member_remove,
    member_set,
    session_hand_over,
)

MAX_GUEST_LINKS = 50
MINUTE = 60
MAX_SECONDS = 10 * 366 * 24 * 3600
SharedWord = Literal["viewer", "commenter", "editor"]

router = Router(tags=["sharing"], auth=guests)


class MemberRoleIn(RequestBody):
    role: SharedWord


class MemberIn(MemberRoleIn):
    username: str = Field(max_length=150)


class HeirIn(RequestBody):
    username: str = Field(max_length=150, description="A member of the session.")


class MemberOut(BaseModel):
    username: str
    role: RoleWord
    by_link: bool = Field(description="A member by a link, until the link ends.")


class LinkIn(RequestBody):
    role: SharedWord
    label: str = Field("", max_length=100)
    holds_seconds: int | None = Field(
        None,
        ge=1,
        le=MAX_SECONDS,
        description="From now on, by the server's clock; null: never expires.",
    )
    max_runs_per_hour: int | None = Field(None, ge=0, le=1000)


class LinkOut(BaseModel):
    """A link without its token, which is shown only once."""

    id: UUID
    role: SharedWord
    label: str
    created_by: str | None = Field(description="Null: the account is gone.")
    created_at: datetime
    expires_at: datetime | None
    state: Literal["open", "expired", "revoked"] = Field(description="Now, by the server's clock.")
    seconds_left: int | None = Field(description="Until an open link expires.")
    revoked_at: datetime | None
    max_runs_per_hour: int


class LinkMadeOut(LinkOut):
    token: str = Field(description="Shown only once; anyone who has it may open the session.")


class TokenIn(RequestBody):
    token: SecretStr = Field(max_length=200)


class LinkOpenedOut(BaseModel):
    session: UUID
    role: RoleWord


@router.get(
    "/sessions/{session}/members",
    response={200: list[MemberOut], REFUSALS: ErrorOut},
    operation_id="member_list",
)
def members(request: HttpRequest, session: UUID) -> list[MemberOut]:
    """The owner, then the members, oldest first."""
    visitor = request_visitor(request)
    owner = session_get(visitor=visitor, session=session, needs=Role.COMMENTER).owner
    first = MemberOut(username=owner.get_username(), role="owner", by_link=False)
    return [first, *map(_member, member_list(visitor=visitor, session=session))]


@router.post(
    "/sessions/{session}/members",
    response={200: MemberOut, REFUSALS: ErrorOut},
    operation_id="member_add",
)
def member_add(request: HttpRequest, session: UUID, body: MemberIn) -> MemberOut:
    visitor, role = request_visitor(request), Role(body.role)
    return _member(member_set(visitor=visitor, session=session, username=body.username, role=role))


@router.patch(
    "/sessions/{session}/members/{username}",
    response={200: MemberOut, REFUSALS: ErrorOut},
    operation_id="member_change",
)
def change(request: HttpRequest, session: UUID, username: str, body: MemberRoleIn) -> MemberOut:
    visitor, role = request_visitor(request), Role(body.role)
    return _member(member_change(visitor=visitor, session=session, username=username, role=role))


@router.delete(
    "/sessions/{session}/members/{username}",
    response={204: None, REFUSALS: ErrorOut},
    operation_id="member_remove",
)
def remove(request: HttpRequest, session: UUID, username: str) -> Status[None]:
    """Remove a member, or leave the session."""
    member_remove(visitor=request_visitor(request), session=session, username=username)
    return Status(204, None)


@router.post(
    "/sessions/{session}/handover",
    response={200: SessionOut, REFUSALS: ErrorOut},
    operation_id="session_hand_over",
)
def hand_over(request: HttpRequest, session: UUID, body: HeirIn) -> SessionOut:
    visitor = request_visitor(request)
    handed = session_hand_over(visitor=visitor, session=session, username=body.username)
    return session_snapshot(visitor=visitor, session=handed)


@router.get(
    "/sessions/{session}/links",
    response={200: list[LinkOut], REFUSALS: ErrorOut},
    operation_id="link_list",
)
def links(request: HttpRequest, session: UUID) -> list[LinkOut]:
    return [
        LinkOut(**_link(link))
        for link in link_list(visitor=request_visitor(request), session=session)
    ]


@router.post(
    "/sessions/{session}/links",
    response={201: LinkMadeOut, REFUSALS: ErrorOut},
    operation_id="link_create",
)
def link_add(request: HttpRequest, session: UUID, body: LinkIn) -> Status[LinkMadeOut]:
    asked = body.model_dump(exclude={"holds_seconds"}) | {"role": Role(body.role)}
    asked["holds"] = timedelta(seconds=body.holds_seconds) if body.holds_seconds else None
    link, token = link_create(visitor=request_visitor(request), session=session, **asked)
    return Status(201, LinkMadeOut(**_link(link), token=token))


@router.delete(
    "/sessions/{session}/links/{link}",
    response={204: None, REFUSALS: ErrorOut},
    operation_id="link_revoke",
)
def revoke(request: HttpRequest, session: UUID, link: UUID) -> Status[None]:
    link_revoke(visitor=request_visitor(request), session=session, link=link)
    return Status(204, None)


@router.post(
    "/links/open",
    response={200: LinkOpenedOut, REFUSALS: ErrorOut},
    operation_id="link_open",
    auth=anybody,
)
def open_link(request: HttpRequest, body: TokenIn) -> LinkOpenedOut:
    """Open a link: an account becomes a member, others become guests if the server allows them."""
    _check_tries(request)
    visitor = request_visitor(request)
    if not settings.ANONYMOUS_LINKS:
        visitor.account  # noqa: B018 (raises before the token is checked)
    link = link_open(visitor=visitor, token=body.token.get_secret_value())
    if visitor.user is None:
        visitor = _remember(request, link)
    role = session_role(visitor, link.session)
    if role is None:  # revoked meanwhile
        raise link_not_found()
    return LinkOpenedOut(session=link.session_id, role=role.value)


def _remember(request: HttpRequest, link: SessionLink) -> Visitor:
    """Store a guest's link in the login; the first link gives the login a new key."""
    login = request.session
    if LINKS not in login:
        login.cycle_key()
    others = [known for known in login.get(LINKS, []) if known != str(link.pk)]
    login[LINKS] = [*others, str(link.pk)][-MAX_GUEST_LINKS:]
    login.setdefault(GUEST, secrets.token_hex(8))
    return request_visitor(request)


def _check_tries(request: HttpRequest) -> None:
    """Raises TooManyTries."""
    address = request.META.get("REMOTE_ADDR", "")
    tries = redis_connection.tries_count(what="link", address=address, seconds=MINUTE)
    if tries > settings.LINK_OPENS_PER_MINUTE:
        raise TooManyTries(
            f"Links were opened {tries} times from here within a minute; the limit is "
            f"{settings.LINK_OPENS_PER_MINUTE}.",
            remedy="Wait a minute.",
        )


def _member(member: SessionMember) -> MemberOut:
    username = member.user.get_username()
    return MemberOut(
        username=username, role=Role(member.role).value, by_link=member.link_id is not None
    )


def _link(link: SessionLink) -> dict[str, Any]:
    left = (link.expires_at - timezone.now()).total_seconds() if link.expires_at else None
    ended = "expired" if left is not None and left <= 0 else "open"
    state = "revoked" if link.revoked_at else ended
    return {
        "id": link.pk,
        "role": link.role,
        "label": link.label,
        "created_by": link.created_by.get_username() if link.created_by else None,
        "created_at": link.created_at,
        "expires_at": link.expires_at,
        "revoked_at": link.revoked_at,
        "state": state,
        "seconds_left": int(left) if left is not None and state == "open" else None,
        "max_runs_per_hour": link.max_runs_per_hour,
    }
