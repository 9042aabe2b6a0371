"""Stored results of model checks."""

from django.db import models


class ModelCheck(models.Model):
    """The metadata and self-check from the last load of a model revision."""

    model = models.CharField(max_length=300)
    revision = models.CharField(max_length=100)
    info = models.JSONField()
    at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["model", "revision"], name="check_once"),)

    def __str__(self) -> str:
        return f"check of {self.model} at {self.revision}"
