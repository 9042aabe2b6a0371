"""What a method yields: typed, finite, discriminated on `kind`.

An event holds its arrays as numpy arrays. Where it leaves the process it is dumped with a
context `{"store": callable}`; the callable turns an array into an `ArrayRef`, inline or by
content hash, so that methods know nothing of files, databases or sockets.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializationInfo,
    WithJsonSchema,
)

NO_LIMIT = 2**31  # tokens: more than any text has
DTYPES = ("float32", "float64", "int32", "uint8")


class ArrayRef(BaseModel):
    """An array as it travels: little-endian, row-major, inline (`data`) or to be fetched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["float32", "float64", "int32", "uint8"]
    shape: list[int]
    sha256: str = Field(description="Content hash of the bytes; the address of the artifact.")
    data: str | None = Field(
        default=None, description="The bytes in base64; null: fetch the artifact by its hash."
    )


Store = Callable[[np.ndarray], ArrayRef]


def inline_ref(array: np.ndarray) -> ArrayRef:
    """The array with its bytes in the reference itself."""
    ref = content_ref(array)
    return ref.model_copy(update={"data": base64.b64encode(array_bytes(array)).decode()})


def content_ref(array: np.ndarray) -> ArrayRef:
    """The reference of an array whose bytes are stored elsewhere under their hash."""
    dtype: Any = array.dtype.name
    digest = hashlib.sha256(array_bytes(array)).hexdigest()
    return ArrayRef(dtype=dtype, shape=list(array.shape), sha256=digest)


def array_bytes(array: np.ndarray) -> bytes:
    """Little-endian, row-major bytes."""
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()


def array_from_ref(ref: ArrayRef, fetch: Callable[[str], bytes]) -> np.ndarray:
    """The array of a reference; `fetch` reads an artifact by its hash."""
    content = fetch(ref.sha256) if ref.data is None else base64.b64decode(ref.data)
    return np.frombuffer(content, dtype=np.dtype(ref.dtype).newbyteorder("<")).reshape(ref.shape)


def _finite_array(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.name not in DTYPES:
        raise ValueError(f"array of dtype {array.dtype}; allowed are {', '.join(DTYPES)}")
    if not np.isfinite(array).all():
        raise ValueError(f"array of shape {array.shape} holds a number that is not finite")
    return array


def _dump_array(array: np.ndarray, info: SerializationInfo) -> dict[str, Any]:
    store: Store = (info.context or {}).get("store", inline_ref)
    return store(array).model_dump(mode="json")


Array = Annotated[
    np.ndarray,
    PlainValidator(_finite_array),
    PlainSerializer(_dump_array, when_used="always"),
    WithJsonSchema(ArrayRef.model_json_schema()),
]


class Event(BaseModel):
    """One thing that happened in a run."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True
    )


class Progress(Event):
    """How far a stage is; `done` and `total` count `unit`s."""

    kind: Literal["progress"] = "progress"
    stage: str = Field(description="What is being done, as a user would say it.")
    done: int = Field(ge=0)
    total: int = Field(ge=0, description="0: not known.")
    unit: str = Field(description="What is counted: probes, bytes, rows, steps.")


class SelfCheck(BaseModel):
    """The routes that methods take against plain transformers on a fixed input, at load.

    Numbers are logits; of a text-to-image pipeline, the states of its text encoders.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    passed: bool
    max_abs_difference: float = Field(description="Largest |Δ|, hooked eager route.")
    max_abs_difference_fast: float = Field(description="Largest |Δ|, SDPA route.")
    tolerance: float = Field(description="The difference up to which the check passes.")
    tokens: int = Field(description="Length of the prompt that was compared.")
    message: str = Field(default="", description="Why the hooked model could not be built.")
    compared: str = Field(default="", description="What was compared, as a sentence.")
    rounding_nats: float | None = Field(
        default=None,
        description="Differences of log-probabilities up to this are rounding: the largest between "
        "exact routes, at least half a step of the dtype at the largest logit. null: not known.",
    )


class Brings(BaseModel):
    """What a checkpoint brings beside its weights that changes a run, or `generate` would obey."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    template_date: str | None = Field(
        default=None, description="The day that the chat template took for today."
    )
    generation: dict[str, Any] = Field(
        default={}, description="What generation_config.json asks of generate, by field."
    )
    applied: dict[str, Any] | None = Field(
        default=None,
        description="Of this, what the run does where it writes text; null: traces tell it.",
    )
    not_applied: dict[str, Any] | None = Field(
        default=None, description="What generate would do and the run does not; null: likewise."
    )
    pad_word: str | None = Field(
        default=None, description="The padding token, where it is an ordinary word."
    )


class ModelInfo(BaseModel):
    """What a loaded model is; sizes are those of the part that reads text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str
    revision: str = Field(description="Content hash of a folder, commit of a hub model.")
    architecture: str
    parameters: int
    layers: int
    heads: int
    key_value_heads: int
    width: int
    context: int = Field(description="Longest input in tokens; 0: no limit of its own.")
    vocabulary: int
    dtype: str
    device: str
    capabilities: list[str]
    weights: str = Field(description="raw: as in the checkpoint, nothing folded or centred.")
    self_check: SelfCheck | None = None
    brings: Brings | None = None

    @property
    def longest(self) -> int:
        """The longest input in tokens, a number also where there is no limit."""
        return self.context or NO_LIMIT


class ModelLoaded(Event):
    """The model is in memory."""

    kind: Literal["model"] = "model"
    info: ModelInfo


Common = Progress | ModelLoaded
