"""A request ends a forward or a backward pass before its next operation with many weights."""

from pathlib import Path

import pytest
import torch

from analysis import stopping
from analysis.loading import stop_points
from analysis.loading.stop_points import add_stop_points
from analysis.stopping import RunStopped, stoppable
from tests.load_folder import load_folder
from tests.tiny_models import make_gemma3, make_gpt2, make_llama

WIDTH = 1024


class Stops(torch.nn.Module):
    """Requests a stop when it is reached, in the given direction."""

    def __init__(self, *, backward: bool) -> None:
        super().__init__()
        self.backward = backward

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        if self.backward:
            found = given * 1
            found.register_hook(lambda _: stopping.request("run"))
            return found
        stopping.request("run")
        return given


@pytest.mark.parametrize("backward", [False, True])
def test_a_pass_ends_before_its_next_large_operation(*, backward: bool) -> None:
    reached: list[str] = []
    parts = [torch.nn.Linear(WIDTH, WIDTH), Stops(backward=backward), torch.nn.Linear(WIDTH, WIDTH)]
    net = torch.nn.Sequential(*parts)
    add_stop_points([net])
    for name, part in (("first", parts[0]), ("last", parts[2])):
        part.register_forward_hook(lambda *_, name=name: reached.append(name))
    given = torch.ones(1, WIDTH, requires_grad=True)
    with stoppable("run"), pytest.raises(RunStopped):
        net(given).sum().backward()
    assert reached == (["first", "last"] if backward else ["first"])
    assert given.grad is None
    net(given).sum().backward()
    assert given.grad is not None


@pytest.mark.parametrize("make", [make_llama, make_gpt2, make_gemma3])
def test_numbers_and_gradients_are_the_same_with_stop_points(
    make: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(make)
    make(tmp_path / "tiny")
    ids = torch.arange(3, 9)[None]
    found = []
    for weights in (2**20, 1):
        monkeypatch.setattr(stop_points, "MANY_WEIGHTS", weights)
        model = load_folder(tmp_path / "tiny")
        given = model.embeddings(ids).detach().requires_grad_()
        logits = model.logits(None, torch.tensor([5]), embeddings_BND=given)
        [gradient] = torch.autograd.grad(logits.max(), given)
        found.append((logits.detach(), gradient, model.info.self_check))
    (logits, gradient, check), (others, other, again) = found
    assert torch.equal(logits, others)
    assert torch.equal(gradient, other)
    assert check == again
