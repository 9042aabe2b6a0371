"""A tokenizer with a token more than its model, as Gemma 3's and many fine-tunes' have."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

import analysis
from analysis.catalog.entries import Catalog, describe, folder_entry
from analysis.errors import InvalidParams
from tests.load_folder import load_folder
from tests.tiny_models import byte_tokenizer, make_bert, make_llama

EXTRA = "<image_soft_token>"


def with_extra(folder: Path, *, special: bool) -> int:
    """Add a token to the tokenizer alone; return its id."""
    tokenizer = byte_tokenizer()
    size = len(tokenizer)
    tokenizer.add_tokens([EXTRA], special_tokens=special)
    tokenizer.save_pretrained(folder)
    return size


@pytest.mark.parametrize("special", [True, False])
def test_such_a_model_is_listed_with_a_warning_and_runs(tmp_path: Path, *, special: bool) -> None:
    folder = make_llama(tmp_path / "models" / "gemma")
    token = with_extra(folder, special=special)
    found = describe(Catalog(bundled=folder.parent).find("gemma"))
    assert found.problem is None
    assert found.metadata is not None
    assert found.metadata.vocabulary == token
    [warning] = found.metadata.warnings
    assert f"the model lacks: '{EXTRA}' (#{token}); its tokens are 0 to {token - 1}." in warning
    params = {"prompt": "Anna has the ball.", "max_new_tokens": 2}
    assert list(analysis.run("cntp", model=folder_entry(folder), params=params))
    params |= {"prompt": f"Anna has {EXTRA} the ball.", "special_tokens": "token"}
    with pytest.raises(InvalidParams, match=rf"no token '{EXTRA}' \(#{token}\)") as caught:
        list(analysis.run("cntp", model=folder_entry(folder), params=params))
    assert f"its tokens are 0 to {token - 1}" in caught.value.message
    assert "resize_token_embeddings" in caught.value.remedy


def test_each_route_into_the_model_refuses_the_token(tmp_path: Path) -> None:
    folder = make_llama(tmp_path / "gemma")
    token = with_extra(folder, special=True)
    model = load_folder(folder)
    assert model.info.self_check is not None
    assert model.info.self_check.passed
    ids = torch.tensor([[0, 5, token]])
    for route in (lambda: model.logits(ids, torch.arange(3)), lambda: model.bridge(ids),
                  lambda: model.embeddings(ids)):  # fmt: skip
        with pytest.raises(InvalidParams, match=EXTRA):
            route()


@pytest.mark.parametrize("method", ["reagent", "local_leap"])
def test_methods_that_know_special_tokens_leave_it_out(tmp_path: Path, method: str) -> None:
    if method == "reagent":
        folder = make_llama(tmp_path / "model")
        params = {"probes": 16, "draws": 1, "max_new_tokens": 2}
    else:
        folder = make_bert(tmp_path / "model")
        params = {"canvas_length": 8}
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.add_special_tokens({"eos_token": EXTRA})
    tokenizer.save_pretrained(folder)
    params |= {"prompt": "Anna has the ball."}
    events = list(analysis.run(method, model=folder_entry(folder), params=params))
    assert events[-1].kind in ("cost", "trace_end")


def test_models_whose_tokens_are_all_their_own_are_not_checked(tmp_path: Path) -> None:
    model = load_folder(make_llama(tmp_path / "llama"))
    assert not model.plain.get_input_embeddings()._forward_pre_hooks
    listed = describe(folder_entry(make_bert(tmp_path / "bert"))).metadata
    assert listed is not None
    assert listed.warnings == ()
