"""A prompt that a model has read before gives the events of a first pass, to the last bit."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from analysis.errors import OutOfMemory
from analysis.events import Event
from analysis.loading import ModelCache
from analysis.method import get
from analysis.methods import cntp
from analysis.model import Model
from analysis.model.memory import weight_bytes
from analysis.model.read_prompts import ReadPrompt, ReadPrompts
from analysis.run_context import RunContext
from tests.families import TEXT
from tests.load_folder import load_folder
from tests.tiny_models import byte_tokenizer, save, spread

PROMPT = "Anna has the ball. Leo has the hat. Who has it?"  # longer than Mistral's window of 16
SHARING = 5  # decoders after the first that read the prompt: the vote takes samples drawn before


class Forgetful(ReadPrompts):
    """Keeps nothing."""

    def get(self, ids: list[int]) -> None:
        del ids


def family(name: str, path: Path) -> Model:
    torch.manual_seed(0)
    return load_folder(save(spread(TEXT[name]().eval()), byte_tokenizer(), path))


def decode(model: Model) -> list[dict[str, Any]]:
    given = {"prompt": PROMPT, "max_new_tokens": 3, "trial_cap": 3, "seed": 3, "mode": "fixed"}
    given |= {"max_trials": 3, "samples": 3, "beams": 2}
    params = get("cntp").check(given)
    events = cntp.run(model, params, RunContext())  # type: ignore[arg-type]
    return [untimed(event.model_dump()) for event in events if told(event)]


def told(event: Event) -> bool:
    return event.kind != "progress"  # type: ignore[attr-defined,no-any-return]


def untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: untimed(one) for name, one in value.items() if "seconds" not in name}
    return [untimed(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["Mistral", "Qwen 3-Next"])
def test_events_are_those_without_sharing(name: str, tmp_path: Path) -> None:
    model = family(name, tmp_path / "model")
    object.__setattr__(model, "prompts", Forgetful())
    alone, forwards = decode(model), model.passes.forwards
    object.__setattr__(model, "prompts", ReadPrompts())
    first, shared = decode(model), model.passes.forwards - forwards
    again, later = decode(model), model.passes.forwards - forwards - shared
    assert first == alone
    assert again == alone
    assert forwards - shared >= SHARING
    assert shared - later == 1


def test_costs_count_the_prompt_in_each_trace(model: Model) -> None:
    model.prompts.clear()
    given = {"prompt": PROMPT, "max_new_tokens": 1}
    for _ in range(2):
        events = list(cntp.run(model, get("cntp").check(given), RunContext()))  # type: ignore[arg-type]
        costs = [event.cost for event in events if event.kind == "trace_end"]  # type: ignore[attr-defined]
        [prompt] = model.prompts.kept.values()
        assert len(costs) == 7
        assert all(cost.main_forwards == 1 for cost in costs)
        least = 0.999 * prompt.seconds  # traces hold rounded numbers
        assert all(cost.seconds >= cost.model_seconds >= least for cost in costs)


def entry(size: int) -> ReadPrompt:
    return ReadPrompt(None, torch.zeros(1, 4), size, 0.0)


def test_prompts_used_longest_ago_go_first() -> None:
    prompts = ReadPrompts(limit=100)
    for token in (1, 2):
        prompts.keep([token], entry(40))
    assert prompts.get([1])
    prompts.keep([3], entry(40))
    assert list(prompts.kept) == [(1,), (3,)]
    prompts.keep([4], entry(400))  # of the run that goes on
    assert (list(prompts.kept), prompts.bytes) == ([(4,)], 400)
    prompts.trim()
    assert not prompts.kept


def test_a_run_that_is_closed_keeps_to_the_limit(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.prompts.clear()
    monkeypatch.setattr(model.prompts, "limit", 0)
    running = cntp.run(
        model, get("cntp").check({"prompt": PROMPT, "max_new_tokens": 4}), RunContext()
    )  # type: ignore[arg-type]
    while not model.prompts.kept:
        next(running)
    running.close()  # type: ignore[attr-defined]
    assert not model.prompts.kept


def test_memory_that_runs_out_drops_the_prompts(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode(model)

    def full(*args: Any, **inputs: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(type(model.plain), "__call__", full)
    with pytest.raises(OutOfMemory):
        model.forward(input_ids=torch.zeros(1, 4, dtype=torch.long))
    assert not model.prompts.kept


def test_prompts_count_in_the_budget_and_go_before_a_model(model: Model) -> None:
    model.prompts.clear()
    weights = weight_bytes(model.plain)
    cache = ModelCache(2 * weights, OrderedDict({("a", "b", "c", "d"): model}))
    model.prompts.keep([1], entry(weights // 2))
    assert cache.held() == weights + weights // 2
    cache.make_room(weights)
    assert cache.held() == weights
