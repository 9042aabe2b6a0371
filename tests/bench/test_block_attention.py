"""The structures of the benchmark, and that a line whose outputs differ is not timed."""

import pytest
import torch

from bench import block_attention as bench


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("causal", 1),
        ("parallel", 1 / 16),
        ("star", (3 * 15 + 1) / 16**2),
        ("top-4", 1 / 16 + 2 * 4 * (16 - 4) / 16**2),
        ("full", 2 * (8 + 1) / 8 / 4),  # of causal attention over one copy of each, a quarter
    ],
)
def test_areas_are_those_of_long_segments(name: str, share: float) -> None:
    found = bench.share(bench.structures(64 * 1024)[name])
    assert found == pytest.approx(share, rel=1e-3)


def test_outputs_that_differ_refuse_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "REPEATS", 1)
    case = bench.MaskCase(64, 2, 2, 16, torch.float32, "cpu", 1e-4)
    assert bench._worst(case).refused == ""
    own = bench.block_attention
    other = bench.structures(64)["parallel"]
    monkeypatch.setattr(bench, "block_attention", lambda *given: own(*given[:3], other))
    assert "star: outputs differ by" in bench._worst(case).refused
