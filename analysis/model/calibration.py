"""How fast this process's device is: a large product, a large read, and many small calls."""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from analysis.model.memory import default_device
from analysis.workload import Speed

EDGE = {"cpu": 768, "cuda": 4096}  # of the square matrices of the product
READ_BYTES = {"cpu": 2**26, "cuda": 2**30}
CALLS = 500
REPEATS = 3


def device_name() -> str:
    """The GPU, or the processor with the number of threads in use."""
    if default_device() == "cuda":
        return torch.cuda.get_device_name()
    return f"{_processor()}, {torch.get_num_threads()} threads"


@torch.no_grad()
def calibrate(device: str | None = None) -> Speed:
    """The best of three timings each, about 0.3 s together."""
    kind = device or default_device()
    edge, size = EDGE[kind], READ_BYTES[kind] // 4
    left = torch.ones(edge, edge, device=kind)
    long, one = torch.ones(size, device=kind), torch.ones(64, device=kind)
    return Speed(
        operations=2 * edge**3 / _fastest(lambda: left @ left, kind),
        bytes=4 * size / _fastest(lambda: long.sum(), kind),
        calls=CALLS / _fastest(lambda: [one + 1 for _ in range(CALLS)], kind),
    )


def _fastest(work: Callable[[], object], kind: str) -> float:
    work()
    found = []
    for _ in range(REPEATS):
        _wait(kind)
        began = time.perf_counter()
        work()
        _wait(kind)
        found.append(time.perf_counter() - began)
    return min(found)


def _wait(kind: str) -> None:
    if kind == "cuda":
        torch.cuda.synchronize()


def _processor() -> str:
    """The name in /proc/cpuinfo where there is one."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
