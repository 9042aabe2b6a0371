"""What a checkpoint asks of `generate`: said, and done where it is wanted."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import analysis
from analysis.catalog.entries import folder_entry
from analysis.decoding import trace as traces
from analysis.decoding.trace import DecoderTrace
from analysis.errors import InvalidParams

PROMPT = "Anna has the ball. Where is"
LENGTH = 24
BASELINES = ("greedy", "sampling", "min_p", "beam", "best_of_n", "self_consistency")
QUIET = {f"with_{name}": False for name in BASELINES}
ASKED: dict[str, Any] = {
    "repetition_penalty": 1.3,
    "no_repeat_ngram_size": 3,
    "suppress_tokens": [40, 41],
    "min_new_tokens": 20,
    "do_sample": True,
    "temperature": 0.7,
    "top_p": 0.8,
    "num_beams": 1,
}
Folder = Callable[..., Path]


@pytest.fixture
def asking(copy: Folder) -> Path:
    folder = copy("asking")
    file = folder / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **ASKED}))
    return folder


def decode(folder: Path, **params: Any) -> list[DecoderTrace]:
    given = {"prompt": PROMPT, "max_new_tokens": LENGTH, "trial_cap": 8, **QUIET, **params}
    events = analysis.run("cntp", model=folder_entry(folder), params=given)
    return list(traces.load(traces.dump(events)).traces.values())


def generated(folder: Path, **given: Any) -> list[int]:
    plain: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(folder)(PROMPT, return_tensors="pt").input_ids
    out = plain.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=LENGTH, pad_token_id=2, **given
    )
    found: list[int] = out[0, ids.shape[1] :].tolist()
    return found


def test_greedy_with_what_is_asked_is_generate(asking: Path) -> None:
    (applied,) = decode(asking, decoder="greedy", generation_config="apply")
    (left,) = decode(asking, decoder="greedy")
    expected = generated(asking, do_sample=False)
    assert applied.ids == expected
    assert left.ids != expected


def test_the_trace_says_what_was_applied_and_what_was_not(asking: Path) -> None:
    drawn = {"do_sample", "temperature", "top_p"}
    (left,) = decode(asking, decoder="greedy")
    assert left.start.applied == {}
    assert left.start.not_applied == {n: v for n, v in ASKED.items() if n != "num_beams"}
    (greedy,) = decode(asking, decoder="greedy", generation_config="apply")
    assert set(greedy.start.not_applied) == drawn
    cntp, beam = decode(asking, with_beam=True, generation_config="apply")
    assert cntp.start.not_applied == {}
    assert cntp.start.applied["temperature"] == cntp.start.settings["temperature"] == 0.7
    assert cntp.start.settings["no_repeat_ngram_size"] == 3
    assert set(beam.start.not_applied) == {*ASKED} - {"num_beams"}


def test_what_the_form_says_too_is_not_told_as_left_out(asking: Path) -> None:
    (found,) = decode(asking, temperature=0.7, top_p=0.8, repetition_penalty=1.3)
    assert set(found.start.not_applied) == {"no_repeat_ngram_size", "suppress_tokens",
                                            "min_new_tokens"}  # fmt: skip


def test_a_checkpoint_that_asks_nothing_leaves_nothing_out(copy: Folder) -> None:
    (found,) = decode(copy(), generation_config="apply")
    assert found.start.applied == found.start.not_applied == {}


@pytest.mark.parametrize("decoder", ["cntp", "greedy", "sampling", "min_p"])
def test_processors_see_all_that_was_written_in_every_decoder(copy: Folder, decoder: str) -> None:
    """Trials share rows and begin behind different texts: no pair may stand twice in any."""
    options = {"decoder": decoder, "with_best_of_n": True, "samples": 6, "mode": "fixed"}
    for trace in decode(copy(), no_repeat_ngram_size=2, max_trials=6, prune=False, **options):
        for fan in trace.fans.values():
            assert fan.fork is not None
            before = trace.ids[: fan.fork.position]
            for number in fan.tokens:
                assert_no_pair_twice([*before, *fan.ids(number)])
        assert_no_pair_twice(trace.ids)


def assert_no_pair_twice(ids: list[int]) -> None:
    pairs = list(pairwise(ids))
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize(
    "given",
    [
        {"min_p_trials": 0.5}, {"typical_p": 0.3}, {"epsilon_cutoff": 0.02}, {"eta_cutoff": 0.3},
        {"top_n_sigma": 0.5}, {"frequency_penalty": 4.0}, {"presence_penalty": 4.0},
        {"repetition_penalty": 3.0}, {"token_bias": "#40 -100\n41 9"}, {"min_new_tokens": 24},
    ],
    ids=lambda given: next(iter(given)),
)  # fmt: skip
def test_each_is_heard_and_told(copy: Folder, given: dict[str, Any]) -> None:
    wide = {"top_p": 1.0, "top_k": 0, "temperature": 2.0}
    folder = copy()
    (plain,), (bent,) = decode(folder, **wide), decode(folder, **wide, **given)
    assert plain.ids != bent.ids or "min_new_tokens" in given
    told = {name.removesuffix("_trials"): value for name, value in given.items()}
    assert told.items() <= bent.start.settings.items()
    assert not told.keys() & plain.start.settings.keys()


@pytest.mark.parametrize("method", ["reagent", "graph_kv"])
def test_outputs_to_explain_are_written_as_asked(asking: Path, method: str) -> None:
    quiet = {"probes": 32, "faithfulness": False, "baselines": False, "stop_early": False}
    modes = ("graph", "graph_ordered", "parallel", "full", "random_edges")
    alone = {f"with_{mode}": False for mode in modes}
    segments = [{"id": "a", "text": "Anna has the ball."}, {"id": "b", "text": "It is red."}]
    params: dict[str, Any] = (
        {"prompt": PROMPT, **quiet}
        if method == "reagent"
        else {"segments": segments, "question": " Who?", "mode": "sequential", **alone}
    )
    found = {
        use: written(asking, method, {**params, "max_new_tokens": 16, "generation_config": use})
        for use in ("leave", "apply")
    }
    assert found["leave"] != found["apply"]
    assert not {40, 41} & set(found["apply"])
    triples = [found["apply"][at : at + 3] for at in range(14)]
    assert len({tuple(three) for three in triples}) == len(triples) == 14
    if method == "reagent":
        assert found["apply"] == generated(asking, do_sample=False)[:16]


def written(folder: Path, method: str, params: dict[str, Any]) -> list[int]:
    """Ids of the output."""
    events: list[Any] = list(analysis.run(method, model=folder_entry(folder), params=params))
    if method == "reagent":
        tokens = [token.id for event in events if event.kind == "tokens" for token in event.tokens]
        return tokens[next(e.prompt_length for e in events if e.kind == "tokens") :]
    parts = [e for e in events if e.kind == "segment_tokens" and e.part == "answer"]
    return [token.id for event in parts for token in event.tokens]


@pytest.mark.parametrize("given", ["505", "a 1", "#40 -101", "#999999 1", "#40 1 2"])
def test_a_bias_that_is_none_is_refused(copy: Folder, given: str) -> None:
    with pytest.raises(InvalidParams, match="token_bias"):
        decode(copy(), token_bias=given)
