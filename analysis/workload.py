"""What forward passes of a model cost in operations, bytes and seconds, without torch.

Symbols: B rows, N tokens computed per row, P tokens in the cache before them, T positions whose
logits are kept, L layers, H heads, D width, V vocabulary.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

# Floating-point operations of one forward pass, so that a pass stays well under 0.5 s.
PASS_OPERATIONS = {"cpu": 1.5e10, "cuda": 1e13}
PASS_MEMORY_SHARE = 0.2  # of the device's whole memory, so that a result does not depend on load
BACKWARD = 2  # a backward pass costs two forward passes
LAYER_CALLS = 60  # operations that torch is asked for per layer, whatever their size
FLOAT64_READS = 6  # reads and writes of a logit in float64 until its probability is known


@runtime_checkable
class Sizes(Protocol):
    """The sizes of a model that a cost depends on: ModelMetadata and ModelInfo have them."""

    @property
    def parameters(self) -> int: ...
    @property
    def layers(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...


@dataclass(frozen=True)
class PartSizes:
    """Sizes of a part of a model, such as the denoiser of a pipeline."""

    parameters: int
    layers: int
    heads: int
    width: int
    vocabulary: int = 0


@dataclass(frozen=True)
class Device:
    """Where a model runs: `kind` cpu or cuda, its memory, and bytes per weight."""

    kind: str
    memory: int
    itemsize: int = 4


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Forward passes of one kind.

    `rows` is the expected number of rows, `least` and `most` its bounds where it depends on the
    model's outputs. `tokens` are computed per row after `past` tokens in the cache; `kept` are the
    positions whose logits are kept. `forwards`: number of passes; None: as few as time and memory
    allow, of at most `limit` rows. `eager`: attention weights are computed as a whole.
    `optional`: the run leaves the stage out where it does not fit. `calls`: operations outside the
    model, in units of one call of torch.
    """

    name: str
    rows: float
    tokens: float
    past: float = 0
    kept: float = 1
    forwards: float | None = None
    limit: int = 2**31
    backward: bool = False
    eager: bool = False
    optional: bool = False
    least: float | None = None
    most: float | None = None
    calls: float = 0
    part: PartSizes | None = None


@dataclass(frozen=True)
class Speed:
    """What a device does per second: operations in large products, bytes read, and calls of torch
    that do next to nothing.
    """

    operations: float
    bytes: float
    calls: float


# Of a device that was never measured.
ORDINARY = {"cpu": Speed(5e10, 8e9, 3e5), "cuda": Speed(3e13, 1e12, 1.5e5)}


def operations(sizes: Sizes, tokens: float, *, past: float = 0, kept: float = 0) -> float:
    """Floating-point operations of one row: 2 per weight and token, attention, kept logits."""
    body = max(sizes.parameters - sizes.vocabulary * sizes.width, 1)
    attention = 4 * sizes.layers * sizes.width * tokens * (past + tokens)
    return 2 * body * tokens + attention + 2 * sizes.vocabulary * sizes.width * kept


def row_bytes(sizes: Sizes, length: float, kept: float) -> float:
    """A generous estimate of what one row of a forward pass takes beyond the weights.

    Some thirty float32 vectors per token, attention scores of one layer, and the kept logits
    in float32 with two float64 copies.
    """
    hidden = 30 * length * sizes.width + sizes.heads * length**2
    return 4 * hidden + (4 + 8 + 8) * kept * sizes.vocabulary


def rows_at_once(sizes: Sizes, device: Device, length: float, kept: float, limit: int) -> int:
    """Rows of `length` tokens for one pass: at most `limit`, well under half a second of work and
    a share of the device's memory. 0: a single row does not fit.
    """
    attention = 4 * sizes.layers * sizes.width * length**2
    by_time = int(PASS_OPERATIONS[device.kind] / (2 * sizes.parameters * length + attention))
    by_memory = int(PASS_MEMORY_SHARE * device.memory / row_bytes(sizes, length, kept))
    return max(1, min(limit, by_time, by_memory)) if by_memory else 0


def passes(stage: Stage, sizes: Sizes, device: Device) -> float:
    """The number of forward passes of a stage."""
    if stage.forwards is not None:
        return stage.forwards
    size = rows_at_once(stage.part or sizes, device, stage.tokens, stage.kept, stage.limit)
    return math.ceil(stage.rows / max(size, 1))


def seconds(stage: Stage, sizes: Sizes, device: Device, speed: Speed) -> float:
    """Expected duration of a stage on a device of that speed."""
    of = stage.part or sizes
    forwards = passes(stage, sizes, device)
    work = operations(of, stage.tokens, past=stage.past, kept=stage.kept) * stage.rows
    read = of.parameters * device.itemsize * forwards
    calls = LAYER_CALLS * of.layers * forwards
    times = 1 + BACKWARD if stage.backward else 1
    model = work / speed.operations + read / speed.bytes + calls / speed.calls
    logits = FLOAT64_READS * 8 * stage.rows * stage.kept * of.vocabulary / speed.bytes
    return times * model + logits + stage.calls / speed.calls


def peak_bytes(stage: Stage, sizes: Sizes, device: Device) -> int:
    """Peak of a stage beyond the weights, at the rows that one pass takes."""
    of = stage.part or sizes
    rows = stage.rows / max(passes(stage, sizes, device), 1)
    return round(rows * row_bytes(of, stage.tokens + stage.past, stage.kept))


def needed_bytes(stage: Stage, sizes: Sizes, device: Device) -> tuple[int, int]:
    """What a single row of a stage needs beyond the weights, and what it may take."""
    of = stage.part or sizes
    need = row_bytes(of, stage.tokens + stage.past, stage.kept)
    return round(need), int(PASS_MEMORY_SHARE * device.memory)
