import pytest
import torch

from analysis.errors import OutOfMemory
from analysis.model import Model
from analysis.workload import row_bytes
from tests.load_folder import plain_logits


def test_logits_equal_plain_transformers_at_the_positions_asked_for(
    model: Model, ids: torch.Tensor
) -> None:
    positions = torch.tensor([0, 3, 4, 8])
    with torch.inference_mode():
        found = model.logits(ids, positions)
    torch.testing.assert_close(
        found, plain_logits(model, input_ids=ids)[:, positions], atol=1e-5, rtol=0
    )


def test_logits_of_embeddings_equal_those_of_their_ids(model: Model, ids: torch.Tensor) -> None:
    positions = torch.tensor([2, 7])
    with torch.inference_mode():
        embedded = model.embeddings(ids)
        found = model.logits(None, positions, embeddings_BND=embedded)
    torch.testing.assert_close(
        found, plain_logits(model, input_ids=ids)[:, positions], atol=1e-5, rtol=0
    )


def test_rows_and_forwards_are_counted(model: Model, ids: torch.Tensor) -> None:
    rows, forwards = model.passes.rows, model.passes.forwards
    model.logits(ids, torch.tensor([0]))
    assert (model.passes.rows - rows, model.passes.forwards - forwards) == (2, 1)


def test_rows_per_pass_stay_between_one_and_the_limit(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.model.classes.memory_bytes", lambda _: 10**30)
    assert model.rows_per_pass(1, 1, 64) == 64
    assert model.rows_per_pass(10**9, 1, 64) == 1
    info = model.info
    one_row = 20 * info.parameters + 400 * info.layers * info.width
    assert model.rows_per_pass(10, 1, 10**9) == int(1.5e10 / one_row)


def test_a_pass_that_does_not_fit_names_its_rows(
    model: Model, ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.plain, "forward", lambda **_: torch.empty(2**55))
    with pytest.raises(OutOfMemory, match="2 rows of 9 tokens") as caught:
        model.logits(ids, torch.tensor([0]))
    assert caught.value.field == "rows_per_forward"


def test_a_pass_keeps_to_its_share_of_memory(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    row = row_bytes(model.info, 50, 4)
    monkeypatch.setattr("analysis.model.classes.memory_bytes", lambda _: 10 * row)
    monkeypatch.setattr("analysis.workload.PASS_MEMORY_SHARE", 0.55)
    assert model.rows_per_pass(50, 4, 64) == 5
    assert model.rows_per_pass(50, 4, 3) == 3
    monkeypatch.setattr("analysis.workload.PASS_MEMORY_SHARE", 0.05)
    with pytest.raises(OutOfMemory, match="50 tokens"):
        model.rows_per_pass(50, 4, 64)
