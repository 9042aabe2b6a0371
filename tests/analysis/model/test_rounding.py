"""Rounding between routes, measured against explicit log-probabilities."""

import pytest
import torch

from analysis.attention import decoder_masks
from analysis.loading import self_check
from analysis.loading.self_check import CHECK_TEXT
from analysis.model import Model
from analysis.model.rounding import rounding_nats
from tests.drain import drain
from tests.load_folder import plain_logits

LOGITS = torch.tensor([[[1.0, 3.0, -8.0], [0.5, 0.0, 0.25]]])


def test_the_largest_difference_of_the_likeliest_tokens_counts() -> None:
    other = LOGITS.clone()
    other[0, 1, 0] += 0.1
    expected = (other[0, 1].log_softmax(-1) - LOGITS[0, 1].log_softmax(-1))[0]
    found = rounding_nats(LOGITS, [LOGITS, other], torch.float32)
    assert found == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(
    ("dtype", "step"),
    [(torch.float32, 2.0**-24), (torch.bfloat16, 2.0**-8), (torch.float16, 2.0**-11)],
)
def test_equal_routes_leave_half_a_step_of_the_dtype(dtype: torch.dtype, step: float) -> None:
    assert rounding_nats(LOGITS, [LOGITS], dtype) == pytest.approx(8 * step)


def test_the_self_check_tells_it_for_a_model(model: Model) -> None:
    found = drain(self_check(model))[1].rounding_nats
    ids = model.tokenizer(CHECK_TEXT, return_tensors="pt").input_ids[:, : model.info.context]
    plain = plain_logits(model, input_ids=ids).double().log_softmax(-1)
    tokens = ids.shape[1]
    every = [torch.ones(1, 1, tokens, tokens, dtype=torch.bool)] * model.info.layers
    with torch.inference_mode():
        masked = decoder_masks.logits(model, ids, every, keep_T=torch.arange(tokens))
        routes = [masked, model.plain(ids).logits]
    at = plain.argmax(-1, keepdim=True)
    apart = [
        float((route.double().log_softmax(-1).gather(-1, at) - plain.gather(-1, at)).abs().max())
        for route in routes
    ]
    assert found is not None
    assert max(apart) <= found < 1e-4  # float32 on a CPU


def test_what_bfloat16_takes_from_logits_is_of_the_size_that_is_told(model: Model) -> None:
    ids = model.tokenizer(CHECK_TEXT, return_tensors="pt").input_ids[:, : model.info.context]
    with torch.inference_mode():
        exact = model.plain(ids).logits
        rounded = exact.bfloat16().float()
    apart = (rounded.double().log_softmax(-1) - exact.double().log_softmax(-1)).abs().max()
    told = rounding_nats(exact, [exact], torch.bfloat16)
    assert told / 20 <= float(apart) <= told
