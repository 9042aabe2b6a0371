"""What is asked for, as numbers; what cannot be done is refused with its reason."""

import json
from typing import Any

import pytest

from analysis.errors import (
    GlassbenchError,
    InvalidParams,
    InvalidText,
    PromptEmpty,
    PromptTooLong,
    SpecialTokenInText,
)
from analysis.method import get
from analysis.methods.graph_kv.encoding import ResolvedParams, read
from analysis.model import Model
from analysis.model.memory import rows_do_not_fit

TEXTS = {"a": "Anna has the ball.", "b": "Tom has the book.", "c": "Where is Tom?"}


def segments(*names: str, **values: Any) -> list[dict[str, Any]]:
    return [{"id": name, "text": TEXTS.get(name, name), **values} for name in names]


def edges(*pairs: str) -> list[dict[str, str]]:
    """`ab`: b reads a."""
    return [{"source": pair[0], "target": pair[1]} for pair in pairs]


def reading(model: Model, **given: Any) -> ResolvedParams:
    values = {
        "segments": segments("a", "b", "c"),
        "question": "Who?",
        "max_new_tokens": 2,
        "with_full": False,
        **given,
    }
    checked: Any = get("graph_kv").check(values)
    return read(model, checked)


def test_segments_of_a_text_are_parted_by_blank_lines(model: Model) -> None:
    found = reading(model, segments="Anna has\\nthe ball.\n \n\nTom has the book.\n")
    assert [segment.id for segment in found.params.segments] == ["1", "2"]
    assert [segment.text for segment in found.params.segments] == [
        "Anna has\\nthe ball.", "Tom has the book.",
    ]  # fmt: skip


def test_segments_may_be_json(model: Model) -> None:
    given = ["Anna.", {"text": "Tom.", "score": 0.5}, {"id": "x", "text": "Who?"}]
    found = reading(model, segments=json.dumps(given)).params.segments
    assert [(one.id, one.text, one.score) for one in found] == [
        ("1", "Anna.", None), ("2", "Tom.", 0.5), ("x", "Who?", None),
    ]  # fmt: skip


def test_edges_are_numbers_and_parts_are_tokens(model: Model) -> None:
    found = reading(model, edges=edges("ac", "bc"))
    assert found.edges == ((0, 2), (1, 2))
    decoded = [model.tokenizer.decode(ids) for ids in found.parts.segments]
    assert decoded == [f" {text}" for text in TEXTS.values()]
    assert model.tokenizer.decode(found.parts.question) == " Who?"
    assert found.parts.prefix == [model.tokenizer.bos_token_id]


def test_presets_make_the_edges(model: Model) -> None:
    scored = [
        {"id": name, "text": name, "score": score}
        for name, score in {"a": 0.1, "b": 0.9, "c": 0.5}.items()
    ]
    assert reading(model, segments=scored, preset="star").edges == ((2, 1), (0, 1))
    assert reading(model, segments=scored, preset="top_m", top_m=1).edges == ((1, 2), (1, 0))
    assert reading(model, segments=scored, preset="chains").edges == ((1, 2), (1, 0))
    assert reading(model, preset="star").edges == ((1, 0), (2, 0))


def test_the_chosen_mode_comes_first(model: Model) -> None:
    found = reading(model, mode="sequential", with_parallel=False)
    assert found.modes == ["sequential", "graph", "graph_ordered", "random_edges"]


STAR, SCORED = {"preset": "star"}, segments("a", score=1.0)
MANY = segments(*(f"s{n}" for n in range(128)))
WORDY = [{**one, "id": f"{n:03}" + "😀" * 60} for n, one in enumerate(MANY)]
HALF = {"preset": "top_m", "top_m": 64}
REFUSED: list[tuple[type[GlassbenchError], str, dict[str, Any]]] = [
    (InvalidParams, "Segments 1 and 3 have the same id 'a'", {"segments": segments("a", "b", "a")}),
    (InvalidParams, "Segment 'b' is empty", {"segments": [{"id": "b", "text": " "}]}),
    (InvalidParams, "at most 128 items", {"segments": segments(*map(str, range(129)))}),
    (InvalidParams, "at least 1 item", {"segments": []}),
    (InvalidParams, "at least 1 item", {"segments": " \n\n "}),
    (InvalidParams, "not a JSON list", {"segments": "[{"}),
    (InvalidParams, "at most 512 items", {"edges": edges(*["ab"] * 513)}),
    (InvalidParams, "'a' → 'x': There is no segment 'x'", {"edges": edges("ax")}),
    (InvalidParams, "'x' → 'a': There is no segment 'x'", {"edges": edges("xa")}),
    (InvalidParams, "'b' → 'b': A segment always attends to itself", {"edges": edges("bb")}),
    (InvalidParams, "'a' → 'b': It is given twice", {"edges": edges("ab", "ab")}),
    (InvalidParams, "form a cycle: a → b → c → a", {"edges": edges("ab", "bc", "ca")}),
    (InvalidParams, "but 1 edges are also given", {"edges": edges("ab"), **STAR}),
    (InvalidParams, "with 3 segments it must be at most 2", {"preset": "top_m", "top_m": 3}),
    (InvalidParams, "'b' has no score", {"segments": SCORED + segments("b"), **STAR}),
    (InvalidParams, "answer has 514 tokens; the limit is 512", {"answer": "éé" * 128 + "zq"}),
    (InvalidParams, "less than or equal to 512", {"max_new_tokens": 513}),
    (InvalidParams, "ids of the segments take", {"segments": WORDY}),
    (InvalidParams, "derives 4096 edges; the limit is 1024", {"segments": MANY, **HALF}),
    (InvalidParams, "full has 259 blocks and 17158 pairs", {"segments": MANY, "mode": "full"}),
    (PromptEmpty, "question is empty", {"question": " "}),
    (SpecialTokenInText, "special token </s>", {"question": "Who?</s>"}),
    (SpecialTokenInText, "special token </s>", {"prefix": "</s>"}),
    (InvalidText, "segments contains U", {"segments": [{"id": "a", "text": "a\0"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message", "given"), REFUSED)
def test_what_cannot_be_done_is_refused(
    model: Model, error: type[GlassbenchError], message: str, given: dict[str, Any]
) -> None:
    with pytest.raises(error, match=message) as raised:
        reading(model, **given)
    assert raised.value.remedy
    assert raised.value.field


def test_a_circle_is_taken_in_rounds(model: Model) -> None:
    assert reading(model, edges=edges("ab", "ba"), rounds=2).edges == ((0, 1), (1, 0))


def test_a_span_beyond_training_is_refused_with_its_parts(model: Model) -> None:
    """Positions count, not tokens: three short segments in three rounds reach far."""
    long = [{"id": "long", "text": "z" * 40}, *segments("b", "c")]
    given = {"segments": long, "edges": [], "with_sequential": False, "with_graph_ordered": False}
    fits = reading(model, **given)
    step, question = fits.parts.longest, len(fits.parts.question)
    chain = [{"source": "long", "target": "b"}, {"source": "b", "target": "c"}]
    span = 1 + 3 * step + question + 2
    assert span > model.info.context
    expected = (
        f"graph spans {span} positions \\(prefix 1 \\+ 3 × longest segment {step} \\+ question "
        f"{question} \\+ answer 2\\); the model was trained on {model.info.context}"
    )
    with pytest.raises(PromptTooLong, match=expected):
        reading(model, **{**given, "edges": chain})


def long_segments() -> list[dict[str, Any]]:
    """Too long one after the other; short in a shared range of positions."""
    return [{**one, "text": one["text"] + "z" * 8} for one in segments(*"pqrstuvwxy", *"abc")]


def test_a_mode_to_compare_with_that_is_too_long_is_left_out(model: Model) -> None:
    found = reading(model, segments=long_segments(), with_full=True)
    assert found.modes == ["graph", "parallel", "random_edges"]
    assert list(found.omitted) == ["graph_ordered", "sequential", "full"]
    limit = f"the model was trained on {model.info.context}."
    for mode, reason in found.omitted.items():
        assert reason.startswith(f"{mode} spans ")
        assert reason.endswith(limit)


def test_a_chosen_mode_that_is_too_long_is_refused(model: Model) -> None:
    with pytest.raises(PromptTooLong, match="sequential spans") as raised:
        reading(model, segments=long_segments(), mode="sequential")
    assert raised.value.remedy == "Shorten the segments."


def test_a_mode_to_compare_with_that_memory_does_not_allow_is_left_out(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = len(reading(model).layout("full").ids_N)

    def rows(self: Model, tokens: int, kept: int, limit: int) -> int:
        if tokens >= long:
            raise rows_do_not_fit(1, tokens)
        return 1

    monkeypatch.setattr(Model, "rows_per_pass", rows)
    found = reading(model, with_full=True)
    assert list(found.omitted) == ["full"]
    assert "do not fit" in found.omitted["full"]


def test_special_tokens_act_where_they_may(model: Model) -> None:
    end = model.tokenizer.eos_token_id
    assert end in reading(model, question="Who?</s>", special_tokens="token").parts.question
    assert end not in reading(model, question="Who?</s>", special_tokens="text").parts.question
    inside = reading(model, segments=[{"id": "a", "text": "x</s>"}]).parts.segments[0]
    assert end not in inside
