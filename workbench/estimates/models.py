"""How fast devices are, and how long runs took on them."""

from django.db import models
from django.utils import timezone


class DeviceSpeed(models.Model):
    """A device as a worker measured it when it started; see `analysis.workload.Speed`."""

    name = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=20)  # cpu, cuda
    memory = models.PositiveBigIntegerField()  # bytes
    operations = models.FloatField()
    bytes = models.FloatField()
    calls = models.FloatField()
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"speed of {self.name}"


class Duration(models.Model):
    """How much longer a run took than calculated, of a model on a device.

    `method` is empty for loading.
    """

    device = models.CharField(max_length=200)
    model = models.CharField(max_length=300)
    revision = models.CharField(max_length=100)
    dtype = models.CharField(max_length=30)
    method = models.CharField(max_length=100, blank=True)
    ratio = models.FloatField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = (models.Index(fields=["device", "-at"], name="duration_on_device"),)

    def __str__(self) -> str:
        return f"{self.method or 'loading'} of {self.model}: {self.ratio:.2f} times"

    @property
    def key(self) -> tuple[str, str, str]:
        """The model, its revision and its dtype."""
        return self.model, self.revision, self.dtype
