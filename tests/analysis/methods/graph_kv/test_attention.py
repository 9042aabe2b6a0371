"""Every route against the others, and against keys and values passed on segment by segment."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import (
    DynamicCache,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    PreTrainedModel,
)

from analysis.attention.block_sparse import NAME
from analysis.errors import ModelIncompatible
from analysis.methods.graph_kv import attention
from analysis.methods.graph_kv.events import Mode
from analysis.methods.graph_kv.layout import LayoutPlan, PromptParts, TokenLayout, arrange
from analysis.model import Model

PARTS = PromptParts(
    prefix=[0, 40],
    segments=[[5, 6], [7, 8, 9], [10, 11], [12], [5, 6, 13]],
    question=[14, 15, 16],
)
EDGES = ((0, 2), (1, 2), (1, 3), (2, 4))
ANSWER = [20, 21]
PLANS = {
    "graph": LayoutPlan("graph", EDGES),
    "graph_ordered": LayoutPlan("graph_ordered", EDGES),
    "sequential": LayoutPlan("sequential", EDGES),
    "parallel": LayoutPlan("parallel", EDGES),
    "full": LayoutPlan("full", EDGES),
    "random_edges": LayoutPlan("random_edges", EDGES, seed=3),
    "prefix to all": LayoutPlan("graph", EDGES, prefix_to_all=True),
    "unrolled": LayoutPlan("graph", (*EDGES, (4, 0)), rounds=2),
}  # fmt: skip


@pytest.fixture(params=PLANS)
def layout(request: pytest.FixtureRequest) -> TokenLayout:
    return arrange(PARTS, PLANS[request.param]).with_answer(ANSWER)


@pytest.fixture(scope="module")
def exact(model: Model) -> Model:
    """The same weights in float64."""
    return Model(model.info, copy.deepcopy(model.plain).double(), model.tokenizer, model.path)


def dense(model: Model, layout: TokenLayout) -> torch.Tensor:
    return next(attention.answer_logits(model, [layout], 2, 8))


def test_dense_eager_and_blockwise_agree(model: Model, layout: TokenLayout) -> None:
    blocks, eager = attention.blockwise(model, layout, 2), attention.patterned(model, layout, 2)
    close(blocks.logits_TV, dense(model, layout), 1e-5)
    close(eager.logits_TV, dense(model, layout), 1e-5)
    close(blocks.mass_PLH, eager.mass_PLH, 1e-5)


def test_dense_eager_and_blockwise_agree_in_float64(exact: Model, layout: TokenLayout) -> None:
    """Llama's eager attention in transformers takes its softmax in float32 all the same."""
    tolerance = 1e-10 if exact.info.architecture == "GPT2LMHeadModel" else 1e-5
    blocks, eager = attention.blockwise(exact, layout, 2), attention.patterned(exact, layout, 2)
    close(blocks.logits_TV, dense(exact, layout), 1e-10)
    close(eager.logits_TV, dense(exact, layout), tolerance)
    close(blocks.mass_PLH, eager.mass_PLH, tolerance)


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def test_mass_is_the_pattern_summed_by_hand(exact: Model, layout: TokenLayout) -> None:
    patterns = eager_patterns(exact, layout)
    found = attention.patterned(exact, layout, 2)
    slices = [slice(*pair) for pair in zip(*bounds(layout), strict=True)]
    for pair, (reader, source) in enumerate(pairs(layout)):
        for layer, pattern_HNN in enumerate(patterns):
            by_hand_H = pattern_HNN[:, slices[reader], slices[source]].sum(2).mean(1)
            close(found.mass_PLH[pair, layer], by_hand_H, 1e-12)
    for number, rows in enumerate(slices):
        rest = slice(rows.start + 1, rows.stop)
        for layer, pattern_HNN in enumerate(patterns):
            by_hand_N = pattern_HNN[:, rows].mean((0, 1))
            torch.testing.assert_close(found.tokens_LCN[layer, number], by_hand_N)
            if rows.stop - rows.start > 1:
                sink_H = pattern_HNN[:, rest, rows.start].mean(1)
                torch.testing.assert_close(found.sinks_CLH[number, layer], sink_H)


def test_shares_sum_to_one_and_nothing_hidden_has_any(model: Model, layout: TokenLayout) -> None:
    found = attention.patterned(model, layout, 2)
    readers = torch.tensor([reader for reader, _ in pairs(layout)])
    for number in range(len(layout.blocks)):
        total = found.mass_PLH[readers == number].sum(0)
        close(total, torch.ones_like(total), 1e-5)
    hidden_NN = ~layout.structure.mask()
    for number, (start, stop) in enumerate(zip(*bounds(layout), strict=True)):
        unread_N = hidden_NN[start:stop].all(0)
        assert (found.tokens_LCN[:, number][:, unread_N] == 0).all()


def test_shares_of_half_precision_are_summed_in_float32(model: Model) -> None:
    plain = copy.deepcopy(model.plain).bfloat16()
    half = Model(model.info, plain, model.tokenizer, model.path)
    layout = arrange(PARTS, PLANS["graph"]).with_answer(ANSWER)
    found = attention.patterned(half, layout, 2)
    assert found.mass_PLH.dtype == torch.float32
    close(found.mass_PLH[pairs(layout).index((0, 0))], torch.ones(2, 4), 1e-2)


def test_one_pass_is_encoding_segment_by_segment(exact: Model, layout: TokenLayout) -> None:
    expected = by_passes(exact.plain, layout)[-2:]
    for found in (dense(exact, layout), attention.blockwise(exact, layout, 2).logits_TV):
        close(found, expected, 1e-12)


def test_one_pass_is_encoding_segment_by_segment_in_float32_too(model: Model) -> None:
    """At default initialization."""
    made: Any = {"LlamaForCausalLM": LlamaForCausalLM, "GPT2LMHeadModel": GPT2LMHeadModel}
    torch.manual_seed(0)
    plain = made[model.info.architecture](model.plain.config).eval()
    fresh = Model(model.info, plain, model.tokenizer, model.path)
    layout = arrange(PARTS, PLANS["graph"]).with_answer(ANSWER)
    expected = by_passes(plain, layout)[-2:]
    close(dense(fresh, layout), expected, 1e-5)


@torch.no_grad()
def by_passes(plain: PreTrainedModel, layout: TokenLayout) -> torch.Tensor:
    """Logits of the last block, each block encoded after the keys and values that it reads."""
    held: list[list[tuple[torch.Tensor, torch.Tensor]]] = []
    logits = torch.empty(0)
    for block in layout.blocks:
        cache = DynamicCache()
        for layer in range(plain.config.num_hidden_layers if block.reads else 0):
            keys, values = zip(*(held[n][layer] for n in sorted(block.reads)), strict=True)
            cache.update(torch.cat(keys, 2), torch.cat(values, 2), layer)
        past, size = cache.get_seq_length(), len(block.ids)
        out = plain(
            input_ids=torch.tensor([block.ids]),
            position_ids=torch.arange(block.position, block.position + size)[None],
            attention_mask=torch.ones(1, past + size),
            past_key_values=cache,
            use_cache=True,
        )
        layers: list[Any] = out.past_key_values.layers
        held.append([(one.keys[:, :, past:], one.values[:, :, past:]) for one in layers])
        logits = out.logits[0]
    return logits


def bounds(layout: TokenLayout) -> tuple[list[int], list[int]]:
    edges = layout.structure.bounds.tolist()
    return edges[:-1], edges[1:]


def pairs(layout: TokenLayout) -> list[tuple[int, int]]:
    readers, sources, _ = layout.structure.parts
    return list(zip(readers.tolist(), sources.tolist(), strict=True))


@torch.no_grad()
def eager_patterns(model: Model, layout: TokenLayout) -> list[torch.Tensor]:
    """[H, N, N] per layer, from plain transformers."""
    mask = torch.zeros(1, 1, *layout.structure.mask().shape, dtype=torch.float64)
    plain = copy.deepcopy(model.plain)
    plain.set_attn_implementation("eager")
    out = plain(
        input_ids=torch.tensor([layout.ids_N]),
        position_ids=torch.tensor([layout.positions_N]),
        attention_mask=mask.masked_fill(~layout.structure.mask(), -torch.inf),
        output_attentions=True,
    )
    return [pattern[0] for pattern in out.attentions]


@pytest.mark.parametrize("mode", ["graph", "graph_ordered", "sequential", "full"])
@pytest.mark.parametrize("tokens", [attention.DENSE_TOKENS, 4])
def test_decoding_is_reading_everything_again(
    model: Model, mode: Mode, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the dense route, and by the block-sparse one above a number of tokens."""
    monkeypatch.setattr(attention, "DENSE_TOKENS", tokens)
    monkeypatch.setattr(attention, "eos_ids", lambda model: ())
    layout = arrange(PARTS, LayoutPlan(mode, EDGES))
    written: list[int] = []
    for token in attention.write(model, layout, 6):
        again = layout.with_answer([*written, -1])  # the last of an answer is not read
        logits_TV = next(attention.answer_logits(model, [again], 1, 1))
        assert token == int(logits_TV[-1].argmax())
        written.append(token)
    assert len(written) == 6


def test_a_text_ends_at_an_end_mark(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = arrange(PARTS, LayoutPlan("graph", EDGES))
    first = list(attention.write(model, layout, 3))
    monkeypatch.setattr(attention, "eos_ids", lambda model: (first[1],))
    assert list(attention.write(model, layout, 3)) == first[: first.index(first[1]) + 1]


def test_rows_of_one_batch_are_what_they_are_alone(model: Model) -> None:
    layouts = [arrange(PARTS, plan).with_answer(ANSWER) for plan in PLANS.values()]
    layouts += [layouts[0].without(edge) for edge in EDGES]
    together = list(attention.answer_logits(model, layouts, 2, 64))
    for one, found in zip(layouts, together, strict=True):
        close(found, dense(model, one), 1e-5)


def test_restarting_positions_without_a_mask_are_another_computation(model: Model) -> None:
    """The trap that a full mask avoids: transformers reads them as packed sequences."""
    layout = arrange(PARTS, LayoutPlan("graph", EDGES))
    with torch.no_grad():
        out = model.plain(
            input_ids=torch.tensor([layout.ids_N]), position_ids=torch.tensor([layout.positions_N])
        )
    difference = (out.logits[0, -1] - dense(model, layout)[-1]).abs().max()
    assert difference > 0.01


def test_no_route_runs_without_saying_who_reads_whom(
    model: Model, layout: TokenLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks: list[bool] = []
    forward = model.plain.forward

    def watched(*args: Any, **inputs: Any) -> Any:
        mask, own = inputs.get("attention_mask"), model.plain.config._attn_implementation
        masks.append(mask is not None or own == NAME)
        return forward(*args, **inputs)

    monkeypatch.setattr(model.plain, "forward", watched)
    dense(model, layout)
    attention.blockwise(model, layout, 2)
    list(attention.write(model, layout, 3))
    assert masks == [True] * 5


def test_a_window_within_the_attention_is_refused_beyond_it(model: Model) -> None:
    plain = copy.deepcopy(model.plain)
    plain.config.attention_layers, plain.config.window_size = ["global", "local"], 8
    windowed = replace(model, plain=plain)
    attention.refuse_unfit(windowed, 8)
    with pytest.raises(ModelIncompatible, match=r"last 8 tokens only .* by a mask of its own"):
        attention.refuse_unfit(windowed, 9)


def test_a_model_without_ordinary_attention_is_refused(model: Model) -> None:
    plain = copy.deepcopy(model.plain)
    plain.config.layer_types = ["full_attention", "linear_attention"]
    with pytest.raises(ModelIncompatible, match="layers of linear_attention"):
        attention.refuse_unfit(replace(model, plain=plain), 8)
