"""Writes a zip file as a stream; only one block of one member is in memory."""

import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from functools import partial

from asgiref.sync import sync_to_async
from django.utils import timezone

ZipMember = tuple[str, Iterable[bytes]]


class _Sink:
    """A write-only file; `take` returns what was written since the last call."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to flush."""

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
    """The blocks as an asynchronous iterator; each is computed in a thread."""
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
