"""The files of a model folder: its JSON, its safetensors headers, the folders of its parts."""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from analysis.catalog.folder import INDEX, index_files
from analysis.errors import ModelUnreadable

PIPELINE_INDEX = "model_index.json"  # what diffusers writes next to the folders of the parts
MASK_DECODER = "mask_decoder"
CHAT_TEMPLATES = "additional_chat_templates"  # transformers' name
WHOLE = "model.safetensors"  # read before any index
PART_NAME = re.compile(r"\w+")
MOST_JSON_BYTES = 200 * 2**20  # the largest tokenizer.json of the hub have some 35 MB
# A second copy of the same weights; Mistral's own is named consolidated.
VARIANT = re.compile(r"\.(fp16|fp8|bf16|non_ema|ema)\b|^consolidated\b")


# Tensors that pack several 4-bit weights into a number, and tensors of their scales and offsets.
PACKED = {"U8": 2, "I32": 8}
PACKED_NAME = re.compile(r"(_blocks|\.weight|\.qweight|\.weight_packed)$")
UNPACKS = re.compile(
    r"(_scale_inv|\.scales|\.qzeros|\.g_idx|\.SCB|\.weight_(scale|zero_point|shape|format)"
    r"|\.weight\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\..*))$"
)


class Weights(NamedTuple):
    """What the headers of one folder's safetensors files say; packed weights are counted each."""

    parameters: int
    bytes: int
    dtypes: frozenset[str]

    @property
    def dtype(self) -> str:
        """The dtypes in one text, such as "BF16, F32"."""
        return ", ".join(sorted(self.dtypes))


def is_pipeline(path: Path) -> bool:
    return (path / PIPELINE_INDEX).is_file()


def pipeline_parts(path: Path) -> dict[str, str]:
    """Class by folder of a pipeline's parts, without those that are left out of it."""
    index = read_json(path, PIPELINE_INDEX)
    return {
        name: entry[1]
        for name, entry in index.items()
        if PART_NAME.fullmatch(name)
        and isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[1], str)
    }


def part_folders(path: Path) -> list[Path]:
    """Folders below a model's own whose files belong to it. Raises ModelUnreadable."""
    names = list(pipeline_parts(path)) if is_pipeline(path) else [MASK_DECODER, CHAT_TEMPLATES]
    return [path / name for name in names if (path / name).is_dir()]


def read_config(path: Path) -> dict[str, Any]:
    """config.json of a folder. Raises ModelUnreadable."""
    return read_json(path, "config.json")


def read_json(path: Path, name: str) -> dict[str, Any]:
    """An object in a JSON file of a folder. Raises ModelUnreadable."""
    file = path / name
    if not file.is_file():
        raise ModelUnreadable(
            f"{path.name} has no {name}.", remedy="Save it with model.save_pretrained(folder)."
        )
    try:
        if file.stat().st_size > MOST_JSON_BYTES:
            raise ModelUnreadable(
                f"{name} of {path.name} is larger than {MOST_JSON_BYTES} bytes.",
                remedy="Save the model again.",
            )
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise vanished(file, error) from None
    except (ValueError, RecursionError) as error:
        raise ModelUnreadable(
            f"{name} of {path.name} is not JSON: {error}.", remedy="Save the model again."
        ) from None
    if not isinstance(found, dict):
        raise ModelUnreadable(
            f"{name} of {path.name} is not an object.", remedy="Save the model again."
        )
    return found


def read_json_if_there(path: Path, name: str) -> dict[str, Any]:
    """As `read_json`; an empty object where there is no such file."""
    return read_json(path, name) if (path / name).is_file() else {}


def weight_files(path: Path) -> list[Path]:
    """The safetensors files of a folder that transformers reads, of those that its index names.

    Raises ModelUnreadable if there is none, or not each that is named.
    """
    files = sorted(path.glob("*.safetensors"))
    files = [file for file in files if not VARIANT.search(file.name)] or files
    named = _shards(path)
    absent = _absent(path, named)
    if absent:
        more = f" and {len(absent) - 1} more files" if len(absent) > 1 else ""
        raise ModelUnreadable(
            f"{path.name} lacks {absent[0]}{more}, which {named[absent[0]]} names.",
            remedy="Copy what is missing, or download the model again.",
        )
    if not files:
        raise _without_weights(path)
    return [file for file in files if file.name in named] or files


def missing_shards(path: Path) -> list[str]:
    """Files that the index of a folder's weights names and that are not there."""
    return _absent(path, _shards(path))


def _absent(path: Path, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not (path / name).is_file())


def _shards(path: Path) -> dict[str, str]:
    """By the file names of split weights, the index that names them; transformers reads a whole
    file before any index.
    """
    if (path / WHOLE).exists() or (path / WHOLE).is_symlink():
        return {}
    indices = [found for found in sorted(path.glob(INDEX)) if not VARIANT.search(found.name)]
    return {
        name: index.name
        for index in indices
        for name in index_files(index)
        if name.endswith(".safetensors")
    }


def _without_weights(path: Path) -> ModelUnreadable:
    others = [file.name for file in path.glob("*.bin")]
    remedy = "Save it with model.save_pretrained(folder), which writes safetensors."
    found = f" (only {', '.join(others[:3])}, which could run code when read)" if others else ""
    return ModelUnreadable(f"{path.name} has no *.safetensors file{found}.", remedy=remedy)


def read_weights(path: Path) -> Weights:
    """Elements, bytes and dtypes of a folder's weights. Raises ModelUnreadable."""
    headers = [_header(file) for file in weight_files(path)]
    return Weights(
        sum(header.parameters for header in headers),
        sum(header.bytes for header in headers),
        frozenset().union(*(header.dtypes for header in headers)),
    )


def _header(file: Path) -> Weights:
    try:
        stat = file.stat()
    except OSError as error:
        raise vanished(file, error) from None
    return _read_header(file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)
def _read_header(file: Path, size: int, mtime_ns: int) -> Weights:
    del mtime_ns  # part of the cache key: a changed file is read again
    elements, dtypes = 0, set()
    try:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a dict)
                part = tensors.get_slice(name)
                count = 1
                for length in part.get_shape():
                    count *= length
                elements += _values(name, part.get_dtype(), count)
                dtypes.add(part.get_dtype())
    except (SafetensorError, OSError) as error:
        raise ModelUnreadable(
            f"{file.name} of {file.parent.name} cannot be read: {error}.", remedy="Copy it again."
        ) from None
    return Weights(elements, size, frozenset(dtypes))


def _values(name: str, dtype: str, count: int) -> int:
    """Weights that a stored tensor stands for; none where it only helps to unpack others."""
    if UNPACKS.search(name) or (dtype == "U8" and name.endswith("_scales")):
        return 0
    packs = dtype in PACKED and PACKED_NAME.search(name)
    return PACKED[dtype] * count if packs else count


def vanished(file: Path, error: OSError) -> ModelUnreadable:
    return ModelUnreadable(
        f"{file.name} of {file.parent.name} cannot be read: {error.strerror}.",
        remedy="Copy it again.",
    )
