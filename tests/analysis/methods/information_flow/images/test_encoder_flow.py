"""What words pass to each other, cut by cut, against the definition one cut at a time."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from analysis.attention.edges import Cut
from analysis.attention.encoder_masks import run_with_cuts, skip_blocks
from analysis.methods.information_flow.images.encoder_flow import Encoded, WordFlow, encoder_flow
from tests.drain import drain
from tests.tiny_models import byte_tokenizer
from tests.tiny_pictures import make_clip_encoder, make_t5_encoder

MAKERS: dict[str, Callable[[PreTrainedTokenizerFast], PreTrainedModel]] = {
    "t5": make_t5_encoder,
    "clip": make_clip_encoder,
}
IDS = [0, 40, 41, 42, 43, 44, 1, 2]
GROUPS = [(1, 2), (3,), (4, 5)]
ALONE = [
    (Encoded([0, 40, 41, 1, 2, 2, 2, 2], None), (1, 2)),
    (Encoded([0, 42, 1, 2, 2, 2, 2, 2], None), (1,)),
    (Encoded([0, 43, 44, 1, 2, 2, 2, 2], None), (1, 2)),
]


@pytest.fixture(params=sorted(MAKERS))
def encoder(request: pytest.FixtureRequest) -> PreTrainedModel:
    return MAKERS[request.param](byte_tokenizer())


def flow(encoder: PreTrainedModel, text: Encoded | None = None, **options: Any) -> WordFlow:
    given = {"by_layer": True, "pad": 2, **options}
    return drain(encoder_flow(encoder, text or Encoded(IDS, None), GROUPS, **given))[1]


def by_hand(encoder: PreTrainedModel, cuts: list[Cut], own: tuple[int, ...]) -> float:
    ids = torch.tensor([IDS])
    with torch.inference_mode():
        before = run_with_cuts(encoder, ids, []).final_BND[0].double()
        after = run_with_cuts(encoder, ids, cuts).final_BND[0].double()
    shifts = [1 - float(before[n] @ after[n] / before[n].norm() / after[n].norm()) for n in own]
    return sum(shifts) / len(shifts)


def test_each_cell_is_one_cut(encoder: PreTrainedModel) -> None:
    found = flow(encoder, rows=7)
    assert found.flow_WAB.shape == (3, 3, 3)
    for window, layers in enumerate([None, (0,), (1,)]):
        for a, own in enumerate(GROUPS):
            rest = tuple(n for group in GROUPS if group != own for n in group)
            total = by_hand(encoder, [Cut(own, rest, layers)], own)
            assert float(found.total_WA[window, a]) == pytest.approx(total, abs=1e-5)
            for b, source in enumerate(GROUPS):
                expected = 0.0 if a == b else by_hand(encoder, [Cut(own, source, layers)], own)
                assert float(found.flow_WAB[window, a, b]) == pytest.approx(expected, abs=1e-5)


def test_without_any_edge_between_groups_each_reads_itself_alone(encoder: PreTrainedModel) -> None:
    cuts = [Cut(own, tuple(n for group in GROUPS if group != own for n in group)) for own in GROUPS]
    found = flow(encoder)
    for a, own in enumerate(GROUPS):
        assert float(found.blocks_A[a]) == pytest.approx(by_hand(encoder, cuts, own), abs=1e-5)


def test_a_word_alone_is_what_the_encoder_makes_of_it(encoder: PreTrainedModel) -> None:
    found = flow(encoder)
    with torch.inference_mode():
        whole = encoder(input_ids=torch.tensor([IDS])).last_hidden_state[0].double()
        for a, (text, there) in enumerate(ALONE):
            alone = encoder(input_ids=torch.tensor([text.ids_N])).last_hidden_state[0].double()
            pairs = zip(GROUPS[a], there, strict=True)
            cosines = [torch.cosine_similarity(whole[n], alone[m], dim=0) for n, m in pairs]
            expected = 1 - float(sum(cosines)) / len(cosines)
            assert float(found.alone_A[a]) == pytest.approx(expected, abs=1e-5)


def test_an_encoder_that_reads_leftwards_passes_nothing_to_the_left() -> None:
    found = flow(make_clip_encoder(byte_tokenizer()))
    assert float(found.flow_WAB[:, 0].abs().max()) < 1e-6
    assert float(found.flow_WAB[0, 2, 0]) > 1e-4


def test_cuts_in_one_pass_or_many_are_the_same_and_told_of(encoder: PreTrainedModel) -> None:
    text = Encoded(IDS, [1, 1, 1, 1, 1, 1, 1, 0])
    many = drain(encoder_flow(encoder, text, GROUPS, pad=2, by_layer=False, rows=2))
    once = drain(encoder_flow(encoder, text, GROUPS, pad=2, by_layer=False))
    torch.testing.assert_close(many[1].flow_WAB, once[1].flow_WAB, atol=1e-6, rtol=1e-5)
    assert many[1].flow_WAB.shape == (1, 3, 3)
    assert [event.done for event in many[0]] == [0, 2, 4, 6, 8]
    assert {event.total for event in many[0]} == {9}


def test_a_lone_word_has_nobody_to_read(encoder: PreTrainedModel) -> None:
    lone = encoder_flow(encoder, Encoded(IDS, None), [(1, 2)], pad=2, by_layer=False)
    found = drain(lone)[1]
    assert found.flow_WAB.tolist() == [[[0.0]]]
    assert found.total_WA.tolist() == [[0.0]]


def test_skipped_blocks_leave_the_state_before_them(encoder: PreTrainedModel) -> None:
    ids = torch.tensor([IDS])
    with torch.inference_mode():
        layers = run_with_cuts(encoder, ids, []).layers_LBND
        whole = encoder(input_ids=ids).last_hidden_state
        for layer in range(3):
            with skip_blocks(encoder, layer):
                found = encoder(input_ids=ids).last_hidden_state
            norm = getattr(encoder, "text_model", encoder)
            norm = norm.encoder.final_layer_norm if "T5" in type(encoder).__name__ else (
                norm.final_layer_norm
            )  # fmt: skip
            torch.testing.assert_close(found, norm(layers[layer]), atol=1e-5, rtol=1e-5)
        assert torch.equal(encoder(input_ids=ids).last_hidden_state, whole)
