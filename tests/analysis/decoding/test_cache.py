"""Caches that are shared, cut and joined give the same logits as a fresh forward pass."""

from typing import Any

import pytest
import torch
from transformers import DynamicCache

from analysis.decoding import cache as caches
from analysis.decoding.meter import TraceMeter
from analysis.decoding.prefix import Prefix, forward
from analysis.model import Model

PROMPT = [0, 40, 41, 42, 60]


@pytest.fixture
def prefix(model: Model) -> Prefix:
    found = Prefix(model, PROMPT, TraceMeter())
    with torch.inference_mode():
        found.next_logits()
    return found


@torch.inference_mode()
def fresh(model: Model, ids: list[int]) -> torch.Tensor:
    return forward(model, caches.empty(model), [ids])


@torch.inference_mode()
def test_a_row_cut_out_and_joined_is_as_read(prefix: Prefix) -> None:
    model = prefix.model
    batch = caches.spread(prefix.cache, 3)
    forward(model, batch, [[50], [51], [52]])
    caches.select(batch, [2, 0], model.device)
    forward(model, batch, [[70], [71]])
    tail = caches.cut(batch, 1, len(PROMPT))
    prefix.append([50, 71, 90], tail)
    assert prefix.cache.get_seq_length() == len(PROMPT) + 2
    torch.testing.assert_close(
        prefix.next_logits(), fresh(model, [*PROMPT, 50, 71, 90]), atol=1e-5, rtol=0
    )


@torch.inference_mode()
def test_a_shared_cache_leaves_the_original_as_it_is(prefix: Prefix) -> None:
    layers: Any = prefix.cache.layers
    before = [layer.keys.clone() for layer in layers]
    forward(prefix.model, caches.spread(prefix.cache, 2), [[50], [51]])
    assert all(torch.equal(a, layer.keys) for a, layer in zip(before, layers, strict=True))
    assert prefix.cache.get_seq_length() == len(PROMPT)


@torch.inference_mode()
def test_without_a_tail_the_tokens_are_read_in_one_pass(prefix: Prefix) -> None:
    prefix.append([50, 71, 90], None)
    forwards = prefix.model.passes.forwards
    torch.testing.assert_close(
        prefix.next_logits(), fresh(prefix.model, [*PROMPT, 50, 71, 90]), atol=1e-5, rtol=0
    )
    assert prefix.model.passes.forwards == forwards + 2  # ours and the fresh one


def test_bytes_are_those_of_keys_and_values(prefix: Prefix) -> None:
    layers: Any = prefix.cache.layers
    assert caches.held_bytes(prefix.cache) == sum(2 * layer.keys.nbytes for layer in layers)
    assert caches.held_bytes(DynamicCache()) == 0
    assert caches.held_bytes(None) == 0
