"""Which tokens of a model a text is: bounds, permission, damaged files."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from analysis.text.tokenization import codec, encode_continued
from tests.tokenizer_kinds import KINDS

pytestmark = pytest.mark.django_db


def ask(client: Client, **body: Any) -> Any:
    content = json.dumps({"model": "toy", **body})
    return client.post("/api/tokens", data=content, content_type="application/json")


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_shown_as_the_tokens_that_a_run_takes(
    kind: str, models: Path, anna_client: Client
) -> None:
    tokenizer = KINDS[kind]()
    tokenizer.save_pretrained(models / "toy")
    before, text = "One day, Lily and t", " the cat was"
    head = codec(tokenizer).encode(before)
    expected = encode_continued(tokenizer, text, before=head, field="continuation")
    answer = ask(anna_client, before=before, given=text).json()
    assert [token["id"] for token in answer["tokens"]] == expected
    assert answer["total"] == len(expected)
    assert [token["text"] for token in answer["tokens"]] == [
        codec(tokenizer).name(token) for token in expected
    ]


def test_ids_are_shown_as_they_are(models: Path, anna_client: Client) -> None:
    KINDS["prepending"]().save_pretrained(models / "toy")
    answer = ask(anna_client, given=[0, 68, 9_999_999]).json()
    assert [(t["id"], t["text"]) for t in answer["tokens"]] == [
        (0, "<unk>"), (68, "A"), (9_999_999, "#9999999"),
    ]  # fmt: skip


def test_only_the_first_tokens_are_listed(models: Path, anna_client: Client) -> None:
    KINDS["bytes"]().save_pretrained(models / "toy")
    answer = ask(anna_client, given="x" * 10_000).json()
    assert answer["total"] > len(answer["tokens"]) == 24


@pytest.mark.parametrize("model", ["toy", "owner/not-downloaded"])
def test_without_a_tokenizer_at_hand_there_is_nothing(model: str, anna_client: Client) -> None:
    response = ask(anna_client, model=model, given="a")
    assert (response.status_code, response.json()) == (200, {"total": None, "tokens": []})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"given": "x" * 10_001}, 422, "invalid_body"),
        ({"given": "x", "before": "x" * 4001}, 422, "invalid_body"),
        ({"given": [0] * 129}, 422, "invalid_body"),
        ({"given": [-1]}, 422, "invalid_body"),
        ({"given": "a\ud800"}, 422, "invalid_text"),
        ({"given": "a", "model": "../toy"}, 422, "unknown_model"),
        ({}, 422, "invalid_body"),
    ],
)
def test_what_is_no_question_is_refused(
    anna_client: Client, body: dict[str, Any], status: int, code: str
) -> None:
    response = ask(anna_client, **body)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_a_stranger_is_refused(stranger_client: Client) -> None:
    response = ask(stranger_client, given="a")
    assert (response.status_code, response.json()["code"]) == (401, "login_required")


DAMAGES = [
    ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "////"}),
    ("model", {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "b"}),
    ("model", None),
    ("added_tokens", 5),
]


@pytest.mark.parametrize(("part", "value"), DAMAGES)
def test_a_damaged_tokenizer_is_named(
    part: str, value: object, models: Path, anna_client: Client
) -> None:
    KINDS["prepending"]().save_pretrained(models / "toy")
    file = models / "toy" / "tokenizer.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), part: value}))
    response = ask(anna_client, given="日 a")
    assert (response.status_code, response.json()["code"]) == (422, "model_unreadable")
    assert "toy" in response.json()["message"]


def test_a_link_out_of_the_folder_is_not_read(
    models: Path, anna_client: Client, tmp_path: Path
) -> None:
    KINDS["bytes"]().save_pretrained(tmp_path)
    (models / "toy" / "tokenizer.json").symlink_to(tmp_path / "tokenizer.json")
    response = ask(anna_client, given="a")
    assert (response.status_code, response.json()["code"]) == (422, "model_unreadable")
