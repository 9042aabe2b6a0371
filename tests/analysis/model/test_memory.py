import pytest
import torch

from analysis.model import memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"),
        RuntimeError("can't allocate memory: you tried to allocate 5 bytes"),
    ],
)
def test_memory_that_ran_out_is_a_refusal(error: Exception) -> None:
    found = memory.refusal(error)
    assert found is not None
    assert found.code == "out_of_memory"


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), ValueError("DefaultCPUAllocator")]
)
def test_other_errors_are_none(error: Exception) -> None:
    assert memory.refusal(error) is None


def test_an_allocation_beyond_the_machine_is_recognized() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert memory.is_out_of_memory(caught.value)
