"""A run from the prompt to its last event, and what the bundled model is known to read."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import analysis
from analysis.catalog.entries import Catalog
from analysis.errors import GlassbenchError, InvalidParams, PromptTooLong, TargetOutOfRange
from analysis.loading import load, loaded
from analysis.method import get
from analysis.methods.information_flow.text import case as case_module
from analysis.methods.information_flow.text.case import read_case
from analysis.methods.information_flow.text.cutting import trunk_of
from analysis.methods.information_flow.text.matrix import fill_matrix
from analysis.methods.information_flow.text.params import FlowParams
from analysis.model import Model
from analysis.runner import model_cache
from analysis.text import context as contexts
from analysis.text import generation
from analysis.training.gates_lm import carrier_positions, held_out_items
from tests.drain import drain

Run = Callable[..., list[Any]]
PROMPT = "Anna has the ball. Tom has the book."


@pytest.fixture
def run(catalog: Catalog) -> Run:
    def go(model: str = "tiny-llama", **params: object) -> list[Any]:
        given = {"prompt": PROMPT, "max_new_tokens": 2, "draws": 2, "control_draws": 2, **params}
        return list(analysis.run("information_flow", model=model, params=given, catalog=catalog))

    return go


def kinds(events: list[Any]) -> list[str]:
    """Kinds in order, repeats and progress left out."""
    found = [event.kind for event in events if event.kind != "progress"]
    return [kind for n, kind in enumerate(found) if n == 0 or kind != found[n - 1]]


def test_events_come_in_the_order_that_is_told(run: Run) -> None:
    events = run(edges=[{"queries": [5], "keys": [2]}], grouping="sentence")
    assert kinds(events) == [
        *("model", "tokens", "output", "groups", "edit", "routes", "flow_row", "flow"),
        *("knockout", "agreement", "corrupted", "trace", "cost"),
    ]
    assert set(events[-1].rows) == {"output", "edges", "routes", "matrix", "knockout", "tracing"}


def test_only_what_is_asked_for_is_analysed(run: Run) -> None:
    off = {"matrix": False, "knockout": False, "tracing": False, "routes": False}
    assert kinds(run(**off)) == ["model", "tokens", "output", "groups", "cost"]
    assert kinds(run(**{**off, "knockout": True}))[4:] == ["knockout", "cost"]
    assert kinds(run(**{**off, "tracing": True}))[4:] == ["corrupted", "trace", "cost"]
    assert kinds(run(**{**off, "routes": True}))[4:] == ["routes", "agreement", "cost"]


def test_the_same_params_give_the_same_events(run: Run) -> None:
    one, other = ([event.model_dump_json() for event in run(grouping="sentence")] for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("params", "error", "named"),
    [
        ({"layers": "2"}, InvalidParams, "layers names 2; there are 2"),
        ({"heads": "0,4"}, InvalidParams, "heads names 4; there are 4"),
        ({"trace_window": 0}, InvalidParams, "trace_window"),
        ({"sources": "Bob"}, InvalidParams, "'Bob' does not occur in the prompt"),
        ({"subject": "Anna; Tom"}, InvalidParams, "subject has 2 parts"),
        ({"target_start": 2}, TargetOutOfRange, "the output has 2"),
        ({"prompt": "a" * 400}, PromptTooLong, "context is 96"),
        ({"tau": 0.001}, InvalidParams, "tau"),
        ({"edges": [{"queries": [], "keys": [1]}]}, InvalidParams, "edges.0.queries"),
        ({"leak": False}, InvalidParams, "leak is for a text_to_image model"),
    ],
)
def test_refusals_name_value_and_remedy(
    run: Run, params: dict[str, Any], error: type[GlassbenchError], named: str
) -> None:
    with pytest.raises(error, match=named) as raised:
        run(**params)
    assert raised.value.remedy


def test_groups_end_where_the_target_is_foretold(run: Run) -> None:
    events = run(grouping="word", matrix=False, knockout=False, tracing=False, routes=False)
    found = next(event for event in events if event.kind == "groups")
    assert [group.start for group in found.groups[1:]] == [g.end for g in found.groups[:-1]]
    assert (found.groups[0].start, found.groups[-1].end) == (0, found.positions)
    assert found.target_queries == [found.groups[-1].start] == [found.positions - 1]


@pytest.mark.parametrize(("asked", "made"), [("token", "word"), ("word", "sentence")])
def test_too_many_groups_become_coarser_with_a_note(
    run: Run, monkeypatch: pytest.MonkeyPatch, asked: str, made: str
) -> None:
    quiet: dict[str, Any] = dict.fromkeys(("matrix", "knockout", "tracing", "routes"), False)
    quiet["prompt"] = f"Zqéé {PROMPT}"
    expected = [event for event in run(grouping=made, **quiet) if event.kind == "groups"]
    monkeypatch.setattr(case_module, "MOST_GROUPS", len(expected[0].groups))
    events = run(grouping=asked, **quiet)
    assert [event for event in events if event.kind == "groups"] == expected
    (note,) = (event for event in events if event.kind == "omitted")
    assert note.analysis == f"Grouping by {asked}"
    assert note.reason.endswith(f"the groups are {made}s.")


def test_too_many_sentences_are_refused_with_what_is_not_set_already(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_module, "MOST_GROUPS", 1)
    with pytest.raises(PromptTooLong, match="sentences; the limit is 1") as raised:
        run(grouping="sentence")
    assert raised.value.remedy == "Shorten the prompt."


@pytest.mark.parametrize(
    "params",
    [
        {"target_start": 2, "max_new_tokens": 2},
        {"target_length": 3, "continuation": [40, 41]},
        {"subject": "Anna; Tom"},
    ],
)
def test_what_params_alone_tell_is_refused_before_a_model_is_looked_for(
    params: dict[str, Any],
) -> None:
    with pytest.raises((TargetOutOfRange, InvalidParams)):
        get("information_flow").check({"prompt": PROMPT, **params})


def test_every_example_is_accepted_and_says_what_to_look_for() -> None:
    method = get("information_flow")
    for model in ("demo-lm", "demo-t2i"):
        assert sum(example.model == model for example in method.examples) >= 3
    for example in method.examples:
        method.check(example.params)
        assert example.look_for.endswith(".")


@pytest.fixture(scope="module")
def demo() -> Model:
    catalog = Catalog()
    list(load("demo-lm", catalog=catalog, cache=model_cache()))
    return loaded(catalog.find("demo-lm"), model_cache())


def columns(model: Model, hops: int, count: int) -> list[tuple[int, list[float], list[bool]]]:
    """Per item answered right: the strongest cut into the answer, and per sentence of the story
    its strongest cut into anything and whether the answer depends on it."""
    found = []
    for item in held_out_items(count, hops=hops):
        given = FlowParams(prompt=item.prompt, continuation=f" {item.answer}.", grouping="sentence")
        context = drain(contexts.read(model, given))[1]
        scored = generation.score(model, context.ids, context.prompt_length)
        if not bool((scored.rank_T[:-1] == 1).all()):
            continue
        case = read_case(model, given, context)
        rows: dict[int, Any] = {}
        list(fill_matrix(trunk_of(case), rows))
        carriers = carrier_positions(model.tokenizer, item)
        asked = min(carriers["key"])
        told = {*carriers["source"], *carriers["link"]}
        story = [n for n, group in enumerate(case.groups) if group.stop <= asked][:-1]
        story += [n for n, g in enumerate(case.groups[:-1]) if set(g) & told and n not in story]
        into = rows[len(case.groups) - 1].delta
        out = [min(rows[q].delta[n] for q in range(n + 1, len(case.groups))) for n in story]
        holds = [bool(set(case.groups[n]) & told) for n in story]
        found.append((int(np.argmin([into[n] for n in story])), out, holds))
    return found


def test_the_strongest_cut_into_the_answer_is_from_a_sentence_that_it_hangs_on(
    demo: Model,
) -> None:
    found = [*columns(demo, 1, 60), *columns(demo, 2, 60)]
    assert len(found) >= 100
    right = [holds[strongest] for strongest, _, holds in found]
    assert np.mean(right) >= 0.95


def test_both_hops_of_a_question_stand_out(demo: Model) -> None:
    """Both facts have a larger effect than any sentence that the answer does not depend on."""
    shown = [
        max(cut for cut, own in zip(out, holds, strict=True) if own)
        < min([cut for cut, own in zip(out, holds, strict=True) if not own], default=0.0)
        for _, out, holds in columns(demo, 2, 60)
    ]
    assert np.mean(shown) >= 0.75
