import threading
from collections.abc import Callable

import pytest
import torch

from analysis.model import Model
from analysis.model.stepping import by_pass
from tests.drain import drain
from tests.gaps import gaps

LAST = torch.tensor([3])


def passes(model: Model, ids: torch.Tensor, number: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.stack([model.logits(ids[:, at:], LAST) for at in range(number)])


def test_each_forward_pass_is_a_step_of_its_own(model: Model, ids: torch.Tensor) -> None:
    work = passes(model, ids, 5)
    found, result = gaps(model, by_pass(work))
    assert found == [0, 1, 1, 1, 1, 1]
    assert torch.equal(result, work())


def test_work_without_a_pass_has_no_steps() -> None:
    assert drain(by_pass(lambda: 7)) == ([], 7)


def test_steps_within_steps_are_those_of_the_inner_work(model: Model, ids: torch.Tensor) -> None:
    steps, inner = drain(by_pass(lambda: drain(by_pass(passes(model, ids, 3)))))
    assert steps == []
    assert len(inner[0]) == 3


@pytest.mark.parametrize("gradients", [True, False])
def test_gradients_are_as_the_caller_has_them(*, gradients: bool) -> None:
    with torch.set_grad_enabled(gradients):
        assert drain(by_pass(torch.is_grad_enabled)) == ([], gradients)


def test_an_error_arrives_and_the_thread_ends(model: Model, ids: torch.Tensor) -> None:
    def work() -> None:
        model.logits(ids, LAST)
        raise ValueError("a defect")

    steps = by_pass(work)
    next(steps)
    with pytest.raises(ValueError, match="a defect"):
        next(steps)
    assert not threads()


@pytest.mark.parametrize("steps_before", [0, 1, 3])
def test_closing_ends_the_work_before_its_next_pass(
    model: Model, ids: torch.Tensor, steps_before: int
) -> None:
    left: list[str] = []

    def work() -> None:
        try:
            passes(model, ids, 5)()
        except Exception:  # noqa: BLE001 (as a library might)
            left.append("swallowed")
        finally:
            left.append("left")

    before = model.passes.forwards
    steps = by_pass(work)
    for _ in range(steps_before):
        next(steps)
    steps.close()
    assert model.passes.forwards - before == max(0, steps_before - 1)
    assert left == (["left"] if steps_before else [])
    assert not threads()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "stepping"]
