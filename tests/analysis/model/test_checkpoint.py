"""A run records the settings of its checkpoint, and an earlier run can be repeated."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

import analysis
from analysis.catalog.entries import folder_entry
from analysis.events import Brings, ModelLoaded
from analysis.model.checkpoint import generation_asks, in_force

Write = Callable[..., Path]
TEMPLATE = "Today: {{ strftime_now('%d %b %Y') }}\n{{ messages[0].content }}"
QUICK = {"prompt": "Anna has", "max_new_tokens": 1, "probes": 32, "chat": True}


def edit(file: Path, **values: Any) -> None:
    found = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**found, **values}))


def events(folder: Path, day: date | None = None) -> list[Any]:
    quiet = {"faithfulness": False, "baselines": False, "stop_early": False}
    entry = folder_entry(folder)
    return list(analysis.run("reagent", model=entry, params={**QUICK, **quiet}, today=day))


def brought(found: list[Any]) -> Brings | None:
    return next(event.info.brings for event in found if isinstance(event, ModelLoaded))


def prompt(found: list[Any]) -> str:
    tokens = next(event.tokens for event in found if event.kind == "tokens")
    return "".join(token.text for token in tokens)


def test_a_model_that_brings_nothing_says_nothing(copy: Write) -> None:
    found = list(analysis.run("inspect", model=folder_entry(copy()), params={}))
    assert brought(found) is None


def test_the_day_that_a_template_took_is_recorded_and_can_be_given_again(copy: Write) -> None:
    folder = copy()
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    then = events(folder, date(2024, 7, 26))
    told = brought(then)
    assert told is not None
    assert told.template_date == "2024-07-26"
    assert "26 Jul 2024" in prompt(then)
    today = brought(events(folder))
    assert today is not None
    assert today.template_date == str(date.today())
    again = events(folder, date.fromisoformat(told.template_date))
    assert [event.model_dump_json() for event in again if event.kind != "progress"] == [
        event.model_dump_json() for event in then if event.kind != "progress"
    ]


def test_what_generation_config_asks_is_told(copy: Write) -> None:
    folder = copy()
    edit(folder / "generation_config.json", repetition_penalty=1.05, top_p=0.8, do_sample=True)
    found = brought(list(analysis.run("inspect", model=folder_entry(folder), params={})))
    assert found is not None
    assert found.generation == {"repetition_penalty": 1.05, "top_p": 0.8, "do_sample": True}


def test_a_padding_token_that_is_a_word_is_told(copy: Write) -> None:
    folder = copy()
    edit(folder / "tokenizer_config.json", pad_token="!")
    found = brought(list(analysis.run("inspect", model=folder_entry(folder), params={})))
    assert found is None or found.pad_word in (None, "!")


def test_ids_of_special_tokens_ask_nothing() -> None:
    config = GenerationConfig(eos_token_id=[1, 2], pad_token_id=0, max_length=50)
    assert generation_asks(config) == {}
    assert generation_asks(None) == {}
    assert generation_asks(GenerationConfig(suppress_tokens=[3])) == {"suppress_tokens": [3]}


def test_a_long_list_is_told_by_its_length_and_still_applied() -> None:
    asks = {"suppress_tokens": list(range(5000)), "top_k": 3}
    left = in_force(asks, {"top_k": 3}, apply=False, draws=True)
    assert left.not_applied == {"suppress_tokens": "(5000 values)"}
    done = in_force(asks, {"top_k": 9}, apply=True, draws=True)
    assert done.values == {"top_k": 3, "suppress_tokens": list(range(5000))}
    assert done.applied == {"suppress_tokens": "(5000 values)", "top_k": 3}
    assert done.not_applied == {}


def test_values_that_change_nothing_are_no_request() -> None:
    asks = {"temperature": 1.0, "repetition_penalty": 1.0, "num_beams": 1, "do_sample": False}
    found = in_force(asks, {}, apply=False, draws=False)
    assert found.not_applied == found.applied == {}


def told(folder: Path, method: str, **params: Any) -> Brings:
    """What a run says, read from the event that comes before it begins."""
    for event in analysis.run(method, model=folder_entry(folder), params=params):
        if isinstance(event, ModelLoaded):
            assert event.info.brings is not None
            return event.info.brings
    raise AssertionError("no model was loaded")


def test_a_run_says_of_each_field_whether_it_does_it(copy: Write) -> None:
    """Beams are never searched here; truncations count where tokens are drawn."""
    folder = copy()
    asks = {"repetition_penalty": 1.05, "num_beams": 4, "top_p": 0.8}
    edit(folder / "generation_config.json", do_sample=True, **asks)
    segments = {"segments": [{"text": "Anna has"}], "question": " the", "answer": " ball"}
    for method, text in (("reagent", {"prompt": "Anna has"}), ("graph_kv", segments)):
        left = told(folder, method, **text)
        assert (left.applied, left.not_applied) == ({}, {**asks, "do_sample": True})
        done = told(folder, method, **text, generation_config="apply")
        assert done.applied == {"repetition_penalty": 1.05}
        assert done.not_applied == {"num_beams": 4, "top_p": 0.8, "do_sample": True}
    drawn = told(folder, "reagent", prompt="Anna", temperature=0.7, generation_config="apply")
    assert drawn.applied == {"repetition_penalty": 1.05, "top_p": 0.8}
    assert drawn.not_applied == {"num_beams": 4}
    given = told(folder, "reagent", prompt="Anna", continuation=" has", generation_config="apply")
    assert given.applied == {}
    decoding = told(folder, "cntp", prompt="Anna has", generation_config="apply")
    assert decoding.applied is decoding.not_applied is None
