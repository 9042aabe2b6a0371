"""A run as a folder: manifest.json, events.jsonl, arrays/*.npy and pictures/*.png."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import analysis
from analysis.catalog.dtypes import AUTO, Dtype
from analysis.catalog.entries import Entry
from analysis.environment import environment
from analysis.errors import GlassbenchError, InvalidParams
from analysis.events import ArrayRef, Event, ModelLoaded, content_ref
from analysis.images.event import PictureRef, picture_ref, png_bytes
from analysis.images.files import PictureReader, no_pictures
from analysis.method import Method
from workbench.catalog.selectors import catalog


@dataclass
class RunFolder:
    """The folder to which a run is written."""

    path: Path
    hashes: set[str] = field(default_factory=set)
    picture_hashes: set[str] = field(default_factory=set)

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """A new or empty folder. Raises InvalidParams for any other."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InvalidParams(
                f"--out {path} exists and is not empty.",
                remedy="Name a new folder; nothing is overwritten.",
                field="out",
            )
        for name in ("arrays", "pictures"):
            (path / name).mkdir(parents=True, exist_ok=True)
        return cls(path)

    def record(
        self,
        method: Method,
        model: Entry,
        params: dict[str, Any],
        pictures: PictureReader = no_pictures,
        dtype: Dtype = AUTO,
    ) -> Iterator[Event]:
        """Run a method, write its events, and yield them.

        The manifest records how the run ended; the events written before an error stay.
        """
        manifest = self._begin(method, model, params, dtype)
        start = time.perf_counter()
        try:
            with (self.path / "events.jsonl").open("w", encoding="utf-8") as lines:
                for event in analysis.run(
                    method.stem,
                    model=model,
                    params=params,
                    catalog=catalog(),
                    pictures=pictures,
                    dtype=dtype,
                ):
                    with interrupt_delayed():
                        payload = event.model_dump(mode="json", context=self._stores)
                        lines.write(json.dumps(payload, ensure_ascii=False) + "\n")
                    if isinstance(event, ModelLoaded):
                        manifest["model"] = event.info.model_dump(mode="json")
                        manifest |= environment(model.path or catalog().find(model.id).path)
                    yield event
            manifest["status"] = "done"
        except GlassbenchError as error:
            manifest |= {"status": "failed", "error": error.as_dict()}
            raise
        except (KeyboardInterrupt, GeneratorExit):
            manifest["status"] = "cancelled"
            raise
        finally:
            manifest["seconds"] = round(time.perf_counter() - start, 3)
            manifest["arrays"] = sorted(self.hashes)
            manifest["pictures"] = sorted(self.picture_hashes)
            self._write(manifest)

    def _begin(
        self, method: Method, model: Entry, params: dict[str, Any], dtype: Dtype
    ) -> dict[str, Any]:
        manifest: dict[str, Any] = {
            "format": 1,
            "method": method.stem,
            "method_version": method.version,
            "model": {"id": model.id},
            "params": params,
            "dtype": dtype,
            "seed": params.get("seed"),
            **environment(None),
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": "running",
        }
        self._write(manifest)
        return manifest

    def _write(self, manifest: dict[str, Any]) -> None:
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        (self.path / "manifest.json").write_text(text + "\n", encoding="utf-8")

    @property
    def _stores(self) -> dict[str, Any]:
        return {"store": self._store, "picture_store": self._store_picture}

    def _store(self, array: np.ndarray) -> ArrayRef:
        ref = content_ref(array)
        if ref.sha256 not in self.hashes:
            np.save(self.path / "arrays" / f"{ref.sha256}.npy", array)
            self.hashes.add(ref.sha256)
        return ref

    def _store_picture(self, picture: np.ndarray) -> PictureRef:
        content = png_bytes(picture)
        ref = picture_ref(picture, content)
        (self.path / "pictures" / f"{ref.sha256}.png").write_bytes(content)
        self.picture_hashes.add(ref.sha256)
        return ref


@contextmanager
def interrupt_delayed() -> Iterator[None]:
    """Raise a Ctrl+C only after the block: inside pydantic it would become another error.

    Python receives signals only in its main thread; other threads need no delay.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if received:
        raise KeyboardInterrupt
