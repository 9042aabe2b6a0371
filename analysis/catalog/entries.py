"""Which models there are, and what their files say, without loading them (and without torch)."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import huggingface_hub
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from analysis.catalog.adapters import base_name, is_adapter
from analysis.catalog.files import (
    PIPELINE_INDEX,
    is_pipeline,
    missing_shards,
    pipeline_parts,
)
from analysis.catalog.metadata import ModelMetadata, read_metadata
from analysis.catalog.revision import folder_revision
from analysis.errors import ModelUnreadable, UnknownModel, shortened

BUNDLED = Path(__file__).resolve().parents[2] / "models"
# A revision is joined to a path of the hub's cache, so that it must not begin with a slash.
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(@[A-Za-z0-9][\w./-]{0,99})?")
HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.py"]
# Second copies of a pipeline's weights.
HUB_VARIANTS = ["*.fp16.*", "*.fp16-*", "*.bf16.*", "*.fp8.*", "*.ema.*", "*.non_ema.*"]
FOLDER_ID = re.compile(r"\w[\w. +-]{0,199}")
Source = Literal["bundled", "folder", "hub"]


@dataclass(frozen=True)
class Entry:
    """A model that can be asked for; `path` is None for a hub model not yet downloaded.

    Of a LoRA adapter it is the folder of the base model `base`, and `adapter` the adapter's own.
    """

    id: str
    source: Source
    path: Path | None
    adapter: Path | None = None
    base: str | None = None

    @property
    def title(self) -> str:
        return self.id

    @property
    def repository(self) -> str:
        """The hub repository, without the revision."""
        return self.id.partition("@")[0]

    @property
    def requested_revision(self) -> str | None:
        return self.id.partition("@")[2] or None

    @property
    def revision(self) -> str | None:
        """Content hash of a folder, commit of a hub model (None until it is downloaded).

        Raises ModelUnreadable.
        """
        if self.path is None:
            return None
        if self.adapter is not None:
            parts = f"{folder_revision(self.path)} {folder_revision(self.adapter)}"
            return hashlib.sha256(parts.encode()).hexdigest()[:16]
        return self.path.name if self.source == "hub" else folder_revision(self.path)


@dataclass(frozen=True)
class Description:
    """An entry with what its files say.

    `metadata` is None where they are not downloaded, or cannot be read: then `problem` says why.
    """

    entry: Entry
    metadata: ModelMetadata | None = None
    problem: str | None = None

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the model is known to be usable for."""
        return self.metadata.capabilities if self.metadata else ()


def describe(entry: Entry) -> Description:
    """What the files of an entry say of it."""
    if entry.path is None:
        return Description(entry)
    try:
        return Description(entry, read_metadata(entry.path))
    except ModelUnreadable as error:
        return Description(entry, problem=f"{error.message} {error.remedy}")


@dataclass(frozen=True)
class Catalog:
    """Bundled models, folders under `model_dirs`, and any hub id.

    `trusted_remote_code` lists `id@revision` for which a model's own Python code may run.
    An earlier folder hides a later one of the same name.
    """

    bundled: Path = BUNDLED
    model_dirs: tuple[Path, ...] = ()
    trusted_remote_code: frozenset[str] = frozenset()

    def entries(self) -> list[Entry]:
        """Bundled models and folders, by name; hub models only those downloaded."""
        found = {entry.id: entry for entry in reversed(list(self._local()))}
        return [*sorted(found.values(), key=lambda e: (e.source, e.id)), *_downloaded()]

    def find(self, model_id: str) -> Entry:
        """The entry of an id. Raises UnknownModel naming what there is."""
        for entry in self._local():
            if entry.id == model_id:
                return entry
        if HUB_ID.fullmatch(model_id) and ".." not in model_id:
            with suppress(HFValidationError):
                return Entry(model_id, "hub", _snapshot(model_id))
        raise UnknownModel(
            f"There is no model {shortened(model_id)}.",
            remedy="Choose one of: " + ", ".join(entry.id for entry in self.entries()) + "; or "
            "name a hub model as owner/name; or put a transformers folder under MODEL_DIRS.",
            field="model",
        )

    def with_base(self, entry: Entry) -> Entry:
        """An adapter's entry with its base model, where that is here and it can be merged."""
        if entry.path is None or entry.adapter is not None or not is_adapter(entry.path):
            return entry
        try:
            base = self._base(base_name(entry.path))
        except ModelUnreadable:  # described as what it is
            return entry
        if base is None or base.path is None:
            return entry
        return replace(entry, path=base.path, adapter=entry.path, base=base.id)

    def _base(self, name: str) -> Entry | None:
        """The model of that id, or else the folder of that name."""
        named = (name, name.rpartition("/")[2])
        folders = [found for found in self._folders() if found.path and not is_adapter(found.path)]
        found = next((one for one in folders for key in named if one.id == key), None)
        if found is None and HUB_ID.fullmatch(name) and ".." not in name:
            with suppress(HFValidationError):
                return Entry(name, "hub", _snapshot(name))
        return found

    def _local(self) -> Iterator[Entry]:
        yield from map(self.with_base, self._folders())

    def _folders(self) -> Iterator[Entry]:
        yield from _folders(self.bundled, "bundled")
        for root in self.model_dirs:
            yield from _folders(root, "folder")


def folder_entry(path: Path) -> Entry:
    """The entry of a folder named on the command line."""
    return Entry(path.resolve().name, "folder", path.resolve())


def _folders(root: Path, source: Source) -> Iterator[Entry]:
    try:
        found = sorted(root.iterdir())
    except OSError:  # not there, or not for this user to read
        return
    for path in found:
        if path.is_dir() and FOLDER_ID.fullmatch(path.name) and _holds_model(path):
            yield Entry(path.name, source, path)


def _holds_model(path: Path) -> bool:
    return any(path.glob("*.json")) or any(path.glob("*.gguf"))


def hub_patterns(path: Path) -> tuple[list[str], list[str]]:
    """Files to fetch of a hub repository, and to leave; `path` is its snapshot so far.

    A pipeline's repository often holds all its weights once more in single files.
    """
    if not is_pipeline(path):
        return HUB_FILES, []
    parts = [f"{part}/{pattern}" for part in pipeline_parts(path) for pattern in HUB_FILES]
    return [PIPELINE_INDEX, *parts], HUB_VARIANTS


def _snapshot(model_id: str) -> Path | None:
    """The files of a hub model, if all of them are on this machine."""
    try:
        path = _local_snapshot(model_id, [PIPELINE_INDEX], [])
        _local_snapshot(model_id, *hub_patterns(path))
        return path if _is_whole(path) else None
    except (LocalEntryNotFoundError, ModelUnreadable):
        return None


def _local_snapshot(model_id: str, patterns: list[str], ignored: list[str]) -> Path:
    repository, _, revision = model_id.partition("@")
    found = huggingface_hub.snapshot_download(
        repository,
        revision=revision or None,
        allow_patterns=patterns,
        ignore_patterns=ignored,
        local_files_only=True,
    )
    return Path(found)


def _is_whole(path: Path) -> bool:
    if is_pipeline(path):
        return all((path / part).is_dir() for part in pipeline_parts(path))
    weights = any(path.glob("*.safetensors")) and not missing_shards(path)
    return (path / "config.json").is_file() and weights


def _downloaded() -> list[Entry]:
    """Hub models on this machine, under each id by which one can be asked for."""
    try:
        repositories = huggingface_hub.scan_cache_dir().repos
    except huggingface_hub.CacheNotFound:
        return []
    names = sorted(
        name
        for found in repositories
        if found.repo_type == "model"
        for revision in found.revisions
        for name in _ids(found.repo_id, revision.refs, revision.commit_hash)
    )
    known = [name for name in names if HUB_ID.fullmatch(name)]
    return [entry for name in known if (entry := Entry(name, "hub", _snapshot(name))).path]


def _ids(repository: str, refs: frozenset[str], commit: str) -> list[str]:
    """A snapshot's ids: by branch and tag, or by commit where none points to it."""
    named = [repository if ref == "main" else f"{repository}@{ref}" for ref in sorted(refs)]
    return named or [f"{repository}@{commit}"]
