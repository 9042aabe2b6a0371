from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from analysis.errors import ModelIncompatible
from analysis.model import Model
from analysis.model.masked_diffusion import MaskedDiffusion, adapter_for
from tests import tiny_models
from tests.load_folder import load_trusted
from tests.tiny_models import edit_config

MAKERS: dict[str, Callable[[Path], Path]] = {
    "bert": tiny_models.make_bert,
    "roberta": tiny_models.make_roberta,
    "modernbert": tiny_models.make_modernbert,
    "llada": tiny_models.make_llada,
    "dream": tiny_models.make_dream,
}
TOKENS = 12


@pytest.fixture(scope="module", params=MAKERS)
def adapter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    root = tmp_path_factory.mktemp("diffusion")
    return adapter_for(load_trusted(MAKERS[request.param](root / request.param)))


@pytest.fixture(scope="module")
def tokens() -> torch.Tensor:
    """Two canvases, some of whose tokens are masks (id 3)."""
    found = torch.randint(4, 250, (2, TOKENS), generator=torch.Generator().manual_seed(1))
    found[:, ::3] = 3
    return found


def expected(adapter: MaskedDiffusion, tokens: torch.Tensor) -> torch.Tensor:
    """What scores each token, by one plain forward pass: Dream's rows stand one to the left."""
    with torch.inference_mode():
        logits: torch.Tensor = adapter.model.plain(tokens).logits
    if adapter.model.info.architecture != "DreamModel":
        return logits
    return torch.stack([logits[:, max(token - 1, 0)] for token in range(TOKENS)], 1)


@torch.inference_mode()
def test_row_i_scores_token_i(adapter: MaskedDiffusion, tokens: torch.Tensor) -> None:
    full = expected(adapter, tokens)
    for positions in ([0], [1, 5, 11], list(range(TOKENS)), [7, 2]):
        found = adapter.logits(tokens, torch.tensor(positions))
        torch.testing.assert_close(found, full[:, positions], atol=1e-5, rtol=0)
    assert torch.equal(adapter.align(adapter.model.plain(tokens).logits), full)


@torch.inference_mode()
def test_each_canvas_may_ask_for_positions_of_its_own(
    adapter: MaskedDiffusion, tokens: torch.Tensor
) -> None:
    positions = torch.tensor([[0, 4, 8], [11, 1, 1]])
    found, full = adapter.logits(tokens, positions), expected(adapter, tokens)
    for row in range(2):
        torch.testing.assert_close(found[row], full[row, positions[row]], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_the_vocabulary_is_scored_only_where_asked(
    adapter: MaskedDiffusion, tokens: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = adapter.model.plain.get_output_embeddings()
    seen: list[torch.Size] = []
    handle = head.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    adapter.logits(tokens, torch.tensor([2, 3]))
    handle.remove()
    assert seen == [(2, 2, adapter.model.info.vocabulary)]


@torch.inference_mode()
def test_a_model_without_a_head_of_its_own_is_scored_whole(
    adapter: MaskedDiffusion, tokens: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter.model.plain, "get_output_embeddings", lambda: None)
    found = adapter.logits(tokens, torch.tensor([2, 3]))
    torch.testing.assert_close(found, expected(adapter, tokens)[:, 2:4], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_every_token_is_read_from_both_sides(
    adapter: MaskedDiffusion, tokens: torch.Tensor
) -> None:
    changed = tokens.clone()
    changed[:, 10] = (tokens[:, 10] + 9) % 250
    middle = torch.tensor([5])
    assert not torch.allclose(adapter.logits(tokens, middle), adapter.logits(changed, middle))


def test_ids_and_limits_are_the_models_own(adapter: MaskedDiffusion) -> None:
    tokenizer = adapter.model.tokenizer
    assert adapter.mask_id == tokenizer.convert_tokens_to_ids("<mask>")
    assert adapter.eos_id == tokenizer.convert_tokens_to_ids("</s>")
    limits = {"BertForMaskedLM": 64, "RobertaForMaskedLM": 93}
    assert adapter.context == limits.get(adapter.model.info.architecture, 96)
    assert adapter.trained == (adapter.model.info.architecture in ("LLaDAModelLM", "DreamModel"))


@torch.inference_mode()
def test_forward_passes_are_counted(adapter: MaskedDiffusion, tokens: torch.Tensor) -> None:
    rows, forwards = adapter.model.passes.rows, adapter.model.passes.forwards
    adapter.logits(tokens, torch.tensor([0]))
    assert (adapter.model.passes.rows - rows, adapter.model.passes.forwards - forwards) == (2, 1)


def test_a_masked_model_says_that_it_was_trained_for_diffusion(tmp_path: Path) -> None:
    folder = tiny_models.make_modernbert(tmp_path / "own", masked_diffusion=True)
    assert adapter_for(load_trusted(folder)).trained
    edit_config(folder, masked_diffusion=False)
    assert not adapter_for(load_trusted(folder)).trained


def test_a_causal_model_is_refused(model: Model) -> None:
    with pytest.raises(ModelIncompatible, match="names no mask token"):
        adapter_for(model)
