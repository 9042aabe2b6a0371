"""Stored results of model checks."""

from django.db import models

from analysis.catalog.dtypes import AUTO


class ModelCheck(models.Model):
    """The metadata and self-check from the last load of a model revision in a dtype."""

    model = models.CharField(max_length=300)
    revision = models.CharField(max_length=100)
    dtype = models.CharField(max_length=10, default=AUTO)  # as the run asked for it
    info = models.JSONField()
    at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["model", "revision", "dtype"], name="check_once"),
        )

    def __str__(self) -> str:
        return f"check of {self.model} at {self.revision} in {self.dtype}"
