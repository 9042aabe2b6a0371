"""Reading sessions, always as the visitor may."""

from uuid import UUID

from workbench.accounts.visitor import Visitor, session_role
from workbench.errors import RoleMissing, SessionNotFound
from workbench.sessions.models import Session
from workbench.sessions.roles import Role


def session_get(
    *, visitor: Visitor, session: UUID | str, needs: Role = Role.VIEWER, lock: bool = False
) -> Session:
    """The session, for a visitor who has at least that role; `lock`: its row is held.

    Raises SessionNotFound (also for a session of others, and once a link has ended), RoleMissing.
    """
    found = Session.objects.select_related("owner")
    found = found.select_for_update(of=("self",)) if lock else found
    try:
        session_id = session if isinstance(session, UUID) else UUID(session)
        one = found.get(pk=session_id)
    except (Session.DoesNotExist, ValueError):
        raise _not_found(session) from None
    role = session_role(visitor, one)
    if role is None:
        raise _not_found(session)
    if not role.allows(needs):
        raise RoleMissing(
            f"You are {role.value} of this session; this takes the role {needs.value}.",
            remedy=f"Ask {one.owner.get_username()}, who owns it.",
        )
    return one


def _not_found(session: UUID | str) -> SessionNotFound:
    return SessionNotFound(
        f"There is no session {str(session)[:50]!a}, or it is not shared with you (any more).",
        remedy="Look it up in the list of sessions, or ask for a new link.",
    )
