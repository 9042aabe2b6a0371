"""Reads threads of comments that the visitor may read."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from workbench.accounts.visitor import Visitor
from workbench.errors import SessionNotFound, ThreadNotFound
from workbench.runs.models import Run
from workbench.runs.selectors import event_list
from workbench.sessions.models import Comment, Session, Thread
from workbench.sessions.roles import Role
from workbench.sessions.schemas import CommentOut, ThreadOut
from workbench.sessions.selectors import session_get


@dataclass(frozen=True)
class ThreadsSeen:
    """What a page has received of a session's threads: the count of changes, and the threads."""

    count: int = 0
    threads: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class ThreadChanges:
    changed: list[ThreadOut]
    deleted: frozenset[UUID]
    seen: ThreadsSeen


def thread_list(*, visitor: Visitor, session: UUID) -> list[ThreadOut]:
    """All threads, oldest first. Raises SessionNotFound."""
    row = session_get(visitor=visitor, session=session)
    return thread_snapshots(Thread.objects.filter(session=row))


def thread_get(*, visitor: Visitor, thread: UUID, needs: Role) -> Thread:
    """Raises ThreadNotFound, RoleMissing."""
    row = Thread.objects.filter(pk=thread).first()
    if row is None:
        raise _not_found(thread)
    try:
        row.session = session_get(visitor=visitor, session=row.session_id, needs=needs)
    except SessionNotFound:
        raise _not_found(thread) from None
    return row


def comment_get(*, visitor: Visitor, comment: UUID) -> Comment:
    """A comment that is not deleted. Raises ThreadNotFound, RoleMissing."""
    row = Comment.objects.filter(pk=comment, deleted_at=None).first()
    if row is None:
        raise _not_found(comment)
    try:
        row.thread = thread_get(visitor=visitor, thread=row.thread_id, needs=Role.COMMENTER)
    except ThreadNotFound:
        raise _not_found(comment) from None
    return row


def thread_snapshots(threads: QuerySet[Thread]) -> list[ThreadOut]:
    """Oldest first."""
    ordered = threads.select_related("resolved_by").order_by("created_at", "pk")
    rows = list(ordered.prefetch_related("comments__author", "comments__mentions"))
    return [_thread(thread) for thread in rows]


def thread_snapshot(thread: UUID) -> ThreadOut:
    """Raises ThreadNotFound."""
    snapshots = thread_snapshots(Thread.objects.filter(pk=thread))
    if not snapshots:
        raise _not_found(thread)
    return snapshots[0]


def thread_changes(*, seen: Mapping[UUID, ThreadsSeen]) -> dict[UUID, ThreadChanges]:
    """What has changed in each session since `seen`; sessions without changes are left out.

    The count is read first: a concurrent change is reported twice rather than never.
    """
    counts = Session.objects.filter(pk__in=list(seen)).values_list("pk", "said")
    return {
        session: _changes(session, count, seen[session])
        for session, count in counts
        if count != seen[session].count
    }


def run_tokens(run: Run) -> int | None:
    """The number of tokens of the run's text, if an early event records it."""
    for event in event_list(run=run, attempt=run.source.attempt, after=0):
        payload = json.loads(event.payload)
        if payload.get("kind") == "tokens":
            total = payload.get("total")
            return total if isinstance(total, int) else None
    return None


def _changes(session: UUID, count: int, seen: ThreadsSeen) -> ThreadChanges:
    threads = Thread.objects.filter(session=session)
    there = frozenset(threads.values_list("pk", flat=True))
    changed = thread_snapshots(threads.filter(said__gt=seen.count))
    return ThreadChanges(changed, seen.threads - there, ThreadsSeen(count, there))


def _thread(thread: Thread) -> ThreadOut:
    comments: Collection[Comment] = thread.comments.all()
    return ThreadOut(
        id=thread.pk,
        session=thread.session_id,
        run=thread.run_id,
        panel=UUID(thread.panel),
        anchor=thread.anchor,
        resolved_at=thread.resolved_at,
        resolved_by=thread.resolved_by.get_username() if thread.resolved_by else None,
        said=thread.said,
        comments=[
            _comment(comment)
            for comment in sorted(comments, key=lambda comment: (comment.created_at, comment.pk))
        ],
    )


def _comment(comment: Comment) -> CommentOut:
    return CommentOut(
        id=comment.pk,
        author=comment.author.get_username() if comment.author else None,
        author_name=comment.author_name,
        body=comment.body,
        mentions=sorted(user.get_username() for user in comment.mentions.all()),
        created_at=comment.created_at,
        edited_at=comment.edited_at,
        deleted_at=comment.deleted_at,
    )


def _not_found(what: UUID) -> ThreadNotFound:
    return ThreadNotFound(
        f"There is no thread or comment {what}, or it is not shared with you.",
        remedy="Load the session again.",
    )
