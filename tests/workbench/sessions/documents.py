"""Documents of pages and hostile updates, for the tests of sessions."""

from typing import Any

import pytest
from pycrdt import Doc, Map, Text, write_message, write_var_uint

from workbench.errors import UpdateRefused
from workbench.sessions.crdt import SharedDocument

PANEL = "11111111-1111-4111-8111-111111111111"
RUN = "22222222-2222-4222-8222-222222222222"

# Written by Yjs 13.6: a title and a note, then an insertion, a deletion, a value replaced.
YJS = [
    "010c07002801046d657461057469746c6501771657686f20686173207468652062616c6c3f20f09f8f802701067061"
    "6e656c732431313131313131312d313131312d343131312d383131312d313131313131313131313131012800070104"
    "6b696e640177046e6f74652800070105706c616365017702613028000701047370616e017d0c280007010668656967"
    "6874017c4370800028000701067265706f7274017827000701047465787402040007070f23204e6f7465730af09f98"
    "80206f6b270007010763617074696f6e02270007010573746174650128000716056c617965720177013300",
    "01010718c4070e070f08206f6620416e6e6100",
    "000107010802",
    "01010720a80705017e0107010501",
]


class DocumentClient:
    """A page's document; its updates are collected as Yjs would send them."""

    def __init__(self, *updates: bytes, number: int | None = None) -> None:
        self.doc: Doc[Any] = Doc(client_id=number)
        self.meta = self.doc.get("meta", type=Map)
        self.panels = self.doc.get("panels", type=Map)
        for update in updates:
            self.doc.apply_update(update)
        self.sent: list[bytes] = []
        self._watching = self.doc.observe(lambda event: self.sent.append(event.update))

    def write(self, panel: str = PANEL, **fields: Any) -> bytes:
        """Set fields of a panel, made where it is missing; one update."""
        self.sent.clear()
        with self.doc.transaction():
            if panel not in self.panels:
                self.panels[panel] = Map()
            for key, value in fields.items():
                self.panels[panel][key] = value
        return self.sent[0]

    def note(self, text: str = "", panel: str = PANEL) -> bytes:
        return self.write(panel, kind="note", place="a0", text=Text(text))


def refused(update: bytes, *before: bytes) -> str:
    with pytest.raises(UpdateRefused) as caught:
        SharedDocument(before).apply(update)
    assert caught.value.remedy
    return caught.value.message


def rivals(clients: range) -> bytes:
    """An update in which each client sets the title, none having seen another's."""
    value = b"\1\x77" + write_message(b"x")
    written = b"\x28\1" + write_message(b"meta") + write_message(b"title") + value
    blocks = [b"\1" + write_var_uint(client) + b"\0" + written for client in clients]
    return write_var_uint(len(blocks)) + b"".join(blocks) + b"\0"
