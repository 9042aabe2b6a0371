"""Sliding windows beside segments: a window counts in positions, against plain transformers."""

from typing import Any

import pytest
import torch

from analysis.attention import decoder_masks
from analysis.attention.modules import eager_attention
from analysis.attention.windows import windows_of
from analysis.errors import ModelIncompatible
from analysis.methods.graph_kv import attention
from analysis.methods.graph_kv.layout import LayoutPlan, PromptParts, TokenLayout, arrange
from analysis.model import Model
from tests.families import TEXT
from tests.load_folder import load_folder
from tests.model_table import text_folder

WINDOW = 16
WINDOWED = ("Mistral", "Gemma 2", "Gemma 3", "Cohere 2", "gpt-oss")
PARTS = PromptParts(
    prefix=[0, 40],
    segments=[[5, 6, 7, 8, 9, 10], [11, 12, 13, 14], [15, 16, 17, 18, 19], [20, 21, 22]],
    question=[23, 24, 25],
)
EDGES = ((0, 1), (1, 2), (0, 3))
PLANS = {
    "graph": LayoutPlan("graph", EDGES),
    "sequential": LayoutPlan("sequential", EDGES),
    "full": LayoutPlan("full", EDGES),
}
ANSWER = [26, 27]


@pytest.fixture(scope="module", params=WINDOWED)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    torch.manual_seed(0)
    return load_folder(
        text_folder(TEXT[request.param])(tmp_path_factory.mktemp("windows") / "model")
    )


@pytest.fixture(params=PLANS)
def layout(request: pytest.FixtureRequest) -> TokenLayout:
    return arrange(PARTS, PLANS[request.param]).with_answer(ANSWER)


@torch.no_grad()
def plain_logits(model: Model, ids: list[int], positions: list[int], open_NN: Any) -> torch.Tensor:
    """Masks of the whole model, one per kind of layer, [N, V]."""
    position = torch.tensor(positions)
    near = (position[:, None] - position) < WINDOW
    masks = {
        kind: torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)
        for kind, allowed in (("full_attention", open_NN), ("sliding_attention", open_NN & near))
    }
    given: Any = {kind: mask[None, None] for kind, mask in masks.items()}
    if not getattr(model.plain.config, "layer_types", None):
        given = given["sliding_attention"]
    with eager_attention(model.plain):
        out = model.plain(
            torch.tensor([ids]), attention_mask=given, position_ids=position[None], use_cache=False
        )
    return out.logits[0]


def near(found: torch.Tensor, expected: torch.Tensor) -> None:
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * scale)


def test_logits_are_those_of_masks_given_to_the_whole_model(
    model: Model, layout: TokenLayout
) -> None:
    assert max(len(layout.ids_N), layout.positions_N[-1] + 1) > WINDOW
    open_NN = layout.structure.mask()
    expected = plain_logits(model, layout.ids_N, layout.positions_N, open_NN)[-2:]
    near(next(attention.answer_logits(model, [layout], 2, 8)), expected)
    found = attention.patterned(model, layout, 2)
    near(found.logits_TV, expected)
    assert not attention.can_run_blockwise(model, layout)
    other = plain_logits(model, layout.ids_N, [0] * len(layout.ids_N), open_NN)[-2:]
    assert float((other - expected).abs().max()) > 1e-3 * float(expected.abs().max())


def test_a_window_is_the_models_own_where_the_text_is_plain(model: Model) -> None:
    layout = arrange(PARTS, LayoutPlan("sequential", EDGES)).with_answer(ANSWER)
    assert layout.structure.mask().equal(torch.ones_like(layout.structure.mask()).tril())
    ids = torch.tensor([layout.ids_N])
    with torch.no_grad():
        own = model.plain(ids, use_cache=False).logits[0, -2:]
    near(next(attention.answer_logits(model, [layout], 2, 8)), own)


def test_the_answer_is_written_under_the_same_windows(model: Model, layout: TokenLayout) -> None:
    before = TokenLayout(layout.mode, layout.edges, layout.blocks)
    written = list(attention.write(model, before, 4))
    ids, positions = list(before.ids_N), list(before.positions_N)
    for token in written:
        size, read = len(ids), before.structure.mask()
        open_NN = torch.ones(size, size, dtype=torch.bool).tril()
        open_NN[: len(read), : len(read)] = read
        assert int(plain_logits(model, ids, positions, open_NN)[-1].argmax()) == token
        ids.append(token)
        positions.append(positions[-1] + 1)


def test_a_shared_position_makes_the_order_irrelevant(model: Model) -> None:
    orders = [(0, 1, 2, 3), (3, 2, 1, 0)]
    layouts = [arrange(PARTS, LayoutPlan("graph", EDGES, order=order)) for order in orders]
    first, second = attention.answer_logits(model, [*layouts], 1, 8)
    near(first, second)


def test_a_model_that_reads_another_window_is_refused(model: Model) -> None:
    masks = [torch.ones(1, 1, 20, 20, dtype=torch.bool).tril()] * 2
    ids, windows = torch.arange(10, 30)[None], windows_of(model.plain, 2)
    assert WINDOW in windows
    with pytest.raises(ModelIncompatible, match=f"reads {WINDOW} of 20 tokens back, by its"):
        decoder_masks.logits(model, ids, masks, keep_T=torch.tensor([19]), windows=[None, None])
