"""A zip file while it is being made: as much of it in memory as one block of one member."""

import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from functools import partial

from asgiref.sync import sync_to_async
from django.utils import timezone

ZipMember = tuple[str, Iterable[bytes]]


class _Sink:
    """Takes what the zip file writes, and gives it away again; it cannot go back."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


def zip_stream(members: Iterable[ZipMember]) -> Iterator[bytes]:
    """The zip file of members (name, blocks of content), in blocks."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name, blocks in members:
            with archive.open(_info(name, timezone.now()), "w", force_zip64=True) as file:
                for block in blocks:
                    file.write(block)
                    yield sink.take()
            yield sink.take()
    yield sink.take()


async def in_turn(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Blocks whose making waits for the database, for a server that must not wait."""
    following = sync_to_async(partial(next, blocks, None))
    while (block := await following()) is not None:
        if block:
            yield block


def _info(name: str, at: datetime) -> zipfile.ZipInfo:
    moment = (at.year, at.month, at.day, at.hour, at.minute, at.second)
    info = zipfile.ZipInfo(name, moment)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info
