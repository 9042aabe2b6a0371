"""Kernels under Triton's interpreter."""

import math
import os

import pytest
import torch
from torch import Tensor


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels run on a CPU, in memory that was never zero."""
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("set TRITON_INTERPRET=1 to run the kernels on a CPU")
    pytest.importorskip("triton", reason="Triton has no wheel for this machine")
    empty = torch.empty

    def poisoned(*shape: object, **options: object) -> Tensor:
        made: Tensor = empty(*shape, **options)  # type: ignore[call-overload]
        return made.fill_(math.nan) if made.is_floating_point() else made.fill_(-7)

    monkeypatch.setattr(torch, "empty", poisoned)
