"""What the cost of a run depends on: params, sizes, tokens and device."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.catalog.capabilities import serving
from analysis.catalog.dtypes import AUTO, Dtype, weights_dtype
from analysis.catalog.entries import Entry
from analysis.catalog.folder import reading
from analysis.catalog.metadata import ModelMetadata, read_metadata
from analysis.catalog.tokenizer_file import opened_by, read_codec
from analysis.workload import Device

CHARACTERS = 3.5  # per token, where a model has no tokenizer.json
MARK = "<s>"  # a token without a text of its own
TEMPLATE = 16  # tokens that a chat template adds, about


@dataclass(frozen=True)
class CostCase:
    """Params with their defaults, the model's metadata and folder, and the device.

    `serving` is the capability for which the method takes the model.
    """

    params: Mapping[str, Any]
    model: ModelMetadata
    folder: Path
    device: Device
    serving: str
    dtype: str  # of the loaded weights
    loaded_name: str

    def __getitem__(self, name: str) -> Any:
        return self.params[name]

    @property
    def tokens(self) -> int:
        """Tokens of what is typed: the prompt, or the segments and the question."""
        if "segments" not in self.params:
            return self.prompt_tokens if "prompt" in self.params else self.count(self["question"])
        typed = [one if isinstance(one, str) else one.get("text", "") for one in self["segments"]]
        return sum(self.count(text) for text in (*typed, str(self["question"])))

    @property
    def opening(self) -> int:
        """Special tokens before a text."""
        return opened_by(self.folder)

    @cached_property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt, as the model gets it."""
        return self._before + self.count(str(self.params.get("prompt", "")))

    @cached_property
    def prompt(self) -> list[str]:
        """The texts of the prompt's tokens, as the model gets them."""
        return [MARK] * self._before + self.texts(str(self.params.get("prompt", "")))

    @property
    def _before(self) -> int:
        return TEMPLATE if self.params.get("chat") else self.opening

    def texts(self, given: str) -> list[str]:
        """The texts of a text's tokens; of about as many where there is no tokenizer.json."""
        codec = read_codec(self.folder)
        if codec is None:
            return [given[at : at + 4] for at in range(0, len(given), 4)]
        with reading(self.folder.name):
            return [codec.decode([token]) for token in codec.encode(_encodable(given))]

    def count(self, given: str | list[int] | int) -> int:
        """Number of tokens of a text, or of ids."""
        if isinstance(given, int):
            return 1
        if not isinstance(given, str):
            return len(given)
        codec = read_codec(self.folder)
        if codec is None:
            return round(len(given) / CHARACTERS)
        with reading(self.folder.name):
            return len(codec.encode(_encodable(given)))

    def continued(self, given: str) -> int:
        """Number of tokens of a text that continues another."""
        codec = read_codec(self.folder)
        if codec is None:
            return self.count(given)
        with reading(self.folder.name):
            return len(codec.continued([], _encodable(given)))


def _encodable(given: str) -> str:
    """The text without lone surrogates, which the run itself refuses."""
    return given.encode("utf-8", "replace").decode()


def case_of(
    entry: Entry,
    params: Mapping[str, Any],
    needs: tuple[str, ...],
    *,
    kind: str,
    memory: int,
    dtype: Dtype = AUTO,
) -> CostCase:
    """The case of a model whose files are here, on a device. Raises ModelUnreadable."""
    assert entry.path is not None
    metadata = read_metadata(entry.path)
    weights = weights_dtype(kind, metadata.dtype, dtype)
    device = Device(kind, memory, 4 if weights == "float32" else 2)
    use = serving(needs, metadata.capabilities) or ""
    name = loaded_name(entry.id, entry.revision or "", weights)
    return CostCase(params, metadata, entry.path, device, use, weights, name)


def loaded_name(model: str, revision: str, dtype: str) -> str:
    """How a process names a model that it holds."""
    return f"{model}@{revision} {dtype}"
