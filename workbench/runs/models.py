"""Runs, their events, and the arrays and pictures that are stored outside events."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from analysis.catalog.dtypes import AUTO


class Status(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = (Status.DONE, Status.FAILED, Status.CANCELLED)


class Run(models.Model):
    """One analysis. The page chooses its id, so that a repeated request is recognised."""

    id = models.UUIDField(primary_key=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="runs"
    )
    method = models.CharField(max_length=100)
    method_version = models.CharField(max_length=50)
    model = models.CharField(max_length=300)
    revision = models.CharField(max_length=100, blank=True)  # empty: not known yet
    params = models.JSONField()
    dtype = models.CharField(max_length=10, default=AUTO)  # as asked for; see `analysis.run`
    queue = models.CharField(max_length=50)
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempt = models.PositiveIntegerField(default=0)  # 0: not started
    lost_workers = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True)
    error = models.JSONField(null=True, blank=True)
    cache_key = models.CharField(max_length=64, blank=True, db_index=True)
    cached_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="copies"
    )
    # Versions and machine of the computation; null: not known yet, or not recorded.
    environment = models.JSONField(null=True, blank=True)
    # Of an imported run: its original id and default params. Such a run is never copied from.
    imported = models.JSONField(null=True, blank=True)
    # Expected seconds and their interval {seconds, low, high}; null: unknown.
    expected = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=["owner", "-created_at"], name="run_of_owner"),
            models.Index(fields=["status", "created_at"], name="run_in_status"),
        )

    def __str__(self) -> str:
        return f"{self.method} {self.id} ({self.status}, attempt {self.attempt})"

    @property
    def source(self) -> "Run":
        """The run that has the events: itself, or the run that it was copied from."""
        return self.cached_from or self


class RunEvent(models.Model):
    """An event of an attempt; `seq` counts from 1 without gaps."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    attempt = models.PositiveIntegerField()
    seq = models.PositiveIntegerField()
    at = models.DateTimeField()
    # JSON as text: it is sent unchanged, and may contain \u0000, which JSON columns refuse.
    payload = models.TextField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["run", "attempt", "seq"], name="event_once"),
        )

    def __str__(self) -> str:
        return f"event {self.attempt}.{self.seq} of {self.run_id}"


class Artifact(models.Model):
    """An array or picture, stored by its hash. The event that refers to it has type and shape."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    size = models.PositiveBigIntegerField()
    used_at = models.DateTimeField(default=timezone.now)
    runs = models.ManyToManyField(Run, related_name="artifacts")

    def __str__(self) -> str:
        return f"artifact {self.sha256[:12]} ({self.size} bytes)"

    @property
    def storage_name(self) -> str:
        return f"{self.sha256[:2]}/{self.sha256}"
