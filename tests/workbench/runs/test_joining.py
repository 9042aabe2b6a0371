"""A request for a run while an equal one is queued or running."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from workbench.accounts.visitor import Visitor
from workbench.runs.execution import run_claim
from workbench.runs.models import Run
from workbench.runs.services import run_cancel
from workbench.sessions.run_start import run_start
from workbench.sessions.services import session_create

pytestmark = pytest.mark.django_db
PARAMS = {"prompt": "Tom has the ball."}


def ask(visitor: User, *, session: Any = None, **params: Any) -> tuple[Run, bool]:
    return run_start(
        visitor=Visitor(visitor),
        session=session,
        run=uuid.uuid4(),
        method="reagent",
        model="toy",
        params={**PARAMS, **params},
    )


@pytest.mark.parametrize("working", [False, True])
def test_two_clicks_are_one_run(anna: User, models: Any, *, working: bool) -> None:
    first, created = ask(anna)
    assert created
    if working:
        assert run_claim(run=first.id, worker="w")
    assert ask(anna) == (first, False)
    assert ask(anna, temperature=0.0) == (first, False)
    assert Run.objects.count() == 1


def test_the_page_is_given_the_run_that_it_then_follows(anna_client: Client, models: Any) -> None:
    def click() -> Any:
        body = {"id": str(uuid.uuid4()), "method": "reagent", "model": "toy", "params": PARAMS}
        return anna_client.post("/api/runs", data=body, content_type="application/json")

    first, second = click(), click()
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_another_seed_and_another_owner_are_other_runs(anna: User, tom: User, models: Any) -> None:
    first, _ = ask(anna)
    for other, created in (ask(anna, seed=1), ask(tom)):
        assert created
        assert other.id != first.id


@pytest.mark.parametrize("working", [False, True])
def test_a_run_that_was_stopped_is_not_joined(anna: User, models: Any, *, working: bool) -> None:
    first, _ = ask(anna)
    if working:
        assert run_claim(run=first.id, worker="w")
    run_cancel(run=first)
    second, created = ask(anna)
    assert created
    assert second.id != first.id


def test_a_session_takes_in_the_run_that_is_joined(anna: User, models: Any) -> None:
    first, _ = ask(anna)
    session, _ = session_create(visitor=Visitor(anna), session=uuid.uuid4(), title="S")
    for _ in range(2):
        joined, created = ask(anna, session=session.pk)
        assert (joined, created) == (first, False)
        assert list(first.sessions.values_list("pk", flat=True)) == [session.pk]
