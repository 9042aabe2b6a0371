"""A case without a run: what the analyses share, on a tiny model."""

from typing import Any

import torch

from analysis.attention.decoder_masks import of_cuts, size_of
from analysis.attention.edges import Cut
from analysis.methods.information_flow.text.case import FlowCase, read_case
from analysis.methods.information_flow.text.params import FlowParams
from analysis.model import Model
from analysis.text import context as contexts
from tests.analysis.attention.hooked import hooked
from tests.drain import drain

PROMPT = "Anna has the ball. Tom has the book."


def make_case(model: Model, **params: Any) -> FlowCase:
    given = {"prompt": PROMPT, "continuation": " Anna has it", **params}
    checked = FlowParams.model_validate(given)
    return read_case(model, checked, drain(contexts.read(model, checked))[1])


@torch.inference_mode()
def one_cut(case: FlowCase, *cuts: Cut, zero: bool = False) -> float:
    """Δ log-probability of the target by a whole forward pass of its own, through hooks."""
    masks = of_cuts(cuts, size_of(case.model, case.ids_1N))
    logits = hooked(case.model, case.ids_1N, masks, zero=zero)
    return float(case.logprobs(logits[:, list(case.queries)])[0]) - case.logprob
