import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from analysis.errors import (
    InvalidParams,
    InvalidText,
    PromptEmpty,
    PromptTooLong,
    SpecialTokenInText,
)
from analysis.events import Event, Progress
from analysis.model import Model
from analysis.text import context as contexts
from analysis.text import generation
from analysis.text.context import Context, Output, TextParams, Tokens
from analysis.text.tokenization import token_name
from tests.drain import drain

LIMIT = 64 * 1024  # bytes of an event


def read(model: Model, **params: Any) -> tuple[Context, list[Event]]:
    """The context, and the events on the way to it."""
    events, context = drain(contexts.read(model, TextParams(**params)))
    return context, events


def test_a_prompt_is_followed_by_what_the_model_writes(model: Model) -> None:
    found, events = read(model, prompt="Anna has", max_new_tokens=4)
    prompt = model.tokenizer("Anna has").input_ids
    output = list(generation.write(model, prompt, 4, {"temperature": 0.0}))
    assert found.ids == [*prompt, *output]
    assert found.prompt_length == len(prompt)
    assert events == [
        Progress(stage="writing", done=done, total=4, unit="tokens")
        for done in range(1, len(output) + 1)
    ]


def test_the_seed_and_the_sampling_reach_the_writer(model: Model) -> None:
    sampled = {"temperature": 2.0, "top_k": 50, "top_p": 0.9, "seed": 5, "max_new_tokens": 6}
    found, _ = read(model, prompt="Anna", **sampled)
    prompt = model.tokenizer("Anna").input_ids
    values = {"temperature": 2.0, "top_k": 50, "top_p": 0.9}
    assert found.ids[len(prompt) :] == list(generation.write(model, prompt, 6, values, 5))


def test_a_given_output_is_taken_as_it_stands(model: Model) -> None:
    found, events = read(model, prompt="Anna has", continuation=" the ball</s>")
    assert events == []
    assert model.tokenizer.decode(found.ids) == "<s>Anna has the ball</s>"
    assert found.ids[found.prompt_length :] == model.tokenizer(
        " the ball</s>", add_special_tokens=False, split_special_tokens=True
    ).input_ids  # fmt: skip
    assert found.protected == [True, *[False] * (len(found.ids) - 1)]


def test_a_special_token_that_the_model_writes_is_closed(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "write", lambda *_: iter([40, 1]))
    found, _ = read(model, prompt="Anna")
    assert found.protected[-2:] == [False, True]


def test_every_position_has_a_text_a_word_and_a_sentence(model: Model) -> None:
    found, _ = read(model, prompt="Anna sat. Where is", continuation=" the ball?")
    assert "".join(found.texts) == "<s>Anna sat. Where is the ball?"
    assert len(found.words) == len(found.sentences) == len(found.protected) == len(found.ids)
    by_word = {
        word: "".join(t for t, w in zip(found.texts, found.words, strict=True) if w == word)
        for word in found.words
    }
    assert [text for text in by_word.values() if text in (" sat", ".", " Where")] == [
        " sat",
        ".",
        " Where",
    ]
    assert list(by_word.values())[-2:] == [" ball", "?"]
    assert found.sentences[-1] == 1


@pytest.mark.parametrize(
    ("params", "error", "field"),
    [
        ({"prompt": " \n"}, PromptEmpty, "prompt"),
        ({"prompt": "a\0"}, InvalidText, "prompt"),
        ({"prompt": "a", "continuation": "b\0"}, InvalidText, "continuation"),
        ({"prompt": "a</s>"}, SpecialTokenInText, "special_tokens"),
        ({"prompt": "a", "chat": True}, InvalidParams, "chat"),
        ({"prompt": "~" * 89}, PromptTooLong, "prompt"),
        ({"prompt": "a", "continuation": "~" * 95}, PromptTooLong, "prompt"),
        ({"prompt": "a", "max_new_tokens": 95}, PromptTooLong, "prompt"),
    ],
)
def test_what_cannot_be_read_is_refused_before_the_model_runs(
    model: Model, params: dict[str, Any], error: type[Exception], field: str
) -> None:
    forwards = model.passes.forwards
    with pytest.raises(error) as caught:
        read(model, **params)
    assert caught.value.field == field  # type: ignore[attr-defined]
    assert model.passes.forwards == forwards


def test_a_context_filled_to_its_last_token_is_read(model: Model) -> None:
    assert len(read(model, prompt="~" * 88, continuation="~" * 7)[0].ids) == model.info.context


def test_tokens_come_in_stretches_that_fit_an_event(model: Model) -> None:
    roomy = replace(model, info=model.info.model_copy(update={"context": 2000}))
    found, _ = read(roomy, prompt="\x01" * 600, continuation="\u202e" * 10)
    protected = [at % 2 == 0 for at in range(len(found.ids))]
    events = list(contexts.describe(roomy, found, protected))
    assert [event.start for event in events] == [0, 250, 500]
    assert all(event.total == len(found.ids) for event in events)
    assert all(event.prompt_length == 601 for event in events)
    assert all(len(event.model_dump_json()) < LIMIT for event in events)
    tokens = [token for event in events for token in event.tokens]
    assert [token.id for token in tokens] == found.ids
    assert [token.text for token in tokens] == found.texts
    assert [token.protected for token in tokens] == protected
    assert tokens[0].piece == "<s>"


def test_an_event_of_tokens_survives_json(model: Model) -> None:
    found, _ = read(model, prompt="<script>\u202e😀&", continuation="\ufffd\u2028")
    for event in contexts.describe(model, found, found.protected):
        assert Tokens.model_validate_json(event.model_dump_json()) == event


def test_the_output_carries_the_models_own_probabilities(model: Model) -> None:
    found, _ = read(model, prompt="Anna has", continuation=" the ball")
    scored = generation.score(model, found.ids, found.prompt_length)
    contrast_token = 50
    event = contexts.output_event(
        model, found, generated=False, span=range(1, 2), contrast_token=contrast_token
    )
    assert [step.position for step in event.steps] == list(
        range(found.prompt_length, len(found.ids))
    )
    assert [step.logprob for step in event.steps] == scored.logprob_T.tolist()
    assert [step.rank for step in event.steps] == scored.rank_T.tolist()
    assert [step.entropy for step in event.steps] == scored.entropy_T.tolist()
    for step, ids, logprobs in zip(
        event.steps, scored.top_ids_TA.tolist(), scored.top_logprobs_TA.tolist(), strict=True
    ):
        assert [other.id for other in step.alternatives] == ids
        assert [other.logprob for other in step.alternatives] == logprobs
        assert [other.text for other in step.alternatives] == [
            token_name(model.tokenizer, token) for token in ids
        ]
    assert (event.target_start, event.target_length, event.generated) == (1, 1, False)
    assert event.contrast is not None
    assert event.contrast.logprob == float(scored.logprobs_TV[1, contrast_token])


def test_without_a_contrast_token_there_is_no_contrast(model: Model) -> None:
    found, _ = read(model, prompt="Anna", continuation=" has")
    event = contexts.output_event(model, found, generated=True, span=range(1), contrast_token=None)
    assert event.contrast is None
    assert Output.model_validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize("start", [0, 100, 255])
def test_the_longest_output_fits_an_event(
    model: Model, monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    """With the longest numbers, and names of tokens that are escaped."""
    longest = TextParams.model_fields["max_new_tokens"].metadata[1].le
    wide = torch.full((longest, 5), -1.2345678901234567e-05, dtype=torch.float64)
    scored = generation.Scored(
        logprob_T=wide[:, 0],
        rank_T=torch.full((longest,), 250_000),
        entropy_T=-wide[:, 0],
        top_ids_TA=torch.full((longest, 5), 40),
        top_logprobs_TA=wide,
        logprobs_TV=wide,
    )
    monkeypatch.setattr(generation, "score", lambda *given: scored)
    monkeypatch.setattr(contexts.text, "token_name", lambda *given: "\u202e\u202e")
    length = 90_000 + longest
    found = Context([40] * length, 90_000, [], [], [], [])
    span = range(start, start + 1)
    event = contexts.output_event(model, found, generated=True, span=span, contrast_token=None)
    assert len(json.dumps(event.model_dump(mode="json"), separators=(",", ":"))) < LIMIT
    assert len(event.steps) == longest == 256
    assert len(event.steps[start].alternatives) == 5


def test_one_token_is_one_id(model: Model) -> None:
    token = model.tokenizer(" ball", add_special_tokens=False).input_ids
    assert contexts.single_token(model, " ball", before=[], field="contrast") == token[0]


def test_a_text_of_several_tokens_is_refused_with_its_tokens(model: Model) -> None:
    with pytest.raises(InvalidParams) as caught:
        contexts.single_token(model, "ball😀", before=[], field="contrast")
    assert caught.value.field == "contrast"
    assert "tokens of this model" in caught.value.message
    assert "the space that belongs to it" in caught.value.remedy


def test_a_special_tokens_name_is_no_single_token(model: Model) -> None:
    with pytest.raises(InvalidParams, match="4 tokens"):
        contexts.single_token(model, "</s>", before=[], field="contrast")


def test_an_id_is_taken_as_it_is(model: Model) -> None:
    last = model.info.vocabulary - 1
    assert contexts.single_token(model, last, before=[], field="contrast") == last
    found, _ = read(model, prompt="Anna", continuation=[3, last])
    assert found.ids[found.prompt_length :] == [3, last]


def test_an_id_that_the_model_lacks_is_refused(model: Model) -> None:
    size = model.info.vocabulary
    with pytest.raises(InvalidParams, match=f"names token {size}.*0 to {size - 1}"):
        contexts.single_token(model, size, before=[], field="contrast")
    with pytest.raises(InvalidParams) as caught:
        read(model, prompt="Anna", continuation=[3, size])
    assert caught.value.field == "continuation"
