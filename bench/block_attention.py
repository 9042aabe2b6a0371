"""block_attention compared with torch's causal attention, dense masks and FlexAttention.

All of a line's calls take turns in one process on the same tensors; the peers' masks and tables
are made before. Areas are shares of what causal attention over the same tokens reads.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.flex_attention import create_block_mask

from bench.table import Line
from kernels.block_attention import BlockStructure, block_attention, flex

SEGMENTS = 16
MOST = 4  # sources that each of the others reads, in top-m
REPEATS = 15
SLACK = 1.25  # on a GPU, of the area's share of the time of causal attention


@dataclass(frozen=True)
class MaskCase:
    """Tensors of one size; `tolerance` is of outputs, relative and absolute."""

    tokens: int
    heads: int
    key_heads: int
    width: int
    dtype: torch.dtype
    device: str
    tolerance: float


ON_CPU = MaskCase(4096, 8, 8, 64, torch.float32, "cpu", 1e-4)
FEW = (64, 256, 1024)  # tokens
ON_GPU = [MaskCase(n, 32, 8, 128, torch.bfloat16, "cuda", 2**-6) for n in (8192, 16384)]


def lines(case: MaskCase = ON_CPU, few: tuple[int, ...] = FEW) -> Iterator[Line]:
    for name, structure in structures(case.tokens).items():
        yield from _lines(name, structure, case)
    for tokens in few:
        yield _worst(MaskCase(tokens, 8, 8, 64, torch.float32, "cpu", 1e-4))
    yield _table_line(case)
    if not torch.cuda.is_available():
        yield Line("block attention on a GPU", "ms", refused="there is no GPU on this machine")
        return
    for on_gpu in ON_GPU:
        for name, structure in structures(on_gpu.tokens).items():
            yield from _lines(name, structure, on_gpu)


def structures(tokens: int) -> dict[str, BlockStructure]:
    """Which of 16 equal segments attends to which (`full`: 8 segments, each twice)."""
    lengths = [tokens // SEGMENTS] * SEGMENTS
    half = SEGMENTS // 2
    reads: dict[str, list[list[int]]] = {
        "causal": [list(range(n)) for n in range(SEGMENTS)],
        "parallel": [[]] * SEGMENTS,
        "star": [[]] * (SEGMENTS - 1) + [list(range(SEGMENTS - 1))],
        f"top-{MOST}": [[]] * MOST + [list(range(MOST))] * (SEGMENTS - MOST),
        "full": [[]] * half + [list(range(half))] * half,
    }
    return {name: BlockStructure.of(lengths, read) for name, read in reads.items()}


def share(structure: BlockStructure) -> float:
    """The structure's area as a share of that of causal attention."""
    return structure.area / BlockStructure.causal(structure.tokens).area


def _lines(name: str, structure: BlockStructure, case: MaskCase) -> Iterator[Line]:
    """Ours compared with each peer."""
    given = _tensors(case)
    ours = partial(block_attention, *given, structure)
    peers = _peers(structure, given)
    refused = {peer: _difference(call, ours, case) for peer, call in peers.items()}
    timed = {"ours": ours} | {peer: call for peer, call in peers.items() if not refused[peer]}
    taken = _milliseconds(timed, case.device)
    what = f"{name}, {case.tokens} tokens on {case.device}, area {share(structure):.3g}"
    goals = {"SDPA, dense mask": 1.0}
    if case.device == "cuda":
        goals["SDPA, causal"] = 1 / (SLACK * share(structure))
    details = {
        "route": ours().route,
        "area": share(structure),
        "threads": torch.get_num_threads(),
    }
    for peer in peers:
        yield Line(
            what, "ms", taken["ours"], peer, taken.get(peer), goals.get(peer),
            refused=refused[peer], details=details,
        )  # fmt: skip


def _worst(case: MaskCase) -> Line:
    """The structure of the five with the lowest speed-up over a dense mask."""
    ratios = []
    for name, structure in structures(case.tokens).items():
        given = _tensors(case)
        ours, dense = partial(block_attention, *given, structure), _dense(structure, given)
        refused = _difference(dense, ours, case)
        taken = _milliseconds({"ours": ours, "dense": dense}, case.device)
        ratios.append((taken["dense"] / taken["ours"], name, ours().route, taken, refused))
    _, name, route, taken, _ = min(ratios, key=lambda one: one[0])
    return Line(
        f"the worst of them at {case.tokens} tokens ({name})", "ms", taken["ours"],
        "SDPA, dense mask", taken["dense"], at_least_times=1,
        refused="; ".join(f"{one[1]}: {one[4]}" for one in ratios if one[4]),
        details={"route": route, "threads": torch.get_num_threads()},
    )  # fmt: skip


def _table_line(case: MaskCase) -> Line:
    """FlexAttention's table of blocks, from the structure and from a mask of all tokens."""
    structure, device = structures(case.tokens)["star"], torch.device(case.device)
    make = flex.block_mask.__wrapped__  # without its cache
    blocks = make(structure, device)
    n = case.tokens
    plain = partial(create_block_mask, blocks.mask_mod, None, None, n, n, case.device)
    same = torch.equal(plain().to_dense(), blocks.to_dense())
    calls = {"ours": lambda: make(structure, device), "peer": plain}
    taken = _milliseconds(calls, case.device)
    return Line(
        f"table of FlexAttention, star, {n} tokens", "ms", taken["ours"], "create_block_mask",
        taken["peer"], refused="" if same else "the tables differ",
    )  # fmt: skip


def _tensors(case: MaskCase) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(1, heads, case.tokens, case.width, generator=generator)
        .to(case.dtype)
        .to(case.device)
        for heads in (case.heads, case.key_heads, case.key_heads)
    )  # type: ignore[return-value]


def _peers(
    structure: BlockStructure, given: tuple[Tensor, Tensor, Tensor]
) -> dict[str, Callable[[], Any]]:
    """Causal attention attends to other tokens; it is a reference for time only."""
    grouped = given[0].shape[1] != given[1].shape[1]
    torch.compiler.reset()  # compiled for the structures before, of which it keeps a few only
    table = flex.block_mask(structure, given[0].device)
    return {
        "SDPA, causal": partial(
            F.scaled_dot_product_attention, *given, is_causal=True, enable_gqa=grouped
        ),
        "SDPA, dense mask": _dense(structure, given),
        "FlexAttention": partial(flex.compiled(), *given, block_mask=table, enable_gqa=grouped),
    }


def _dense(structure: BlockStructure, given: tuple[Tensor, Tensor, Tensor]) -> Callable[[], Tensor]:
    """Keys and values repeated before: with a mask, grouped heads would be its slowest path."""
    query, key, value = given
    group = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    mask = structure.mask(query.device)
    return partial(F.scaled_dot_product_attention, query, key, value, attn_mask=mask)


@torch.inference_mode()
def _difference(peer: Callable[[], Any], ours: Callable[[], Any], case: MaskCase) -> str:
    """Why the peer is not timed; causal attention is not compared."""
    if getattr(peer, "keywords", {}).get("is_causal"):
        return ""
    try:
        expected = peer().float()
    except torch._dynamo.exc.TorchDynamoException as error:
        return f"it did not compile: {str(error).splitlines()[0]}"
    apart = (ours().output_BHND.float() - expected).abs()
    worst = (apart / (1 + expected.abs())).max().item()
    return "" if worst <= case.tolerance else f"outputs differ by {worst:.2g}"


@torch.inference_mode()
def _milliseconds(calls: dict[str, Callable[[], Any]], device: str) -> dict[str, float]:
    """Medians of calls that take turns, after one of each to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(REPEATS + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:
                taken[name].append(1e3 * (time.perf_counter() - started))
    return {name: median(times) for name, times in taken.items()}
