"""Which models there are, and what their files say, without loading them (and without torch)."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import huggingface_hub
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from analysis.errors import ModelUnreadable, UnknownModel

BUNDLED = Path(__file__).resolve().parents[1] / "models"
CAPABILITIES = {
    "causal_lm": r"(ForCausalLM|LMHeadModel)$",
    "masked_lm": r"ForMaskedLM$",
    "vision_language": r"^(Llava|Qwen2VL|Qwen2_5_VL)\w*ForConditionalGeneration$",
    "masked_diffusion_lm": r"^(LLaDAModelLM|DreamModel)$",
}
# A revision is joined to a path of the hub's cache, so that it must not begin with a slash.
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(@[A-Za-z0-9][\w./-]{0,99})?")
HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.py"]
FOLDER_ID = re.compile(r"\w[\w. +-]{0,199}")
# Their first position is the padding token's id + 1, and that many fewer tokens can be read.
POSITIONS_AFTER_PADDING = {
    "camembert", "data2vec-text", "longformer", "mpnet", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip
WHOLE_HASH_BYTES = 64 * 2**20  # larger files are hashed by samples
SAMPLE_BYTES = 2**20
SAMPLES = 64
Source = Literal["bundled", "folder", "hub"]


@dataclass(frozen=True)
class Entry:
    """A model that can be asked for; `path` is None for a hub model not yet downloaded."""

    id: str
    source: Source
    path: Path | None

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
            f"There is no model {model_id[:100]!a}.",
            remedy="Choose one of: " + ", ".join(entry.id for entry in self.entries()) + "; or "
            "name a hub model as owner/name; or put a transformers folder under MODEL_DIRS.",
            field="model",
        )

    def revision(self, model_id: str) -> str | None:
        """Content hash of a folder, commit of a hub model (None until it is downloaded)."""
        entry = self.find(model_id)
        if entry.path is None:
            return None
        return entry.path.name if entry.source == "hub" else folder_revision(entry.path)

    def describe(self, model_id: str) -> dict[str, Any]:
        """What the files of a model say of it; `problem` says why it cannot be loaded."""
        entry = self.find(model_id)
        facts: dict[str, Any] = {"id": entry.id, "source": entry.source, "title": entry.title}
        if entry.path is None:
            return {**facts, **_no_facts(), "problem": None}
        try:
            return {**facts, **read_facts(entry.path), "problem": None}
        except ModelUnreadable as error:
            return {**facts, **_no_facts(), "problem": f"{error.message} {error.remedy}"}

    def _local(self) -> Iterator[Entry]:
        yield from _folders(self.bundled, "bundled")
        for root in self.model_dirs:
            yield from _folders(root, "folder")


def folder_entry(path: Path) -> Entry:
    """The entry of a folder named on the command line."""
    return Entry(path.resolve().name, "folder", path.resolve())


def read_facts(path: Path) -> dict[str, Any]:
    """Sizes and capabilities of a model folder. Raises ModelUnreadable."""
    config = read_config(path)
    text = _text_part(config)
    heads = _first(text, "num_attention_heads", "n_head", "n_heads")
    architecture = _architecture(config)
    present = capabilities(architecture)
    shapes, dtypes = read_headers(path)
    return {
        "architecture": architecture,
        "parameters": sum(shapes),
        "bytes": _weight_bytes(path),
        "layers": _first(text, "num_hidden_layers", "n_layer", "n_layers"),
        "heads": heads,
        "key_value_heads": text.get("num_key_value_heads") or heads,
        "width": _first(text, "hidden_size", "n_embd", "d_model"),
        "context": _context(text),
        "vocabulary": _checked_vocabulary(path, _first(text, "vocab_size")),
        "dtype": ", ".join(sorted(dtypes)),
        "capabilities": present,
        "missing": {
            name: f"The architecture is {architecture}."
            for name in CAPABILITIES
            if name not in present
        },
    }


def capabilities(architecture: str) -> list[str]:
    """What a model of this architecture can be used for."""
    return [name for name, pattern in CAPABILITIES.items() if re.search(pattern, architecture)]


def read_config(path: Path) -> dict[str, Any]:
    """config.json of a folder. Raises ModelUnreadable."""
    file = path / "config.json"
    if not file.is_file():
        raise ModelUnreadable(
            f"{path.name} has no config.json.", remedy="Save it with model.save_pretrained(folder)."
        )
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelUnreadable(
            f"config.json of {path.name} is not JSON: {error}.", remedy="Save the model again."
        ) from None
    if not isinstance(config, dict):
        raise ModelUnreadable(
            f"config.json of {path.name} is not an object.", remedy="Save the model again."
        )
    return config


def weight_files(path: Path) -> list[Path]:
    """The safetensors files of a folder. Raises ModelUnreadable if there is none."""
    files = sorted(path.glob("*.safetensors"))
    if not files:
        others = [file.name for file in path.glob("*.bin")]
        remedy = "Save it with model.save_pretrained(folder), which writes safetensors."
        found = f" (only {', '.join(others[:3])}, which could run code when read)" if others else ""
        raise ModelUnreadable(f"{path.name} has no *.safetensors file{found}.", remedy=remedy)
    return files


def read_headers(path: Path) -> tuple[list[int], set[str]]:
    """Element counts of all tensors, and their dtypes, from the safetensors headers."""
    counts, dtypes = [], set()
    for file in weight_files(path):
        try:
            with safe_open(file, framework="numpy") as tensors:
                for name in tensors.keys():  # noqa: SIM118 (not a dict)
                    part = tensors.get_slice(name)
                    size = 1
                    for length in part.get_shape():
                        size *= length
                    counts.append(size)
                    dtypes.add(part.get_dtype())
        except (SafetensorError, OSError) as error:
            raise ModelUnreadable(
                f"{file.name} of {path.name} cannot be read: {error}.", remedy="Copy it again."
            ) from None
    return counts, dtypes


def folder_revision(path: Path) -> str:
    """Content hash of the files that decide a result; same files elsewhere, same hash.

    The model's own code is among them: an administrator trusts this code, not a later one.
    Raises ModelUnreadable.
    """
    digest = hashlib.sha256()
    files = sorted(
        file
        for file in path.iterdir()
        if file.suffix in {".safetensors", ".json", ".model", ".txt", ".jinja", ".py"}
        and file.name != "report.json"
    )
    for file in files:
        digest.update(file.name.encode())
        try:
            stat = file.stat()
            digest.update(_file_digest(file, stat.st_size, stat.st_mtime_ns))
        except OSError as error:
            raise _vanished(file, error) from None
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1024)
def _file_digest(file: Path, size: int, mtime_ns: int) -> bytes:
    del mtime_ns  # part of the cache key: a changed file is read again
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as stream:
        if size <= WHOLE_HASH_BYTES:
            digest.update(stream.read())
            return digest.digest()
        for part in range(SAMPLES):
            stream.seek(part * (size - SAMPLE_BYTES) // (SAMPLES - 1))
            digest.update(stream.read(SAMPLE_BYTES))
    return digest.digest()


@lru_cache(maxsize=64)
def _tokenizer_size(file: Path, mtime_ns: int) -> int:
    del mtime_ns
    vocabulary = Tokenizer.from_file(str(file)).get_vocab(with_added_tokens=True)
    return max(vocabulary.values()) + 1


def _checked_vocabulary(path: Path, vocabulary: int) -> int:
    file = path / "tokenizer.json"
    if not file.is_file():
        return vocabulary
    try:
        size = _tokenizer_size(file, file.stat().st_mtime_ns)
    except Exception as error:  # noqa: BLE001 (tokenizers raises bare Exception)
        raise ModelUnreadable(
            f"tokenizer.json of {path.name} cannot be read: {error}.", remedy="Save it again."
        ) from None
    if size > vocabulary:
        raise ModelUnreadable(
            f"The tokenizer of {path.name} has ids up to {size - 1}, "
            f"the model's vocabulary ends at {vocabulary - 1}.",
            remedy="Put the tokenizer of this very model into the folder.",
        )
    return vocabulary


def _weight_bytes(path: Path) -> int:
    files = weight_files(path)
    try:
        return sum(file.stat().st_size for file in files)
    except OSError as error:
        raise _vanished(files[0], error) from None


def _vanished(file: Path, error: OSError) -> ModelUnreadable:
    return ModelUnreadable(
        f"{file.name} of {file.parent.name} cannot be read: {error.strerror}.",
        remedy="Copy it again.",
    )


def _text_part(config: dict[str, Any]) -> dict[str, Any]:
    part = config.get("text_config") or config
    if not isinstance(part, dict):
        raise ModelUnreadable(
            "text_config in config.json is not an object.", remedy="Save the model again."
        )
    return part


def _architecture(config: dict[str, Any]) -> str:
    names = config.get("architectures") or ["unknown"]
    if not isinstance(names, list) or not isinstance(names[0], str):
        raise ModelUnreadable(
            "architectures in config.json is not a list of names.", remedy="Save the model again."
        )
    return names[0]


def _context(text: dict[str, Any]) -> int:
    longest = _first(text, "max_position_embeddings", "n_positions", "max_sequence_length")
    if text.get("model_type") in POSITIONS_AFTER_PADDING:
        return longest - _first({"pad_token_id": 1, **text}, "pad_token_id") - 1
    return longest


def _first(config: dict[str, Any], *names: str) -> int:
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise ModelUnreadable(
        f"config.json names none of: {', '.join(names)}.", remedy="Save the model again."
    )


def _no_facts() -> dict[str, Any]:
    names = [
        "parameters",
        "bytes",
        "layers",
        "heads",
        "key_value_heads",
        "width",
        "context",
        "vocabulary",
    ]
    return {
        **dict.fromkeys(names, None),
        "architecture": None,
        "dtype": None,
        "capabilities": [],
        "missing": {},
    }


def _folders(root: Path, source: Source) -> Iterator[Entry]:
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if path.is_dir() and FOLDER_ID.fullmatch(path.name) and any(path.glob("*.json")):
            yield Entry(path.name, source, path)


def _snapshot(model_id: str) -> Path | None:
    """The files of a hub model, if all of them are on this machine."""
    repository, _, revision = model_id.partition("@")
    try:
        found = huggingface_hub.snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=HUB_FILES,
            local_files_only=True,
        )
    except LocalEntryNotFoundError:
        return None
    path = Path(found)
    return path if (path / "config.json").is_file() and list(path.glob("*.safetensors")) else None


def _downloaded() -> list[Entry]:
    try:
        repositories = huggingface_hub.scan_cache_dir().repos
    except huggingface_hub.CacheNotFound:
        return []
    names = sorted(found.repo_id for found in repositories if found.repo_type == "model")
    return [entry for name in names if (entry := Entry(name, "hub", _snapshot(name))).path]
