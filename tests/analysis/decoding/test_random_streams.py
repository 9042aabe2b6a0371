"""Random streams: fixed by what they are for, and draws that follow the distribution."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.decoding.random_streams import gumbels, pick, uniforms

place = st.integers(0, 2**31 - 1)


@given(place, st.integers(0, 511), st.integers(0, 63), st.integers(1, 50))
def test_a_longer_stream_begins_with_the_shorter(
    seed: int, position: int, trial: int, count: int
) -> None:
    numbers = uniforms(seed, position, trial, count + 5)
    np.testing.assert_array_equal(numbers[:count], uniforms(seed, position, trial, count))
    assert ((numbers >= 0) & (numbers < 1)).all()


def test_streams_differ_in_each_of_their_names() -> None:
    named = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    first = {float(uniforms(*name, 1)[0]) for name in named}
    assert len(first) == 4
    assert not torch.equal(gumbels(0, 0, [0], 5), gumbels(0, 0, [1], 5))
    assert torch.equal(gumbels(0, 2, [3, 7], 5)[1:], gumbels(0, 2, [7], 5))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1, exclude_max=True))
def test_a_draw_inverts_the_distribution_function(weights: list[float], u: float) -> None:
    p = np.array(weights)
    if p.sum() < 1e-3:
        return
    p /= p.sum()
    logp = torch.from_numpy(np.log(np.where(p > 0, p, 1)) + np.where(p > 0, 0, -np.inf))[None]
    token = int(pick(logp, [u])[0])
    cumulative = np.cumsum(logp[0].exp().numpy())
    assert p[token] > 0
    below = cumulative[token - 1] if token else 0.0
    assert below <= u * cumulative[-1] <= cumulative[token] + 1e-15


def test_the_largest_number_finds_the_last_token_with_probability() -> None:
    logp = torch.tensor([[0.5, 0.5, 0.0]]).log()
    assert pick(logp, [np.nextafter(1, 0)]).tolist() == [1]
    assert pick(logp, [1.0]).tolist() == [1]


def test_draws_have_their_frequencies() -> None:
    p = torch.tensor([0.1, 0.6, 0.0, 0.3])
    u = uniforms(0, 0, 0, 20_000)
    found = torch.bincount(pick(p.log().expand(len(u), -1), u.tolist()), minlength=4) / len(u)
    assert found.tolist() == pytest.approx(p.tolist(), abs=0.015)
