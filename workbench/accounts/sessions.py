"""Whether a login that opened a socket still stands."""

from typing import Any, cast

from channels.auth import get_user
from django.contrib.sessions.backends.db import SessionStore


async def login_stands(scope: dict[str, Any]) -> bool:
    """False after logout, after a change of password, or for an account switched off."""
    if scope.get("local"):
        return True
    fresh = SessionStore(scope["session"].session_key)
    user = await get_user(cast(Any, {"session": fresh}))
    return bool(user.pk is not None and user.pk == scope["user"].pk)
