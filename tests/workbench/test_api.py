"""Every wrong request gets a typed error: code, message, remedy."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from workbench.runs import flags
from workbench.runs.execution import run_claim
from workbench.runs.models import Run

from .conftest import make_model_folder

pytestmark = pytest.mark.django_db

Json = dict[str, Any]
ABSENT = "00000000-0000-4000-8000-000000000000"


def post(client: Client, body: Any, path: str = "/api/runs") -> Any:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return client.post(path, data=content, content_type="application/json")


def asked(**changes: Any) -> Json:
    body: Json = {
        "id": str(uuid.uuid4()),
        "method": "reagent",
        "model": "toy",
        "params": {"prompt": "Tom has the ball."},
    }
    return {**body, **changes}


def check_refused(response: Any, status: int, code: str, field: str | None = None) -> Json:
    assert response["Content-Type"].startswith("application/json")
    body: Json = response.json()
    assert (response.status_code, body.get("code")) == (status, code), body
    assert set(body) == {"code", "message", "remedy", "field"}
    assert body["message"]
    assert body["remedy"]
    if field is not None:
        assert body["field"] == field
    return body


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"id": "7"}, "invalid_body", "id"),
        ({"id": None}, "invalid_body", "id"),
        ({"method": "telepathy"}, "unknown_method", "method"),
        ({"method": "../../etc/passwd"}, "unknown_method", "method"),
        ({"method": "x" * 5000}, "invalid_body", "method"),
        ({"method": 5}, "invalid_body", "method"),
        ({"model": "nobody"}, "unknown_model", "model"),
        ({"model": "/etc"}, "unknown_model", "model"),
        ({"model": "../toy"}, "unknown_model", "model"),
        ({"model": "%2e%2e/toy"}, "unknown_model", "model"),
        ({"model": "masked"}, "model_incompatible", "model"),
        ({"surprise": 1}, "invalid_body", "surprise"),
        ({"params": []}, "invalid_body", "params"),
        ({"params": {}}, "invalid_params", "prompt"),
        ({"params": {"prompt": ""}}, "invalid_params", "prompt"),
        ({"params": {"prompt": "x" * 100_001}}, "invalid_params", "prompt"),
        ({"params": {"prompt": 5}}, "invalid_params", "prompt"),
        ({"params": {"prompt": "a", "colour": 1}}, "invalid_params", "colour"),
        ({"params": {"prompt": "a", "probes": 1}}, "invalid_params", "probes"),
        ({"params": {"prompt": "a", "probes": 10**9}}, "invalid_params", "probes"),
        ({"params": {"prompt": "a", "replace_rate": 0}}, "invalid_params", "replace_rate"),
        ({"params": {"prompt": "a", "replace_rate": 1}}, "invalid_params", "replace_rate"),
        ({"params": {"prompt": "a", "estimator": "guess"}}, "invalid_params", "estimator"),
        ({"params": {"prompt": "a", "seed": 2**60}}, "invalid_body", "params.seed"),
        ({"params": {"prompt": "a\ud800"}}, "invalid_text", "params.prompt"),
        ({"params": {"prompt": "a\0"}}, "invalid_text", "params.prompt"),
        ({"model": "to\0y"}, "invalid_text", "model"),
    ],
)
def test_a_wrong_run_is_refused_and_not_stored(
    anna_client: Client, changes: Json, code: str, field: str
) -> None:
    check_refused(post(anna_client, asked(**changes)), 422, code, field)
    assert not Run.objects.exists()


def test_a_refusal_names_value_limit_and_remedy(anna_client: Client) -> None:
    body = check_refused(
        post(anna_client, asked(params={"prompt": "a", "probes": 3})), 422, "invalid_params"
    )
    assert body["message"] == "probes is 3; the smallest value is 16."
    assert "Maximum number of probes" in body["remedy"]
    long = check_refused(
        post(anna_client, asked(params={"prompt": "x" * 100_001})), 422, "invalid_params"
    )
    assert "100000 characters, this has 100001" in long["message"]
    assert len(long["message"]) < 300


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b'{"id": NaN}', b"[" * 99_999])
def test_a_body_that_is_no_json_object_is_refused(anna_client: Client, body: bytes) -> None:
    check_refused(post(anna_client, body), 422, "invalid_body")


def test_a_body_too_large_is_refused(anna_client: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    check_refused(post(anna_client, asked(params={"prompt": "x" * 2000})), 413, "too_large")


def test_params_too_large_are_refused(anna_client: Client, settings: Any) -> None:
    settings.MAX_PARAMS_BYTES = 1000
    check_refused(
        post(anna_client, asked(params={"prompt": "x" * 2000})), 413, "too_large", "params"
    )


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/runs/7", "run_not_found"),
        ("/api/runs/../../etc/passwd", "not_found"),
        ("/api/runs/%2e%2e%2fsettings", "not_found"),
        ("/api/runs/%00", "run_not_found"),
        (f"/api/runs/{ABSENT}", "run_not_found"),
        (f"/api/runs/{ABSENT}/events", "run_not_found"),
        ("/api/runs?before=yesterday", "run_not_found"),
        ("/api/artifacts/..%2f..%2fsecret_key", "not_found"),
        ("/api/artifacts/" + "A" * 64, "artifact_not_found"),
        ("/api/artifacts/" + "a" * 64, "artifact_not_found"),
        ("/api/models/nobody", "unknown_model"),
        ("/api/models/../secret_key", "unknown_model"),
        ("/api/models/%2e%2e%2fsecret_key", "unknown_model"),
        ("/api/models//etc/passwd", "unknown_model"),
        ("/api/models/toy%00", "unknown_model"),
        ("/api/nothing", "not_found"),
        ("/api", "not_found"),
        ("/api/", "not_found"),
    ],
)
def test_what_is_not_there_is_a_typed_404(anna_client: Client, path: str, code: str) -> None:
    check_refused(anna_client.get(path), 404, code)


@pytest.mark.parametrize("query", ["limit=0", "limit=9999", "limit=-1", "limit=many", "limit=1.5"])
def test_a_wrong_page_size_is_refused(anna_client: Client, query: str) -> None:
    check_refused(anna_client.get(f"/api/runs?{query}"), 422, "invalid_query", "limit")


@pytest.mark.parametrize("query", ["after=-1", "after=99999999999999999999", "attempt=x"])
def test_a_wrong_place_in_the_stream_is_refused(
    anna_client: Client, make_run: Any, query: str
) -> None:
    response = anna_client.get(f"/api/runs/{make_run().id}/events?{query}")
    check_refused(response, 422, "invalid_query")


def test_a_verb_that_is_not_offered_is_a_typed_405(anna_client: Client) -> None:
    check_refused(anna_client.put("/api/runs"), 405, "method_not_allowed")


def test_a_post_from_another_site_is_refused(anna: Any) -> None:
    client = Client(enforce_csrf_checks=True, REMOTE_ADDR="192.0.2.1")
    client.force_login(anna)
    check_refused(post(client, asked()), 403, "forbidden")
    assert not Run.objects.exists()


def test_a_fault_of_the_server_is_typed_too(anna: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("workbench.routes.runs.run_list", fail)
    client = Client(raise_request_exception=False, REMOTE_ADDR="192.0.2.1")
    client.force_login(anna)
    body = check_refused(client.get("/api/runs"), 500, "internal")
    assert "planted" not in json.dumps(body)


@pytest.mark.parametrize("error", [redis.ConnectionError("planted"), OperationalError("planted")])
def test_a_server_behind_that_is_away_is_said_so(
    anna_client: Client, make_run: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(**_: Any) -> None:
        raise error

    run = make_run()
    run_claim(run=run.id, worker="w")
    monkeypatch.setattr("workbench.runs.flags.cancel_ask", fail)
    body = check_refused(anna_client.post(f"/api/runs/{run.id}/cancel"), 503, "unavailable")
    assert "planted" not in json.dumps(body)


FUZZED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=9), part, max_size=3)
    ),
    max_leaves=8,
)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.dictionaries(
        st.sampled_from(["id", "method", "model", "params", "more"]), FUZZED, max_size=5
    )
)
def test_no_shape_of_body_makes_the_server_fail(anna_client: Client, changes: Json) -> None:
    response = post(anna_client, json.dumps({**asked(), **changes}))
    assert response.status_code in {201, 404, 413, 422}
    assert "code" in response.json() or response.status_code == 201
    Run.objects.all().delete()


def test_a_run_is_made_once_however_often_it_is_asked_for(anna_client: Client) -> None:
    body = asked(params={"prompt": "\u202eשלום <script>"})
    first, again = post(anna_client, body), post(anna_client, body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["params"]["prompt"] == "\u202eשלום <script>"
    assert first.json()["params"]["probes"] == 512
    assert (first.json()["status"], first.json()["position"]) == ("queued", 1)
    check_refused(post(anna_client, {**body, "params": {"prompt": "b"}}), 409, "run_id_taken", "id")


def test_runs_are_listed_latest_first_and_page_by_page(anna_client: Client, make_run: Any) -> None:
    created = [str(make_run().id) for _ in range(3)]
    listed = [run["id"] for run in anna_client.get("/api/runs").json()]
    assert listed == created[::-1]
    page = anna_client.get(f"/api/runs?limit=1&before={created[2]}").json()
    assert [run["id"] for run in page] == [created[1]]


def test_a_waiting_run_is_cancelled_at_once_and_can_be_deleted(
    anna_client: Client, make_run: Any
) -> None:
    path = f"/api/runs/{make_run().id}"
    cancelled = anna_client.post(f"{path}/cancel").json()
    assert cancelled["status"] == "cancelled"
    events = anna_client.get(f"{path}/events").json()
    assert [event["event"]["status"] for event in events["events"]] == ["cancelled"]
    assert anna_client.delete(path).status_code == 204
    check_refused(anna_client.get(path), 404, "run_not_found")


def test_too_many_waiting_runs_are_refused(
    anna_client: Client, make_run: Any, settings: Any
) -> None:
    settings.MAX_QUEUED_RUNS = 2
    make_run()
    make_run()
    another = asked(params={"prompt": "Eve has the key."})
    body = check_refused(post(anna_client, another), 429, "too_many_runs")
    assert "2" in body["message"]


def test_methods_come_with_everything_a_form_needs(anna_client: Client) -> None:
    methods = {method["stem"]: method for method in anna_client.get("/api/methods").json()}
    method = methods["reagent"]
    assert method["params_schema"]["properties"]["probes"]["maximum"] > 0
    assert method["examples"]
    assert "event_schema" not in method


def test_models_are_listed_and_described(anna_client: Client) -> None:
    listed = {model["id"]: model for model in anna_client.get("/api/models").json()}
    assert listed["toy"]["capabilities"] == ["causal_lm"]
    facts = anna_client.get("/api/models/toy").json()
    assert (facts["layers"], facts["context"], facts["self_check"]) == (2, 96, None)
    assert facts["revision"]
    assert listed["masked"]["missing"]["causal_lm"] == (
        "A BertForMaskedLM reads both ways and fills in masked tokens; it cannot continue a text."
    )


def test_a_model_comes_with_its_card_and_what_was_measured(
    anna_client: Client, models: Path
) -> None:
    (models / "toy" / "README.md").write_text("---\nlicense: mit\n---\n# Toy\n<b>bold</b>\n")
    row = {"name": "right", "share": 0.9, "items": 500, "required": 0.97, "limit": None}
    rows = [row, {"name": "no share"}, "no row"]
    (models / "toy" / "report.json").write_text(json.dumps(rows))
    facts = anna_client.get("/api/models/toy").json()
    assert facts["card"] == "# Toy\n<b>bold</b>"
    assert facts["measured"] == [row]
    assert anna_client.get("/api/models/masked").json()["card"] is None
    assert anna_client.get("/api/models/masked").json()["measured"] == []


def test_me_names_the_user(anna_client: Client) -> None:
    me = anna_client.get("/api/me").json()
    assert (me["username"], me["name"], me["local"]) == ("anna", "anna", False)


def test_no_worker_is_said_so(anna_client: Client) -> None:
    assert anna_client.get("/api/worker").json() == {"workers": []}


def test_a_damaged_model_hides_no_other(anna_client: Client, models: Path) -> None:
    make_model_folder(models / "damaged")
    (models / "damaged" / "tokenizer.json").write_text(
        json.dumps(
            {
                "normalizer": {"type": "Precompiled", "precompiled_charsmap": "////"},
                "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
                "added_tokens": [],
            }
        )
    )
    answer = anna_client.get("/api/models")
    assert answer.status_code == 200
    problems = {model["id"]: model["problem"] for model in answer.json()}
    assert "tokenizer.json" in problems["damaged"]
    assert problems["toy"] is None
    shown = anna_client.get("/api/models/damaged")
    assert (shown.status_code, shown.json()["revision"]) == (200, None)
    assert str(models) not in shown.content.decode()


def test_only_operators_read_the_names_of_workers(anna: User, anna_client: Client) -> None:
    for name in ("machine-27577", "machine-27578"):
        shown = {"state": "ready", "device": "cpu", "run": None}
        flags.worker_announce(worker=name, state={"name": name, **shown})
    shown = {worker["name"] for worker in anna_client.get("/api/worker").json()["workers"]}
    assert shown == {"worker 1", "worker 2"}
    User.objects.update(is_staff=True)
    shown = {worker["name"] for worker in anna_client.get("/api/worker").json()["workers"]}
    assert shown == {"machine-27577", "machine-27578"}
