"""Counts how often a reader changes files to follow six requests through the code.

    python -m pytest -q -s tests/workbench/walks.py

A walk is the sequence of our functions in the order of their first call. A move is a step of that
sequence to a function in another file; a return is a move to a file that was open before. Slices
are the folders below `workbench` and `analysis`. Not part of the test suite: it has no limits.
"""

import importlib
import inspect
import os
import pkgutil
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

import analysis
import workbench
from analysis.catalog.entries import Catalog
from analysis.loading import ModelCache, load
from tests.workbench.reports.computed import computed_report, record
from tests.workbench.sessions.pages import NOTE, opened
from workbench.catalog.selectors import catalog
from workbench.reports.bundle import bundle_build
from workbench.reports.reading import bundle_read
from workbench.reports.verify import bundle_altered, run_verify
from workbench.runs.models import Run
from workbench.sessions.document import PanelNote, SessionDocument
from workbench.sessions.models import Session
from workbench.sessions.store import document_create
from workbench.worker.tasks import run_execute

ROOT = Path(__file__).resolve().parents[2]
PARAMS = {"prompt": "Tom has the ball.", "max_new_tokens": 2, "probes": 32, "draws": 1}
SLICE_DEPTH = 2  # workbench/sessions, analysis/model
LOADED = 8 * 2**30


class Walk:
    """The files of our functions, in the order in which each function is called first."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self._seen: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or code in self._seen or not code.co_flags & inspect.CO_OPTIMIZED:
            return  # module and class bodies are not optimized
        self._seen.add(code)
        name = os.path.relpath(code.co_filename, ROOT)
        if name.startswith(("workbench/", "analysis/")):
            self.files.append(name)

    def counts(self) -> str:
        files, moves, returns = count(self.files)
        slices, between, _ = count(["/".join(f.split("/")[:SLICE_DEPTH]) for f in self.files])
        return f"{files:3} files {moves:4} moves {returns:4} returns; {slices:2} slices {between:4}"


def count(places: list[str]) -> tuple[int, int, int]:
    """Distinct places, moves to another place, and moves to an earlier place."""
    moves = sum(a != b for a, b in pairwise(places))
    return len(set(places)), moves, moves - len(set(places)) + 1


@contextmanager
def walking(name: str) -> Iterator[None]:
    walk = Walk()
    threading.setprofile(walk)
    sys.setprofile(walk)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    sys.stdout.write(f"\n{name:12} {walk.counts()}\n")


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Imports come first, so that walks contain only calls."""
    for package in (workbench, analysis):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(part in module.name for part in ("migrations", "training", "settings")):
                importlib.import_module(module.name)


@pytest.mark.django_db
def test_post_run(anna_client: Client) -> None:
    body = {"id": str(uuid.uuid4()), "method": "reagent", "model": "demo-lm", "params": PARAMS}
    with walking("POST run"):
        answer = anna_client.post("/api/runs", body, content_type="application/json")
    assert answer.status_code == 201


@pytest.mark.django_db(transaction=True)
def test_task(make_run: Callable[..., Run]) -> None:
    run = make_run(model="demo-lm", params=PARAMS)
    with walking("task"):
        run_execute(str(run.pk))
    run.refresh_from_db()
    assert run.status == "done"


def test_bundle_and_verify() -> None:
    report = computed_report("reagent")
    with walking("bundle"):
        content = bundle_build(report)
    with walking("verify"):
        bundle = bundle_read(content)
        assert not bundle_altered(bundle)
        assert run_verify(bundle.report.runs[0], catalog=catalog(), step=lambda: None).same


def test_model_load() -> None:
    record("reagent", "demo-lm", PARAMS)  # what is cached by the process stays so
    with walking("model load"):
        for _ in load("demo-lm", catalog=Catalog(), cache=ModelCache(LOADED)):
            pass


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_edit_of_a_note(anna: User, anna_client: Client) -> None:
    from channels.db import database_sync_to_async

    @database_sync_to_async
    def session() -> Session:
        created = Session.objects.create(owner=anna)
        note = PanelNote(id=NOTE, place="a0", text="Tom.")
        document_create(session=created, document=SessionDocument(title="Ball", panels=(note,)))
        return created

    async with opened(await session(), anna_client) as page:
        page.type("Anna and ")
        with walking("note's edit"):
            await page.until_saved()
