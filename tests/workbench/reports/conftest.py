"""Finished runs with events, arrays and pictures."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pytest
from django.contrib.auth.models import User

from analysis.events import Array, Event, ModelInfo, ModelLoaded, SelfCheck
from analysis.images.event import Picture
from workbench.runs.artifacts import event_dump
from workbench.runs.execution import Pending, event_append, run_claim, run_end
from workbench.runs.models import Run, Status
from workbench.sessions.document import PanelNote, PanelRun, SessionDocument, in_order
from workbench.sessions.models import Session, SessionRun
from workbench.sessions.store import document_create

INFO = ModelInfo(
    id="toy",
    revision="0123456789abcdef",
    architecture="LlamaForCausalLM",
    parameters=32,
    layers=2,
    heads=4,
    key_value_heads=2,
    width=32,
    context=96,
    vocabulary=320,
    dtype="float32",
    device="cpu",
    capabilities=["causal_lm"],
    weights="raw",
    self_check=SelfCheck(
        passed=True,
        max_abs_difference=2.5e-7,
        max_abs_difference_fast=3e-7,
        tolerance=1e-4,
        tokens=12,
    ),
)


class SampleEvent(Event):
    """Numbers, text, records, arrays small and large, and a picture."""

    kind: Literal["look"] = "look"
    number: float
    tokens: list[str]
    rows: list[dict[str, Any]]
    small: Array
    large: Array
    picture: Picture


def look(seed: int = 0, tokens: tuple[str, ...] = ("Tom", " has")) -> SampleEvent:
    random = np.random.default_rng(seed)
    return SampleEvent(
        number=float(random.random()),
        tokens=list(tokens),
        rows=[{"token": token, "score": float(random.random())} for token in tokens],
        small=random.random((2, 3)),
        large=random.random((120, 90)).astype(np.float32),
        picture=random.integers(0, 256, (20, 30, 3), dtype=np.uint8),
    )


@pytest.fixture
def finished_run(make_run: Callable[..., Run]) -> Callable[..., Run]:
    """Makes a run of Anna's that is done, with these events."""

    def make(*events: Event, status: Status = Status.DONE, **changes: Any) -> Run:
        run = run_claim(run=make_run(**changes).id, worker="test")
        assert run is not None
        shown: Iterator[Event] = iter((ModelLoaded(info=INFO), *(events or (look(),))))
        dumped = [Pending(seq, *event_dump(event)) for seq, event in enumerate(shown, start=2)]
        event_append(run=run.id, attempt=run.attempt, events=dumped)
        run_end(run=run.id, attempt=run.attempt, status=status)
        run.refresh_from_db()
        return run

    return make


@pytest.fixture
def make_session(anna: User) -> Callable[..., Session]:
    """Makes a session of Anna's with these panels: runs with their caption, and notes."""

    def make(*panels: tuple[Run, str] | str, title: str = "Who has the ball") -> Session:
        session = Session.objects.create(owner=anna, title=title)
        created: list[PanelRun | PanelNote] = []
        for number, panel in enumerate(panels, 1):
            place: dict[str, Any] = {"id": panel_id(number), "place": "", "state": {"b": "2"}}
            if isinstance(panel, str):
                created.append(PanelNote(text=panel, **place))
                continue
            run, caption = panel
            SessionRun.objects.get_or_create(session=session, run=run)
            created.append(PanelRun(run=run.pk, caption=caption, **place))
        document = SessionDocument(title=title, panels=in_order(created))
        document_create(session=session, document=document)
        return session

    return make


def panel_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"
