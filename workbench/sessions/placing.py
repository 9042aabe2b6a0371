"""The owner of a run that is started in a session, and the limits of its link and session."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone

from workbench.accounts.visitor import Visitor
from workbench.errors import TooManyRuns, TooManySessionRuns
from workbench.runs.models import Run
from workbench.sessions.access import session_grant
from workbench.sessions.models import Session, SessionLink, SessionRun

HOUR = timedelta(hours=1)
MAX_SESSION_RUNS = 500


@dataclass(frozen=True)
class RunPlace:
    """`starter`: None for a guest, whose runs belong to the session's owner; `link`: the link that
    grants the visitor's role."""

    session: Session
    starter: User | None
    link: SessionLink | None

    @property
    def owner(self) -> User:
        return self.starter or self.session.owner

    @property
    def sources(self) -> QuerySet[Run]:
        """Runs whose events may be shared; for guests, only those of the session."""
        own = Run.objects.filter(owner=self.owner)
        return own if self.starter else own.filter(sessions=self.session)


def place_of(*, visitor: Visitor, session: Session) -> RunPlace:
    """The place of a run that a visitor with a role starts in the session."""
    grant = session_grant(visitor, session)
    return RunPlace(session, visitor.user, grant.link if grant else None)


def place_run(place: RunPlace, run: Run) -> None:
    """Put the run into the session, in a transaction. Raises TooManyRuns, TooManySessionRuns."""
    # The row is locked, so that parallel requests are counted.
    Session.objects.select_for_update().get(pk=place.session.pk)
    if place.link:
        _check_link(place.link)
    check_run_count(place.session)
    SessionRun.objects.create(
        session=place.session, run=run, added_by=place.starter, link=place.link
    )


def check_run_count(session: Session) -> None:
    """Raises TooManySessionRuns."""
    if session.session_runs.count() >= MAX_SESSION_RUNS:
        raise TooManySessionRuns(
            f"This session has {MAX_SESSION_RUNS} runs; that is the limit.",
            remedy="Remove one, or create another session.",
        )


def _check_link(link: SessionLink) -> None:
    started = SessionRun.objects.filter(link=link, at__gt=timezone.now() - HOUR).count()
    if started >= link.max_runs_per_hour:
        raise TooManyRuns(
            f"{started} runs were started by this link within the last hour; its limit is "
            f"{link.max_runs_per_hour}.",
            remedy="Wait, or ask the owner of the session to add you as a member.",
        )
