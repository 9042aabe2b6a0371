"""Comments on a part of a run: threads, answers, mentions, edits and deletion.

Each change increases a count in the session's row, which is locked meanwhile: the count alone shows
watchers whether something is new.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from workbench.accounts.visitor import Visitor
from workbench.errors import NotTheAuthor, TooManyComments
from workbench.runs.models import Run
from workbench.sessions.access import session_role, valid_links
from workbench.sessions.anchors import AnyAnchor, check_anchor
from workbench.sessions.broadcast import broadcast_session
from workbench.sessions.models import Comment, Session, Thread
from workbench.sessions.roles import Role
from workbench.sessions.run_access import run_not_found
from workbench.sessions.selectors import session_get
from workbench.sessions.threads import comment_get, run_tokens, thread_get

MAX_BODY = 10_000
MAX_THREADS = 1_000
MAX_COMMENTS = 500
# As Django names users; a full stop at the end belongs to the sentence.
MENTION = re.compile(r"(?<![\w.@+-])@([\w.@+-]{1,150})")


def thread_create(
    *,
    visitor: Visitor,
    session: UUID,
    run: UUID | None,
    panel: UUID,
    anchor: AnyAnchor,
    body: str,
) -> UUID:
    """Start a thread; returns its id. An anchor other than the panel is of a run of the session.

    Raises SessionNotFound, RoleMissing, RunNotFound, InvalidBody, TooManyComments.
    """
    row = session_get(visitor=visitor, session=session, needs=Role.COMMENTER)
    shown = _run_of(row, run) if run else None
    check_anchor(anchor, tokens=run_tokens(shown) if shown else None)
    with _counted_change(row.pk) as count:
        _check_count(Thread.objects.filter(session=row).count(), MAX_THREADS, "threads")
        thread = Thread.objects.create(
            session=row,
            run=shown,
            panel=str(panel),
            anchor=anchor.model_dump(mode="json", exclude_none=True),
            said=count,
        )
        _comment_create(visitor, row, thread, body)
    return thread.pk


def comment_create(*, visitor: Visitor, thread: UUID, body: str) -> None:
    """Reply in a thread. Raises ThreadNotFound, RoleMissing, TooManyComments."""
    row = thread_get(visitor=visitor, thread=thread, needs=Role.COMMENTER)
    with _counted_change(row.session_id) as count:
        _check_count(row.comments.count(), MAX_COMMENTS, "comments in this thread")
        _comment_create(visitor, row.session, row, body)
        _mark(row, count)


def comment_change(*, visitor: Visitor, comment: UUID, body: str) -> UUID:
    """Edit the visitor's own comment; returns its thread. Raises ThreadNotFound, NotTheAuthor."""
    row = comment_get(visitor=visitor, comment=comment)
    if not _is_author(visitor, row):
        raise _not_the_author("change")
    with _counted_change(row.thread.session_id) as count:
        row.body, row.edited_at = body, timezone.now()
        row.save(update_fields=["body", "edited_at"])
        row.mentions.set(_mentioned(row.thread.session, body))
        _mark(row.thread, count)
    return row.thread_id


def comment_delete(*, visitor: Visitor, comment: UUID) -> None:
    """Delete a comment, as its author or as the session's owner.

    A comment with later replies stays, without text and name. Raises ThreadNotFound, RoleMissing,
    NotTheAuthor.
    """
    row = comment_get(visitor=visitor, comment=comment)
    owner = session_role(visitor, row.thread.session) == Role.OWNER
    if not (owner or _is_author(visitor, row)):
        raise _not_the_author("delete")
    with _counted_change(row.thread.session_id) as count:
        _bury(row)
        _sweep(row.thread)
        _mark(row.thread, count)


def thread_resolve(*, visitor: Visitor, thread: UUID, resolved: bool) -> None:
    """Resolve a thread or reopen it. Raises ThreadNotFound, RoleMissing."""
    row = thread_get(visitor=visitor, thread=thread, needs=Role.COMMENTER)
    with _counted_change(row.session_id) as count:
        Thread.objects.filter(pk=row.pk).update(
            resolved_at=timezone.now() if resolved else None,
            resolved_by=visitor.user if resolved else None,
            said=count,
        )


def comments_forget(*, user: User) -> None:
    """Delete all comments of a user whose account is being deleted."""
    for comment in Comment.objects.filter(author=user).select_related("thread"):
        with _counted_change(comment.thread.session_id) as count:
            _bury(comment)
            _sweep(comment.thread)
            _mark(comment.thread, count)


@contextmanager
def _counted_change(session: UUID) -> Iterator[int]:
    """Lock the session's row, count a change of its threads, and broadcast it after the commit."""
    with transaction.atomic():
        row = Session.objects.filter(pk=session)
        row.update(said=F("said") + 1)
        yield row.values_list("said", flat=True)[0]
    broadcast_session(session)


def _mark(thread: Thread, count: int) -> None:
    Thread.objects.filter(pk=thread.pk).update(said=count)


def _comment_create(visitor: Visitor, session: Session, thread: Thread, body: str) -> None:
    comment = Comment.objects.create(
        thread=thread,
        author=visitor.user,
        author_name=visitor.name,
        guest="" if visitor.user else visitor.guest,
        body=body,
    )
    comment.mentions.set(_mentioned(session, body))


def _mentioned(session: Session, body: str) -> list[User]:
    """The owner and members of the session who are mentioned with @."""
    named = {
        name for mention in MENTION.findall(body) for name in (mention, mention.rstrip(".+-@"))
    }
    if not named:
        return []
    members = session.members.filter(Q(link=None) | valid_links("link__"))
    here = Q(pk=session.owner_id) | Q(pk__in=members.values("user"))
    return list(User.objects.filter(here, username__in=named))


def _bury(comment: Comment) -> None:
    comment.mentions.clear()
    Comment.objects.filter(pk=comment.pk).update(
        body="", author=None, author_name="", guest="", deleted_at=timezone.now()
    )


def _sweep(thread: Thread) -> None:
    """Remove deleted comments at the end of a thread, and a thread without comments."""
    last = thread.comments.filter(deleted_at=None).order_by("created_at").last()
    if last is None:
        thread.delete()
    else:
        thread.comments.filter(created_at__gt=last.created_at).delete()


def _run_of(session: Session, run: UUID) -> Run:
    row = session.runs.filter(pk=run).select_related("cached_from").first()
    if row is None:
        raise run_not_found(run)
    return row


def _is_author(visitor: Visitor, comment: Comment) -> bool:
    if visitor.user:
        return comment.author_id == visitor.user.pk
    return comment.author_id is None and bool(comment.guest) and comment.guest == visitor.guest


def _check_count(count: int, most: int, what: str) -> None:
    if count >= most:
        raise TooManyComments(
            f"There are {count} {what}; the limit is {most}.", remedy="Delete some of them."
        )


def _not_the_author(verb: str) -> NotTheAuthor:
    return NotTheAuthor(
        f"You cannot {verb} another person's comment.", remedy="Reply to it, or ask its author."
    )
