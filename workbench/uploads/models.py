"""Uploaded pictures."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class Upload(models.Model):
    """A PNG file by its hash, one row per user: deleting it affects no other user."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads"
    )
    sha256 = models.CharField(max_length=64)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["owner", "sha256"], name="upload_once"),)

    def __str__(self) -> str:
        return f"upload {self.sha256[:12]} ({self.width} × {self.height})"

    @property
    def storage_name(self) -> str:
        return f"uploads/{self.owner_id}/{self.sha256}"
