"""How many messages and bytes a page may send over a session's socket."""

import time

from django.conf import settings

from workbench.sessions.roles import Role

# Typing, dragging and pointer moves together stay far below.
MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 120, 360
# A visitor who reconnects sends up to a whole document, once for each page that was offline.
BYTES_PER_SECOND, BYTES_AT_ONCE = 2 * 2**20, 4 * settings.MAX_DOCUMENT_BYTES
READER_BYTES_PER_SECOND, READER_BYTES_AT_ONCE = 64 * 2**10, 2**20


class Allowance:
    """A token bucket: how much a page may send at once, and then per second."""

    def __init__(self, *, at_once: float, a_second: float) -> None:
        self._most, self._rate = at_once, a_second
        self._left, self._at = at_once, time.monotonic()

    def take(self, amount: float = 1) -> bool:
        now = time.monotonic()
        grown = self._left + (now - self._at) * self._rate
        self._left, self._at = min(grown, self._most) - amount, now
        return self._left >= 0


class Allowances:
    """Limits of messages and bytes of one page; readers may send fewer bytes than editors."""

    def __init__(self) -> None:
        self.messages = Allowance(at_once=MESSAGES_AT_ONCE, a_second=MESSAGES_PER_SECOND)
        self.editor = Allowance(at_once=BYTES_AT_ONCE, a_second=BYTES_PER_SECOND)
        self.reader = Allowance(at_once=READER_BYTES_AT_ONCE, a_second=READER_BYTES_PER_SECOND)

    def refusal(self, size: int, role: Role) -> str | None:
        """Which limit this message exceeds; None if it exceeds none."""
        if not self.messages.take():
            return f"More than {MESSAGES_PER_SECOND} messages a second."
        edits = role.allows(Role.EDITOR)
        if not (self.editor if edits else self.reader).take(size):
            rate = BYTES_PER_SECOND if edits else READER_BYTES_PER_SECOND
            return f"More than {rate} bytes a second."
        return None
