"""Users cannot read or change runs of others; strangers can read nothing."""

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.test import Client

from analysis.images.event import png_bytes
from workbench.runs.artifacts import artifact_save
from workbench.runs.execution import Pending, event_append, run_claim
from workbench.runs.models import Run, Status

pytestmark = pytest.mark.django_db
PICTURE = png_bytes(np.zeros((2, 3, 3), np.uint8))
PICTURE_SHA = hashlib.sha256(PICTURE).hexdigest()
SHA = "ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f"


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    claimed = run_claim(run=make_run().id, worker="w")
    assert claimed is not None
    artifact_save(sha256=SHA, content=b"12345678")
    artifact_save(sha256=PICTURE_SHA, content=PICTURE)
    sizes = {SHA: 8, PICTURE_SHA: len(PICTURE)}
    event_append(run=claimed.id, attempt=1, events=[Pending(2, "{}", sizes)])
    return claimed


def requests(run: Run) -> list[tuple[str, str]]:
    return [
        ("get", f"/api/runs/{run.id}"),
        ("get", f"/api/runs/{run.id}/events"),
        ("post", f"/api/runs/{run.id}/cancel"),
        ("delete", f"/api/runs/{run.id}"),
        ("get", f"/api/artifacts/{SHA}"),
        ("get", f"/api/artifacts/{PICTURE_SHA}.png"),
        ("get", f"/api/runs?before={run.id}"),
    ]


def test_the_owner_sees_all_of_it(anna_client: Client, run: Run) -> None:
    for verb, path in requests(run):
        expected = 409 if verb == "delete" else 200
        assert getattr(anna_client, verb)(path).status_code == expected, path


def test_another_user_finds_nothing(tom_client: Client, run: Run) -> None:
    for verb, path in requests(run):
        response = getattr(tom_client, verb)(path)
        assert response.status_code == 404, path
        assert response.json()["code"] in {"run_not_found", "artifact_not_found"}
    assert tom_client.get("/api/runs").json() == []
    run.refresh_from_db()
    assert run.status == Status.RUNNING


def test_a_superuser_is_another_user_too(tom_client: Client, tom: Any, run: Run) -> None:
    tom.is_superuser = tom.is_staff = True
    tom.save()
    assert tom_client.get(f"/api/runs/{run.id}").status_code == 404


def test_a_stranger_is_asked_to_log_in(stranger_client: Client, run: Run) -> None:
    everything = [
        *requests(run),
        ("get", "/api/me"),
        ("get", "/api/methods"),
        ("get", "/api/models"),
        ("get", "/api/models/toy"),
        ("get", "/api/worker"),
        ("get", "/api/runs"),
        ("post", "/api/runs"),
        ("get", "/api/pictures"),
        ("post", "/api/pictures"),
        ("get", f"/api/pictures/{PICTURE_SHA}.png"),
        ("delete", f"/api/pictures/{PICTURE_SHA}"),
    ]
    for verb, path in everything:
        response = getattr(stranger_client, verb)(path)
        assert (response.status_code, response.json()["code"]) == (401, "login_required"), path


def test_an_array_is_cached_by_its_owner_alone(
    anna_client: Client, tom_client: Client, run: Run
) -> None:
    first = anna_client.get(f"/api/artifacts/{SHA}")
    assert first.content == b"12345678"
    assert first["Content-Type"] == "application/octet-stream"
    assert "private" in first["Cache-Control"]
    assert "immutable" in first["Cache-Control"]
    headers = {"If-None-Match": first["ETag"]}
    assert anna_client.get(f"/api/artifacts/{SHA}", headers=headers).status_code == 304
    assert tom_client.get(f"/api/artifacts/{SHA}", headers=headers).status_code == 404


def test_a_picture_is_a_png_whatever_a_browser_thinks(anna_client: Client, run: Run) -> None:
    answer = anna_client.get(f"/api/artifacts/{PICTURE_SHA}.png")
    assert answer.content == PICTURE
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "private" in answer["Cache-Control"]
    headers = {"If-None-Match": answer["ETag"]}
    assert anna_client.get(answer.wsgi_request.path, headers=headers).status_code == 304


def test_what_is_no_picture_is_never_sent_as_one(anna_client: Client, run: Run) -> None:
    answer = anna_client.get(f"/api/artifacts/{SHA}.png")
    assert (answer.status_code, answer.json()["code"]) == (404, "artifact_not_found")
    plain = anna_client.get(f"/api/artifacts/{PICTURE_SHA}")
    assert plain["Content-Type"] == "application/octet-stream"
    assert plain["X-Content-Type-Options"] == "nosniff"


def test_the_id_of_a_strange_run_cannot_be_taken(
    tom_client: Client, make_run: Callable[..., Run]
) -> None:
    run = make_run(run=uuid.uuid4())
    body = {"id": str(run.id), "method": "reagent", "model": "toy", "params": run.params}
    response = tom_client.post("/api/runs", data=body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (409, "run_id_taken")
