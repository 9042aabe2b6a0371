"""Creating, caching, cancelling, deleting."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage

from analysis.errors import InvalidParams
from workbench.accounts.visitor import Visitor
from workbench.catalog.methods import method_get
from workbench.errors import RunActive, TooManyRuns
from workbench.runs import flags
from workbench.runs.artifacts import artifact_save, artifacts_prune
from workbench.runs.execution import Pending, event_append, run_claim, run_end, run_model_seen
from workbench.runs.models import Artifact, Run, RunEvent, Status
from workbench.runs.selectors import event_list, queue_positions, run_snapshot
from workbench.runs.services import run_cancel, run_delete
from workbench.sessions.run_access import artifact_read
from workbench.sessions.run_start import run_create

pytestmark = pytest.mark.django_db
Make = Callable[..., Run]
PARAMS = {"prompt": "Tom has the ball."}


def finish(run: Run, *events: str) -> Run:
    """Work on a run as a worker would, yielding these payloads."""
    claimed = run_claim(run=run.id, worker="w")
    assert claimed is not None
    pending = [Pending(2 + place, payload) for place, payload in enumerate(events)]
    if pending:
        event_append(run=run.id, attempt=claimed.attempt, events=pending)
    assert run_end(run=run.id, attempt=claimed.attempt, status=Status.DONE)
    run.refresh_from_db()
    return run


def test_params_are_stored_complete(make_run: Make) -> None:
    run = make_run(params={**PARAMS, "temperature": 1})
    assert run.params["prompt"] == PARAMS["prompt"]
    assert run.params["probes"] == 512
    assert isinstance(run.params["temperature"], float)


def test_a_queued_run_has_been_sent(make_run: Make) -> None:
    run = make_run()
    assert (run.status, run.queue, run.attempt) == (Status.QUEUED, "causal_lm", 0)
    assert flags.sent_marked(run=run.id)


def test_a_method_for_two_kinds_of_models_waits_where_the_chosen_one_is_run(
    make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = method_get("reagent").model_copy(update={"needs": ["text_to_image", "causal_lm"]})
    schema = json.loads(json.dumps(two.params_schema))
    schema["properties"]["probes"]["capability"] = "text_to_image"
    two = two.model_copy(update={"params_schema": schema})
    monkeypatch.setattr("workbench.sessions.run_start.method_get", lambda _: two)
    assert make_run().queue == "causal_lm"
    with pytest.raises(InvalidParams, match="probes is for a text_to_image model"):
        make_run(params={**PARAMS, "probes": 20})


def test_positions_count_from_one_and_leave_out_the_running(make_run: Make) -> None:
    runs = [make_run() for _ in range(3)]
    assert [queue_positions()[run.id] for run in runs] == [1, 2, 3]
    run_claim(run=runs[0].id, worker="w")
    assert queue_positions() == {runs[1].id: 1, runs[2].id: 2}


def test_an_identical_run_answers_at_once(make_run: Make) -> None:
    source = finish(make_run(params=PARAMS), '{"kind":"a"}')
    copy = make_run(params={**PARAMS, "temperature": 0})
    assert (copy.status, copy.cached_from, copy.attempt) == (Status.DONE, source, 1)
    assert not flags.sent_marked(run=copy.id)
    assert event_list(run=copy, attempt=1, after=0) == event_list(run=source, attempt=1, after=0)
    again = make_run(params=PARAMS)
    assert again.cached_from == source


@pytest.mark.parametrize(
    "changes",
    [
        {"params": {**PARAMS, "seed": 1}},
        {"params": {"prompt": "b"}},
        {"method": "inspect"},
        {"params": PARAMS, "dtype": "bfloat16"},
    ],
)
def test_another_run_is_not_taken_from_the_cache(make_run: Make, changes: dict[str, Any]) -> None:
    finish(make_run(params=PARAMS))
    if changes.get("method") == "inspect":
        changes["params"] = {}
    assert make_run(**changes).cached_from is None


def test_a_run_in_the_same_dtype_answers_at_once(make_run: Make) -> None:
    source = finish(make_run(params=PARAMS, dtype="bfloat16"))
    assert run_snapshot(source).dtype == "bfloat16"
    assert make_run(params=PARAMS, dtype="bfloat16").cached_from == source
    assert make_run(params=PARAMS, dtype="float16").cached_from is None


def test_a_run_of_somebody_else_is_not_taken_from_the_cache(make_run: Make, tom: User) -> None:
    finish(make_run(params=PARAMS))
    assert make_run(params=PARAMS, owner=tom).cached_from is None


def test_failed_and_cancelled_runs_are_not_taken_from_the_cache(make_run: Make) -> None:
    run_cancel(run=make_run(params=PARAMS))
    assert make_run(params=PARAMS).cached_from is None


def test_a_model_that_has_changed_is_not_taken_from_the_cache(make_run: Make, models: Any) -> None:
    finish(make_run(params=PARAMS))
    (models / "toy" / "config.json").write_text(
        (models / "toy" / "config.json").read_text().replace("96", "97")
    )
    assert make_run(params=PARAMS).cached_from is None


def test_a_hub_model_is_cached_once_its_revision_is_known(make_run: Make) -> None:
    run = make_run(model="org/name", params=PARAMS)
    assert (run.revision, run.cache_key) == ("", "")
    claimed = run_claim(run=run.id, worker="w")
    assert claimed is not None
    run_model_seen(
        run=run.id, attempt=1, info={"id": "org/name", "revision": "abc"}, environment={}
    )
    run.refresh_from_db()
    assert run.revision == "abc"
    assert len(run.cache_key) == 64


def test_the_limit_counts_waiting_runs_of_one_user(
    make_run: Make, tom: User, settings: Any
) -> None:
    settings.MAX_QUEUED_RUNS = 1
    first = make_run()
    with pytest.raises(TooManyRuns, match="limit is 1"):
        make_run()
    make_run(owner=tom)
    run_claim(run=first.id, worker="w")
    make_run()


def test_a_cached_answer_does_not_count_as_waiting(make_run: Make, settings: Any) -> None:
    finish(make_run(params=PARAMS))
    settings.MAX_QUEUED_RUNS = 0
    assert make_run(params=PARAMS).status == Status.DONE


def test_cancelling_a_waiting_run_ends_it(make_run: Make) -> None:
    run = run_cancel(run=make_run())
    assert run.status == Status.CANCELLED
    assert run.finished_at is not None
    assert run_claim(run=run.id, worker="w") is None


def test_cancelling_a_running_run_asks_its_worker(make_run: Make) -> None:
    run = make_run()
    run_claim(run=run.id, worker="w")
    assert run_cancel(run=run).status == Status.RUNNING
    assert flags.cancel_asked(run=run.id)


def test_cancelling_a_finished_run_changes_nothing(make_run: Make) -> None:
    run = finish(make_run())
    assert run_cancel(run=run).status == Status.DONE
    assert not flags.cancel_asked(run=run.id)


def test_a_run_being_worked_on_is_not_deleted(make_run: Make) -> None:
    run = make_run()
    run_claim(run=run.id, worker="w")
    with pytest.raises(RunActive):
        run_delete(run=run)
    assert Run.objects.filter(pk=run.pk).exists()


def test_deleting_a_source_leaves_its_copies_whole(make_run: Make, anna: User) -> None:
    source = make_run(params=PARAMS)
    content = b"12345678"
    sha = "ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f"
    artifact_save(sha256=sha, content=content)
    claimed = run_claim(run=source.id, worker="w")
    assert claimed is not None
    event_append(run=source.id, attempt=1, events=[Pending(2, "{}", {sha: 8})])
    run_end(run=source.id, attempt=1, status=Status.DONE)
    first, second = make_run(params=PARAMS), make_run(params=PARAMS)
    run_delete(run=source)
    for copy in (first, second):
        copy.refresh_from_db()
        assert [row.seq for row in event_list(run=copy, attempt=1, after=0)] == [1, 2, 3]
    assert (first.cached_from, second.cached_from) == (None, first)
    assert artifact_read(visitor=Visitor(anna), sha256=sha) == content


def test_arrays_go_when_no_run_refers_to_them(
    make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    sha = "a" * 64
    artifact_save(sha256=sha, content=b"x")
    run_claim(run=run.id, worker="w")
    event_append(run=run.id, attempt=1, events=[Pending(2, "{}", {sha: 1})])
    run_end(run=run.id, attempt=1, status=Status.DONE)
    name = Artifact.objects.get().storage_name
    monkeypatch.setattr("workbench.runs.artifacts.UNUSED_FOR", timedelta(0))
    assert artifacts_prune() == 0
    run_delete(run=run)
    assert artifacts_prune() == 1
    assert not default_storage.exists(name)
    assert not Artifact.objects.exists()


def test_the_same_request_at_the_same_time_makes_one_run(
    make_run: Make, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one does not see the first when it looks, only when it writes."""
    run = make_run(run=uuid.UUID(int=1), params=PARAMS)
    monkeypatch.setattr("workbench.sessions.run_start.run_find", lambda run: None)
    found, created = run_create(
        owner=anna, run=run.id, method="reagent", model="toy", params=PARAMS
    )
    assert (found, created) == (run, False)
    assert RunEvent.objects.count() == 0
