"""Starts runs, also in sessions."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from analysis.catalog.capabilities import refuse_foreign, serving
from analysis.catalog.dtypes import AUTO, Dtype
from analysis.catalog.entries import Description, Entry, describe
from analysis.errors import ModelIncompatible, ModelUnreadable
from workbench.accounts.visitor import Visitor
from workbench.body import check_value
from workbench.catalog.methods import MethodOut, method_get
from workbench.catalog.selectors import catalog
from workbench.errors import RunIdTaken, TooManyRuns
from workbench.estimates.selectors import run_estimate
from workbench.runs.dispatch import run_dispatch
from workbench.runs.models import Run, Status
from workbench.runs.params import cache_key, params_check
from workbench.runs.selectors import run_active, run_cached, run_find
from workbench.sessions.broadcast import session_touch
from workbench.sessions.placing import RunPlace, place_of, place_run
from workbench.sessions.roles import Role
from workbench.sessions.selectors import session_get
from workbench.sessions.upload_access import uploads_lend


def run_start(
    *,
    visitor: Visitor,
    session: UUID | None,
    run: UUID,
    method: str,
    model: str,
    params: dict[str, Any],
    dtype: Dtype = AUTO,
) -> tuple[Run, bool]:
    """The started run, and whether it is new; in a session, if one is given.

    If an equal run of the same owner is queued or running, that run is returned, with its own id.

    Raises the errors of `run_create`, LoginRequired, SessionNotFound, RoleMissing.
    """
    owner, place = run_place(visitor=visitor, session=session)
    started, created = run_create(
        owner=owner,
        run=run,
        method=method,
        model=model,
        params=params,
        dtype=dtype,
        place=place,
        visitor=visitor,
        join=True,
    )
    if place and (created or started.id != run):
        session_touch(place.session)
    return started, created


def run_place(*, visitor: Visitor, session: UUID | None) -> tuple[User, RunPlace | None]:
    """Whose a visitor's run would be, and its place in the session if one is given.

    Raises LoginRequired, SessionNotFound, RoleMissing.
    """
    if session is None:
        return visitor.account, None
    row = session_get(visitor=visitor, session=session, needs=Role.EDITOR)
    place = place_of(visitor=visitor, session=row)
    return place.owner, place


def run_create(
    *,
    owner: User,
    run: UUID,
    method: str,
    model: str,
    params: dict[str, Any],
    dtype: Dtype = AUTO,
    place: RunPlace | None = None,
    visitor: Visitor | None = None,
    join: bool = False,
) -> tuple[Run, bool]:
    """The run, and whether it is new: a repeated request returns the same run.

    Raises UnknownMethod, UnknownModel, ModelIncompatible, InvalidParams, UnknownPicture,
    RunIdTaken, TooManyRuns, TooManySessionRuns, TooManyUploads.

    `visitor`: who starts the run, if not the owner; params may name pictures that they may see.
    `join`: return an equal run that is queued or running instead of a second one.
    """
    asked = run_check(method=method, model=model, params=params)
    described, filled = asked.method, asked.params
    uploads_lend(visitor=visitor or Visitor(owner), to=owner, method=described, params=filled)
    revision = asked.entry.revision or ""
    new = Run(
        id=run,
        owner_id=owner.pk,
        method=method,
        method_version=described.version,
        model=model,
        revision=revision,
        params=filled,
        dtype=dtype,
        queue=described.queue(asked.capabilities),
        cache_key=cache_key(
            method=described, model=model, revision=revision, params=filled, dtype=dtype
        ),
    )
    if (earlier := run_find(run=run)) is not None:
        return _same(earlier, new, place), False
    new.expected = _expected(asked, dtype)
    return _insert(new, owner=owner, place=place, join=join)


@dataclass(frozen=True)
class CheckedRun:
    """A run that may be started: params with defaults, and the model's capabilities."""

    method: MethodOut
    entry: Entry
    params: dict[str, Any]
    capabilities: tuple[str, ...]


def run_check(*, method: str, model: str, params: dict[str, Any]) -> CheckedRun:
    """Raises UnknownMethod, UnknownModel, ModelIncompatible, InvalidParams, TooLarge."""
    described = method_get(method)
    check_value(params, where="")
    filled = params_check(method=described, params=params)
    entry = catalog().find(model)
    capabilities = _model_check(method=described, model=describe(entry))
    refuse_foreign(described.params_schema, filled, needs=described.needs, present=capabilities)
    return CheckedRun(described, entry, filled, capabilities)


def _model_check(*, method: MethodOut, model: Description) -> tuple[str, ...]:
    """The model's capabilities. Raises ModelIncompatible if the method needs another one."""
    known = model.capabilities
    if model.metadata and method.needs and not serving(method.needs, known):
        raise ModelIncompatible(
            f"{method.stem} needs a model with {' or '.join(method.needs)}; {model.entry.id} has "
            f"{', '.join(known) or 'none of the known capabilities'}.",
            remedy="Choose another model: the list names what each can do.",
            field="model",
        )
    return known


def _expected(asked: CheckedRun, dtype: Dtype) -> dict[str, float] | None:
    """Seconds that the run is expected to take, with their interval; None: unknown."""
    try:
        found = run_estimate(
            method=asked.method.stem,
            entry=asked.entry,
            params=asked.params,
            needs=asked.method.needs,
            dtype=dtype,
        )
    except ModelUnreadable:
        return None
    if found is None:
        return None
    return {"seconds": found.found.seconds, "low": found.found.low, "high": found.found.high}


def _same(earlier: Run, new: Run, place: RunPlace | None) -> Run:
    asked = ("owner_id", "method", "model", "params", "dtype")
    differs = any(getattr(earlier, name) != getattr(new, name) for name in asked)
    if differs or (place and not earlier.sessions.filter(pk=place.session.pk).exists()):
        raise RunIdTaken(
            f"The run {new.id} exists already and is another one.",
            remedy="Send it again under a new id.",
            field="id",
        )
    return earlier


def _insert(new: Run, *, owner: User, place: RunPlace | None, join: bool) -> tuple[Run, bool]:
    sources = place.sources if place else Run.objects.filter(owner=owner)
    source = run_cached(among=sources, cache_key=new.cache_key)
    if source:
        _copy(source, new)
    try:
        with transaction.atomic():
            if new.status == Status.QUEUED:
                _hold(owner)
                equal = run_active(among=sources, cache_key=new.cache_key) if join else None
                if equal:
                    return _join(equal, place), False
                _check_queue(owner)
            new.save(force_insert=True)
            if place:
                place_run(place, new)
    except IntegrityError:  # the same request, twice at the same time
        return _same(Run.objects.get(pk=new.pk), new, place), False
    if new.status == Status.QUEUED:
        run_dispatch(run=new.id, queue=new.queue)
    return new, True


def _join(run: Run, place: RunPlace | None) -> Run:
    if place and not run.sessions.filter(pk=place.session.pk).exists():
        place_run(place, run)
    return run


def _copy(source: Run, new: Run) -> None:
    new.cached_from = source
    new.environment = source.environment
    new.status = Status.DONE
    new.attempt = source.attempt
    new.started_at = new.finished_at = timezone.now()


def _hold(owner: User) -> None:
    """Lock the owner's row, so that parallel requests see each other's runs."""
    get_user_model().objects.select_for_update().get(pk=owner.pk)


def _check_queue(owner: User) -> None:
    """Raises TooManyRuns."""
    waiting = Run.objects.filter(owner_id=owner.pk, status=Status.QUEUED).count()
    if waiting >= settings.MAX_QUEUED_RUNS:
        raise TooManyRuns(
            f"{waiting} of your runs are waiting; the limit is {settings.MAX_QUEUED_RUNS}.",
            remedy="Wait for one to start, or cancel one.",
        )
