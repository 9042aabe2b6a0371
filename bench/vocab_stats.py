"""vocab_stats on a GPU: its share of the copy bandwidth, compared with torch."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from bench.table import Line
from kernels.vocab_stats import hidden_stats, reference, vocab_stats

ROWS, VOCABULARY, WIDTH, TOP_K = 64, 151_936, 3584, 8
REPEATS = 50


def lines() -> Iterator[Line]:
    if not torch.cuda.is_available():
        yield Line("vocab_stats", "ms", refused="there is no GPU on this machine")
        return
    generator = torch.Generator("cuda").manual_seed(0)
    for dtype in (torch.bfloat16, torch.float32):
        logits = torch.randn(ROWS, VOCABULARY, generator=generator, device="cuda").to(dtype)
        yield from _read_lines(logits)
    yield _product_line(generator)


def _read_lines(logits: Tensor) -> Iterator[Line]:
    """One read of the logits, compared with a copy (which reads and writes) and with torch."""
    refused = _difference(vocab_stats(logits, k=TOP_K), reference.vocab_stats(logits, k=TOP_K))
    what = f"vocab_stats, {ROWS} × {VOCABULARY}, {str(logits.dtype).removeprefix('torch.')}"
    ours = _milliseconds(lambda: vocab_stats(logits, k=TOP_K))
    target = torch.empty_like(logits)
    read = _milliseconds(lambda: target.copy_(logits)) / 2
    yield Line(what, "ms", ours, "half a copy", read, at_least_times=0.8, refused=refused)
    chain = _milliseconds(lambda: reference.vocab_stats(logits, k=TOP_K))
    yield Line(what, "ms", ours, "torch", chain, at_least_times=4, refused=refused)


def _product_line(generator: torch.Generator) -> Line:
    """From hidden states, without storing the logits."""
    hidden = torch.randn(ROWS, WIDTH, generator=generator, device="cuda").bfloat16()
    weight = torch.randn(VOCABULARY, WIDTH, generator=generator, device="cuda").bfloat16()
    weight /= WIDTH**0.5
    ours = hidden_stats(hidden, weight, k=TOP_K)

    def chain() -> None:
        reference.vocab_stats(hidden @ weight.T, k=TOP_K)

    return Line(
        f"hidden_stats, {ROWS} × {WIDTH} × {VOCABULARY}, bfloat16",
        "ms",
        _milliseconds(lambda: hidden_stats(hidden, weight, k=TOP_K)),
        "product, then torch",
        _milliseconds(chain),
        refused=_difference(ours, reference.hidden_stats(hidden, weight, k=TOP_K)),
    )


def _difference(ours: reference.VocabStats, expected: reference.VocabStats) -> str:
    for name in ("entropy_R", "logsumexp_R", "max_R", "top_values_RK"):
        apart = (getattr(ours, name) - getattr(expected, name)).abs().max().item()
        if not apart <= 1e-3:
            return f"{name} differs by {apart:.2g}"
    return ""


def _milliseconds(call: Callable[[], object]) -> float:
    """Median of REPEATS calls, after a few to compile."""
    for _ in range(5):
        call()
    taken: list[float] = []
    for _ in range(REPEATS):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        stop.record()
        torch.cuda.synchronize()
        taken.append(start.elapsed_time(stop))
    return sorted(taken)[REPEATS // 2]
