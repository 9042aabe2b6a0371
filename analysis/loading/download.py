"""Bringing a hub model onto this machine, with progress; stopping stops it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from tqdm.auto import tqdm

from analysis.catalog.entries import Entry, hub_patterns
from analysis.catalog.files import PIPELINE_INDEX
from analysis.catalog.folder import first_line
from analysis.errors import HubUnreachable
from analysis.events import Event, Progress

FIRST_FILES = [PIPELINE_INDEX, "README.md"]  # they say which others there are


class DownloadStopped(Exception):
    """Ends the threads of a download that nobody waits for."""


class Bytes(tqdm):  # type: ignore[type-arg]
    """A progress bar that only counts, and raises DownloadStopped once `stopped` is set.

    Each download counts with a subclass of its own. A thread notices the stop with the next
    piece that arrives, or when huggingface_hub's time limit of 10 s ends its waiting.
    """

    bars: ClassVar[list["Bytes"]]
    stopped: ClassVar[threading.Event]

    @classmethod
    def of_one_download(cls) -> type["Bytes"]:
        return type("BytesOfOne", (cls,), {"bars": [], "stopped": threading.Event()})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "disable": True})
        self.total = self.total or 0
        if kwargs.get("unit") == "B":
            self.bars.append(self)

    def update(self, n: float | None = 1) -> bool | None:
        if self.stopped.is_set():
            raise DownloadStopped
        self.n += n or 0
        return None

    @classmethod
    def counted(cls) -> tuple[int, int]:
        """Bytes so far, and in all; a file may be counted by two bars, received and written."""
        done = max((int(bar.n) for bar in cls.bars), default=0)
        return done, max((int(bar.total or 0) for bar in cls.bars), default=0)


def download(entry: Entry) -> Iterator[Event]:
    """Bring a hub model into the cache, yielding bytes twice a second.

    Closing the generator stops the download; files that are complete are kept.
    Raises HubUnreachable.
    """
    outcome: list[Exception | None] = []
    bars = Bytes.of_one_download()
    thread = threading.Thread(
        target=_fetch, args=(entry, bars, outcome), name="download", daemon=True
    )
    thread.start()
    try:
        while not outcome:
            yield _progress(entry, bars)
            thread.join(0.5)
        yield _progress(entry, bars)
    finally:
        bars.stopped.set()
    if outcome[0] is not None:
        raise _unreachable(entry, outcome[0]) from outcome[0]


def _unreachable(entry: Entry, error: Exception) -> HubUnreachable:
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return HubUnreachable(
            f"The hub refused {entry.id}: HTTP {error.response.status_code}.",
            remedy="Check the id and the revision; for a gated model set HF_TOKEN.",
            field="model",
        )
    if isinstance(error, LocalEntryNotFoundError):
        return HubUnreachable(
            f"{entry.id} is not on this machine and the hub cannot be reached.",
            remedy="Connect to the network, or put the model's folder under MODEL_DIRS.",
            field="model",
        )
    return HubUnreachable(
        f"The download of {entry.id} broke off: {first_line(error)}.",
        remedy="Try again; files that are complete are kept.",
        field="model",
    )


def _progress(entry: Entry, bars: type[Bytes]) -> Progress:
    done, total = bars.counted()
    return Progress(
        stage=f"downloading {entry.id}", done=min(done, total), total=total, unit="bytes"
    )


def _fetch(entry: Entry, bars: type[Bytes], outcome: list[Exception | None]) -> None:
    try:
        first = _snapshot_fetch(entry, bars, FIRST_FILES, [])
        _snapshot_fetch(entry, bars, *hub_patterns(first))
        outcome.append(None)
    except Exception as error:  # noqa: BLE001 (raised where the download is waited for)
        outcome.append(error)


def _snapshot_fetch(
    entry: Entry, bars: type[Bytes], patterns: list[str], ignored: list[str]
) -> Path:
    found = huggingface_hub.snapshot_download(
        entry.repository,
        revision=entry.requested_revision,
        allow_patterns=patterns,
        ignore_patterns=ignored,
        tqdm_class=bars,
    )
    return Path(found)
