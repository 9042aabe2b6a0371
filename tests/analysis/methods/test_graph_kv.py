"""What a run yields: in which order, equal to what, and that the right edge matters."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any, cast

import numpy as np
import pytest
from pydantic import TypeAdapter

import analysis
from analysis.catalog.entries import Catalog
from analysis.events import content_ref
from analysis.loading import load, loaded
from analysis.method import get
from analysis.methods import graph_kv
from analysis.methods.graph_kv import attention
from analysis.methods.graph_kv.layout import LayoutPlan, PromptParts, TokenLayout, arrange
from analysis.model import Model
from analysis.model.memory import rows_do_not_fit
from analysis.run_context import RunContext
from analysis.runner import model_cache
from analysis.text import tokenization as texts
from analysis.worlds import plans, stories

SEGMENTS = [
    {"id": "a", "text": "Anna has"},
    {"id": "b", "text": "the book."},
    {"id": "c", "text": "Tom is in"},
    {"id": "d", "text": "ball"},
]
EDGES = [{"source": "a", "target": "c"}, {"source": "b", "target": "c"}]
Run = Callable[..., list[Any]]


@pytest.fixture
def run(catalog: Catalog) -> Run:
    def go(model: str = "tiny-llama", **params: object) -> list[Any]:
        quiet = {"with_full": False, "with_graph_ordered": False, "permutations": 4}
        given = {"segments": SEGMENTS, "edges": EDGES, "question": "Who?", "max_new_tokens": 2}
        found: Iterator[Any] = analysis.run(
            "graph_kv", model=model, params={**given, **quiet, **params}, catalog=catalog
        )
        return [event for event in found if event.kind != "model"]

    return go


def of_kind(events: list[Any], kind: str, **values: object) -> list[Any]:
    return [
        event
        for event in events
        if event.kind == kind and all(getattr(event, n) == v for n, v in values.items())
    ]


def only(events: list[Any], kind: str, **values: object) -> Any:
    (found,) = of_kind(events, kind, **values)
    return found


def test_events_come_in_their_order(run: Run) -> None:
    kinds = [event.kind for event in run() if event.kind != "progress"]
    assert [kind for kind, _ in itertools.groupby(kinds)] == [
        "segments", "segment_tokens", "layout", "segment_tokens", "answer", "arrangement",
        "edge_mass", "token_mass", "sinks", "routes", "knock_out",
        *["permutation", "spread"] * 4, "cost",
    ]  # fmt: skip


def test_the_segments_are_told_before_the_model_runs(model: Model, catalog: Catalog) -> None:
    params = {"segments": SEGMENTS, "question": "Who?"}
    events: Iterator[Any] = analysis.run(
        "graph_kv", model=model.info.id, params=params, catalog=catalog
    )
    first = next(event for event in events if event.kind == "segments")
    before = model.passes.forwards
    told = list(itertools.takewhile(lambda event: event.kind != "progress", events))
    assert [row.id for row in first.segments] == ["a", "b", "c", "d"]
    assert told[-1].kind == "layout"
    assert model.passes.forwards == before + 1  # one token was written


def test_layouts_tell_blocks_positions_and_runs(run: Run) -> None:
    events = run(mode="graph")
    rows = only(events, "segments")
    layout = only(events, "layout", mode="graph")
    sizes = [row.tokens for row in rows.segments]
    assert [(b.role, b.segment, b.round, b.tokens) for b in layout.blocks] == [
        ("prefix", None, None, rows.prefix),
        ("segment", 0, 0, sizes[0]),
        ("segment", 1, 0, sizes[1]),
        ("segment", 3, 0, sizes[3]),
        ("segment", 2, 1, sizes[2]),
        ("question", None, None, rows.question - 1),
        ("answer", None, None, 1),
    ]
    assert layout.blocks[4].reads == [1, 2]
    assert layout.blocks[4].position == rows.prefix + rows.longest
    assert layout.span == rows.prefix + 2 * rows.longest + rows.question + 2
    assert layout.area == (layout.run_stop - layout.run_start).sum()
    assert len(layout.row_start) == layout.tokens + 1
    relative = {event.mode: event.relative_area for event in of_kind(events, "layout")}
    assert relative["sequential"] == 1
    assert relative["parallel"] < relative["graph"] < 1


def test_tokens_join_to_their_texts(run: Run) -> None:
    joined: dict[Any, str] = defaultdict(str)
    for event in of_kind(run(answer=" Tom"), "segment_tokens"):
        joined[event.part, event.segment] += "".join(token.text for token in event.tokens)
    assert joined["segment", 2] == " Tom is in"
    assert joined["question", None] == " Who?"
    assert joined["answer", None] == " Tom"


def test_every_forward_pass_is_counted_once(run: Run, catalog: Catalog) -> None:
    cost = only(run(answer=" me", patterns=False, with_random_edges=False), "cost")
    # One row reads block by block; both edges are cut; of each of three modes are four orders, the
    # first of which is the arrangement itself.
    assert cost.rows["attention"] == cost.forwards["attention"] == 1
    assert cost.rows["cut edges"] == 2
    assert cost.rows["orders"] == 9


def test_without_an_answer_the_chosen_mode_writes_it(run: Run) -> None:
    events = run(mode="parallel", max_new_tokens=3)
    answer = only(events, "answer")
    chosen = only(events, "arrangement", mode="parallel")
    assert (answer.written_by, answer.text) == ("parallel", chosen.text)
    assert chosen.right is None
    assert chosen.alternatives[0].logprob == pytest.approx(chosen.token_logprobs[0], abs=1e-6)
    assert chosen.logprob == pytest.approx(sum(chosen.token_logprobs), abs=1e-9)


def test_an_answer_given_is_right_where_the_text_begins_with_it(run: Run) -> None:
    wrote = {event.mode: event.text for event in of_kind(run(), "arrangement")}
    events = of_kind(run(answer=wrote["graph"]), "arrangement")
    assert {e.mode: e.right for e in events} == {m: t == wrote["graph"] for m, t in wrote.items()}


def test_a_cut_edge_is_a_run_without_it_where_positions_stay(run: Run) -> None:
    """The target has another source left, and so keeps its round."""
    answer = " Tom"
    cuts = of_kind(run(answer=answer), "knock_out")
    whole = only(run(answer=answer), "arrangement", mode="graph").logprob
    for number, cut in enumerate(cuts):
        rest = [edge for n, edge in enumerate(EDGES) if n != number]
        again = only(run(answer=answer, edges=rest), "arrangement", mode="graph")
        assert cut.logprob == pytest.approx(again.logprob, abs=1e-5)
        assert cut.delta == pytest.approx(again.logprob - whole, abs=2e-5)
        assert abs(cut.delta) > 1e-3


@pytest.mark.parametrize("model", ["tiny-llama", "tiny-gpt2"])
def test_orders_do_not_matter_where_positions_are_shared(run: Run, model: str) -> None:
    events = run(model, answer=" Tom", permutations=8, with_full=True, with_graph_ordered=True)
    spread = {event.mode: event for event in of_kind(events, "spread")}
    for mode in ("graph", "parallel", "random_edges"):
        assert spread[mode].range < 1e-4
    for mode in ("sequential", "graph_ordered", "full"):
        assert spread[mode].std > 1e-2
    for mode, event in spread.items():
        tried = of_kind(events, "permutation", mode=mode)
        logprobs = [one.logprob for one in tried]
        assert (event.orders, len({tuple(one.order) for one in tried})) == (8, 8)
        assert logprobs[0] == only(events, "arrangement", mode=mode).logprob
        assert event.std == pytest.approx(np.std(logprobs))
        assert event.range == pytest.approx(np.ptp(logprobs))


def test_an_order_is_a_run_with_the_segments_in_it(run: Run) -> None:
    events = run(answer=" Tom")
    tried = of_kind(events, "permutation", mode="sequential")[-1]
    shuffled = [SEGMENTS[number] for number in tried.order]
    again = only(run(answer=" Tom", segments=shuffled), "arrangement", mode="sequential")
    assert tried.order != [0, 1, 2, 3]
    assert tried.logprob == pytest.approx(again.logprob, abs=1e-5)


def test_edge_mass_is_the_same_without_patterns(run: Run) -> None:
    with_patterns, without = run(answer=" Tom"), run(answer=" Tom", patterns=False)
    one, other = (only(events, "edge_mass") for events in (with_patterns, without))
    assert (one.readers, one.sources) == (other.readers, other.sources)
    np.testing.assert_allclose(one.mass, other.mass, atol=1e-5)
    routes = only(with_patterns, "routes")
    assert routes.mass_difference < 1e-5
    assert routes.logit_difference < 1e-5
    assert not [e for e in without if e.kind in ("token_mass", "sinks", "routes")]


def test_mass_on_tokens_adds_up_to_mass_on_edges(run: Run) -> None:
    events = run(answer=" Tom")
    edges, tokens = only(events, "edge_mass"), only(events, "token_mass")
    blocks = only(events, "layout", mode="graph").blocks
    for pair, (reader, source) in enumerate(zip(edges.readers, edges.sources, strict=True)):
        end = blocks[source].start + blocks[source].tokens if source + 1 < len(blocks) else None
        summed_L = tokens.mass[:, reader, blocks[source].start : end].sum(-1)
        np.testing.assert_allclose(summed_L, edges.mass[pair].mean(-1), atol=1e-5)


def test_a_prefix_is_read_by_the_segments_only_where_told(run: Run) -> None:
    hidden, shown = (
        only(run(prefix="Anna", prefix_readers=readers), "layout", mode="graph").blocks
        for readers in ("question", "all")
    )
    assert [0 in block.reads for block in hidden] == [False] * 5 + [True] * 2
    assert [0 in block.reads for block in shown] == [False] + [True] * 6


def test_the_same_params_give_the_same_numbers(run: Run) -> None:
    first, again = (
        [e.model_dump(mode="json") for e in run(answer=" Tom") if e.kind != "progress"]
        for _ in range(2)
    )
    assert first == again


def test_the_batch_size_changes_no_number(run: Run) -> None:
    together, apart = (
        [e.logprob for e in run(answer=" Tom", rows_per_forward=rows) if hasattr(e, "logprob")]
        for rows in (64, 1)
    )
    assert together == pytest.approx(apart, abs=1e-5)


def test_a_mode_that_is_left_out_is_named(run: Run) -> None:
    long = [{**one, "text": one["text"] + "z" * 25} for one in SEGMENTS]
    events = run(segments=long, with_full=True)
    omitted = of_kind(events, "omitted")
    assert [event.analysis for event in omitted] == ["Mode sequential", "Mode full"]
    assert "full spans" in omitted[-1].reason
    modes = ["graph", "parallel", "random_edges"]
    for kind in ("layout", "arrangement", "spread"):
        assert [event.mode for event in of_kind(events, kind)] == modes


def test_patterns_of_too_many_tokens_are_left_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = only(run(), "edge_mass")
    monkeypatch.setattr(attention, "DENSE_TOKENS", 12)
    events = run()
    assert only(events, "omitted").analysis == "Attention per token and attention sinks"
    assert "the limit is 12" in only(events, "omitted").reason
    found = only(events, "edge_mass")
    np.testing.assert_allclose(found.mass, expected.mass, atol=1e-5)
    assert not any(of_kind(events, kind) for kind in ("token_mass", "sinks", "routes"))


@pytest.mark.parametrize("patterns", [True, False])
def test_attention_is_read_from_patterns_where_no_blocks_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, patterns: bool
) -> None:
    monkeypatch.setattr(attention, "runs_blockwise", lambda model: False)
    monkeypatch.setattr(attention, "DENSE_TOKENS", 12)
    events = run(patterns=patterns)
    assert of_kind(events, "edge_mass")
    assert bool(of_kind(events, "sinks")) == patterns
    assert not of_kind(events, "omitted")


@pytest.mark.parametrize("blocks", [True, False])
def test_patterns_that_do_not_fit_are_left_out(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, blocks: bool
) -> None:
    def patterned(model: Model, layout: TokenLayout, kept: int) -> None:
        raise rows_do_not_fit(1, len(layout.ids_N))

    monkeypatch.setattr(attention, "patterned", patterned)
    monkeypatch.setattr(attention, "runs_blockwise", lambda model: blocks)
    events = run()
    assert "do not fit" in only(events, "omitted").reason
    assert bool(of_kind(events, "edge_mass")) == blocks
    assert of_kind(events, "knock_out")


LARGEST = [(64, {"rounds": 4}), (128, {}), (96, {"mode": "sequential"}), (82, {"mode": "full"})]


@pytest.mark.parametrize("model", ["tiny-llama"], indirect=True)
@pytest.mark.parametrize(("count", "given"), LARGEST)
def test_the_largest_run_has_events_under_64_kib(
    model: Model, count: int, given: dict[str, Any]
) -> None:
    """A model of a large context; what would not fit is refused or left out."""
    roomy = replace(model, info=model.info.model_copy(update={"context": 2000}))
    names = [f"{n:03d}" + "i" * 61 for n in range(count)]
    rounds = given.get("rounds")
    pairs = list((itertools.permutations if rounds else itertools.combinations)(names, 2))
    params = get("graph_kv").check({
        "segments": [{"id": name, "text": "a", "score": 0.123456789} for name in names],
        "edges": [{"source": a, "target": b} for a, b in Random(0).sample(pairs, 512)],
        "patterns": False, "knock_outs": False, "permutations": 0, "separator": "",
        "question": "Who?", "answer": "b" * 64, "max_new_tokens": 1, **given,
    })  # fmt: skip
    for event in graph_kv.run(roomy, cast(Any, params), RunContext()):
        sent = TypeAdapter(type(event)).dump_json(event, context={"store": content_ref})
        assert len(sent) < 64 * 1024, event.kind


@pytest.mark.parametrize("example", get("graph_kv").examples, ids=lambda example: example.name)
def test_examples_show_what_they_say(example: Any) -> None:
    events = list(analysis.run("graph_kv", model=example.model, params=example.params))
    told = {event.mode: event for event in of_kind(events, "arrangement")}
    cuts = [event.delta for event in of_kind(events, "knock_out")]
    spread = {event.mode: event.range for event in of_kind(events, "spread")}
    match example.name:
        case "Five pears in a drawer":
            assert cuts[0] < -3
            assert abs(cuts[1]) < 0.1
            assert (told["graph"].text, told["parallel"].text) == (" five.", " seven.")
        case "In any order":
            assert spread["graph"] < 1e-4
            assert spread["sequential"] > 1
            assert told["graph"].right
            assert not told["sequential"].right
        case "Draw the missing edge":
            assert told["graph"].text == " six."
            drawn = {"source": "leo", "target": "ella"}
            more = {**example.params, "edges": [*example.params["edges"], drawn]}
            again = list(analysis.run("graph_kv", model=example.model, params=more))
            assert only(again, "arrangement", mode="graph").text == " eight."
        case "Edges from retriever scores":
            assert not told["graph"].right
            assert cuts[1] > 3  # letter → hanna
        case "A cycle in two rounds":
            assert told["graph"].right
            assert not told["parallel"].right
            assert not told["sequential"].right
        case _:
            pytest.fail("an example without a test")


@pytest.fixture(scope="module")
def demo_lm() -> Model:
    catalog = Catalog()
    list(load("demo-lm", catalog=catalog, cache=model_cache()))
    return loaded(catalog.find("demo-lm"), model_cache())


@pytest.mark.parametrize("mode", ["graph", "graph_ordered"])
def test_the_right_edge_matters_and_a_wrong_one_does_not(demo_lm: Model, mode: Any) -> None:
    """On 100 held-out questions where a thing is that somebody holds who is somewhere."""
    right, wrong = [], []
    for layout, answer in held_out(demo_lm, mode, 100):
        cut = [layout, *(layout.without(edge) for edge in layout.edges)]
        whole, without_right, without_wrong = (
            float(logits_TV.double().log_softmax(-1)[range(len(answer)), answer].sum())
            for logits_TV in attention.answer_logits(demo_lm, cut, len(answer), 3)
        )
        right.append(without_right - whole)
        wrong.append(without_wrong - whole)
    error = np.std(right) / 10
    assert np.mean(right) < -3 * error
    assert np.mean(wrong) > np.mean(right) + 3 * error
    assert abs(np.mean(wrong)) < 0.1
    assert np.mean(np.less(right, wrong)) > 0.75


def held_out(model: Model, mode: Any, count: int) -> Iterator[tuple[TokenLayout, list[int]]]:
    """Four facts as segments: who has the thing → where that one is, and two others alike."""
    rng = Random(11)
    while count:
        cast = stories.Cast(rng)
        plan = plans._where_holder(cast)
        if not plan.held_out:
            continue
        thing = plan.question.slots["thing"]
        facts = sorted(plan.facts, key=lambda fact: thing not in fact.slots.values())
        facts += [f for _ in range(2) for f in rng.choice(stories.PLANS["where"])(cast).facts][:2]
        question = f" Question: {plan.question.render(0)[0]} Answer:"
        parts = PromptParts(
            prefix=[model.tokenizer.bos_token_id],
            segments=[encoded(model, " " + fact.render(0)[0]) for fact in facts],
            question=encoded(model, question),
        )
        answer = encoded(model, " " + plan.answer)
        yield arrange(parts, LayoutPlan(mode, ((0, 1), (2, 3)))).with_answer(answer), answer
        count -= 1


def encoded(model: Model, text: str) -> list[int]:
    return texts.encode_continued(model.tokenizer, text, field="text")
