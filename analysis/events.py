"""Events of a method: typed, finite, discriminated on `kind`.

An event contains its arrays as numpy arrays. When it leaves the process it is dumped with a context
`{"store": callable}`. The callable turns an array into an `ArrayRef`, inline or by content hash, so
that methods do not depend on files, databases or sockets.
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

NO_LIMIT = 2**31  # tokens: longer than any text
DTYPES = ("float32", "float64", "int32", "uint8")


class ArrayRef(BaseModel):
    """A serialized array: little-endian, row-major, inline (`data`) or to be fetched."""

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


class Record(BaseModel):
    """A part of an event or of the params."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Event(BaseModel):
    """An event of a run."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True
    )


class Progress(Event):
    """Progress of a stage; `done` and `total` count `unit`s."""

    kind: Literal["progress"] = "progress"
    stage: str = Field(description="Description of the stage, for display.")
    done: int = Field(ge=0)
    total: int = Field(ge=0, description="Total number of units; 0: unknown.")
    unit: str = Field(description="Unit that is counted: probes, bytes, rows, steps.")


class SelfCheck(Record):
    """Self-check at load: the code paths of the methods compared with plain transformers.

    Numbers are logits; of a text-to-image pipeline, the states of its text encoders.
    """

    passed: bool
    max_abs_difference: float = Field(
        description="Largest |Δ| of the slow route: masks that hide nothing, or hooks."
    )
    max_abs_difference_fast: float = Field(description="Largest |Δ| of the SDPA model.")
    tolerance: float = Field(description="Largest difference that passes the check.")
    tokens: int = Field(description="Length of the compared prompt.")
    message: str = Field(
        default="", description="Reason for which the hooked model could not be built."
    )
    compared: str = Field(default="", description="What was compared, as a sentence.")
    abilities: dict[str, str] = Field(
        default={},
        description="What methods do with a model and was tried: masks, weights, positions, "
        "gradients, hooks. The value says why it failed; empty: it works.",
    )
    rounding_nats: float | None = Field(
        default=None,
        description="Rounding error of log-probabilities: the largest difference between exact "
        "code paths, but at least half a step of the dtype at the largest logit. null: unknown.",
    )


class Brings(Record):
    """Settings of a checkpoint, apart from its weights, that affect a run or `generate`."""

    template_date: str | None = Field(
        default=None, description="The date that the chat template used as today."
    )
    generation: dict[str, Any] = Field(
        default={}, description="Settings in generation_config.json, by field."
    )
    applied: dict[str, Any] | None = Field(
        default=None,
        description="Settings that the run applies when it generates text; null: see the traces.",
    )
    not_applied: dict[str, Any] | None = Field(
        default=None,
        description="Settings that generate would apply and the run does not; null: "
        "see the traces.",
    )
    pad_word: str | None = Field(
        default=None, description="The padding token, if it is an ordinary word."
    )


class ModelInfo(Record):
    """Description of a loaded model; sizes are those of its language model or text encoder."""

    id: str
    revision: str = Field(description="Content hash of a folder, commit of a hub model.")
    architecture: str
    parameters: int
    layers: int
    heads: int
    key_value_heads: int
    width: int
    context: int = Field(description="Maximum input length in tokens; 0: unlimited.")
    vocabulary: int
    dtype: str
    device: str
    capabilities: list[str]
    weights: str = Field(
        description="raw: as in the checkpoint, without folding or centring; else which adapter "
        "was merged into them."
    )
    attention: str | None = Field(
        default=None,
        description="How forward passes compute attention: sdpa, eager. null: not recorded. "
        "Attention weights are always read by eager attention.",
    )
    attention_reason: str = Field(default="", description="Why not sdpa, as part of a sentence.")
    self_check: SelfCheck | None = None
    brings: Brings | None = None

    @property
    def longest(self) -> int:
        """The maximum input length in tokens, a large number if there is no limit."""
        return self.context or NO_LIMIT


class ModelLoaded(Event):
    """The model has been loaded."""

    kind: Literal["model"] = "model"
    info: ModelInfo


class Omitted(Event):
    """An analysis that was requested and could not be made; the run goes on without it."""

    kind: Literal["omitted"] = "omitted"
    analysis: str = Field(description="Its name, as a heading.")
    reason: str = Field(description="Why it was left out, as a sentence.")


Common = Progress | ModelLoaded | Omitted
