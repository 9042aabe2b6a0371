"""Sessions: shared documents of panels, their members and links, and comments."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from workbench.runs.models import Run
from workbench.sessions.roles import LINK_ROLES

SHARED = [(role.value, role.label) for role in LINK_ROLES]


class Session(models.Model):
    """A document of panels; its content is `state` plus the updates not yet folded into it.

    Updates are numbered from 1 without gaps: `seq` is the last saved one, `folded` the last one in
    `state`. Only `store` writes these.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sessions"
    )
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    archived_at = models.DateTimeField(null=True, blank=True)
    template = models.BooleanField(default=False)
    # Of an imported bundle: `shown` is its origin, `kept` the values that an export writes again.
    imported = models.JSONField(null=True, blank=True)
    text = models.TextField(blank=True)  # title, notes and captions as plain text, for search
    state = models.BinaryField(default=bytes)  # a Yjs document as one update; empty: none yet
    seq = models.PositiveBigIntegerField(default=0)
    folded = models.PositiveBigIntegerField(default=0)
    said = models.PositiveBigIntegerField(default=0)  # number of changes of its threads
    runs = models.ManyToManyField(Run, through="SessionRun", related_name="sessions")

    class Meta:
        indexes = (models.Index(fields=["owner", "-changed_at"], name="session_of_owner"),)

    def __str__(self) -> str:
        return f"session {self.id}"


class SessionUpdate(models.Model):
    """A Yjs update of a session's document that is not yet folded into its state."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="updates")
    seq = models.PositiveBigIntegerField()
    data = models.BinaryField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["session", "seq"], name="update_once"),)

    def __str__(self) -> str:
        return f"update {self.seq} of session {self.session_id}"


class SessionLink(models.Model):
    """Anyone who knows its token may open the session; only the token's hash is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="links")
    role = models.CharField(max_length=10, choices=SHARED)
    token_sha256 = models.CharField(max_length=64, unique=True)
    label = models.CharField(max_length=100, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    max_runs_per_hour = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.role} link {self.id} to session {self.session_id}"


class SessionMember(models.Model):
    """A user in a session: added by its owner, or by a link until that ends."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=SHARED)
    link = models.ForeignKey(
        SessionLink, null=True, blank=True, on_delete=models.CASCADE, related_name="members"
    )
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        # One row by name and one for each link: a link that ends removes only its own row.
        constraints = (
            models.UniqueConstraint(
                fields=["session", "user"], condition=models.Q(link=None), name="member_once"
            ),
            models.UniqueConstraint(fields=["link", "user"], name="member_by_link_once"),
        )

    def __str__(self) -> str:
        return f"{self.role} {self.user_id} of session {self.session_id}"


class SessionRun(models.Model):
    """A run in a session: visitors who may read the session may read the run."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="session_runs")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="session_runs")
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    link = models.ForeignKey(  # of the visitor who started the run
        SessionLink, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["session", "run"], name="run_once_in_session"),
        )

    def __str__(self) -> str:
        return f"run {self.run_id} in session {self.session_id}"


class Thread(models.Model):
    """Comments on one part of a panel or of the panel's run."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="threads")
    run = models.ForeignKey(
        Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="threads"
    )
    panel = models.CharField(max_length=36)
    anchor = models.JSONField()
    said = models.PositiveBigIntegerField(default=0)  # the session's count at its last change
    created_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return f"thread {self.id} of session {self.session_id}"


class Comment(models.Model):
    """A comment. `guest`: the random id of a guest's login, by which a guest is the author."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="comments",
    )
    author_name = models.CharField(max_length=150)
    guest = models.CharField(max_length=16, blank=True)
    body = models.TextField(max_length=10_000)
    mentions = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="mentioned_in")
    created_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"comment {self.id} in thread {self.thread_id}"
