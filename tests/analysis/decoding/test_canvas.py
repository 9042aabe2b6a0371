"""Several canvases at once: each row as if it were alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analysis.decoding import selection
from analysis.decoding.canvas import Canvases, CanvasSettings, RowStep
from analysis.model.masked_diffusion import MaskedDiffusion, adapter_for
from tests.load_folder import load_trusted
from tests.tiny_models import make_modernbert


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> MaskedDiffusion:
    folder: Path = tmp_path_factory.mktemp("canvas") / "modernbert"
    return adapter_for(load_trusted(make_modernbert(folder)))


PROMPTS = np.random.default_rng(0).integers(5, 250, (5, 9))
RULES = {
    "local_leap": selection.local_leap(0.1, 0.06, 2),
    "klass": selection.klass(0.06, 2),
    "factor": selection.factor(3.0),
}


def decode(
    adapter: MaskedDiffusion, rule: str, rows: list[int], **frame: Any
) -> tuple[np.ndarray, list[list[RowStep]]]:
    settings = {"length": 16, "block": 8, "mask_id": adapter.mask_id, "eos": (1,), **frame}
    canvases = Canvases(
        adapter.logits, PROMPTS[rows], CanvasSettings(**settings), RULES[rule],
        seeds=[100 + row for row in rows], device=torch.device("cpu"),
    )  # fmt: skip
    per_row: list[list[RowStep]] = [[] for _ in rows]
    for steps in canvases.run():
        for step in steps:
            per_row[step.row].append(step)
    return canvases.output_BG, per_row


def trail(steps: list[RowStep]) -> list[list[tuple[int, int, str]]]:
    return [[(one.position, one.id, one.reason) for one in step.commits] for step in steps]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_rows_of_a_batch_are_as_alone(
    adapter: MaskedDiffusion, rule: str, temperature: float
) -> None:
    frame = {"temperature": temperature, "divergence": 0.05 if rule == "klass" else None}
    together, steps = decode(adapter, rule, [0, 1, 2, 3, 4], **frame)
    if rule == "local_leap":  # they finish at different steps
        assert len({len(row) for row in steps}) > 1
    for row in range(5):
        alone, (own,) = decode(adapter, rule, [row], **frame)
        assert together[row].tolist() == alone[0].tolist()
        assert trail(steps[row]) == trail(own)


def test_full_rows_are_not_run_again(adapter: MaskedDiffusion) -> None:
    seen: list[int] = []

    def counted(tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        seen.append(len(tokens))
        return adapter.logits(tokens, positions)

    canvases = Canvases(
        counted, PROMPTS, CanvasSettings(16, 8, adapter.mask_id, (1,)), RULES["local_leap"],
        seeds=range(5), device=torch.device("cpu"),
    )  # fmt: skip
    steps = [step for found in canvases.run() for step in found]
    assert sum(seen) == len(steps)
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 5


def test_no_mask_is_ever_written(adapter: MaskedDiffusion) -> None:
    output, _ = decode(adapter, "factor", [0, 1, 2], temperature=3.0)
    assert (output != adapter.mask_id).all()
