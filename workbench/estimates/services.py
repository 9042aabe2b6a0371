"""Stores how fast devices are, and how long runs took."""

from django.utils import timezone

from analysis.workload import Device, Speed
from workbench.estimates.models import DeviceSpeed, Duration

KEPT = 16  # durations of one method, model and device
BOUNDS = (0.01, 100.0)  # of a ratio: what lies outside was disturbed


def device_record(*, name: str, device: Device, speed: Speed) -> None:
    """Store a device's speed as of now."""
    measured = {"operations": speed.operations, "bytes": speed.bytes, "calls": speed.calls}
    DeviceSpeed.objects.update_or_create(
        name=name,
        defaults={"kind": device.kind, "memory": device.memory, **measured, "at": timezone.now()},
    )


def duration_record(
    *, device: str, model: str, revision: str, dtype: str, method: str, ratio: float
) -> None:
    """Store measured over calculated seconds; of equal runs, the latest are kept."""
    if not BOUNDS[0] <= ratio <= BOUNDS[1]:
        return
    key = {"device": device, "model": model, "revision": revision, "dtype": dtype}
    Duration.objects.create(**key, method=method, ratio=ratio)
    old = Duration.objects.filter(**key, method=method).order_by("-at", "-id")[KEPT:]
    Duration.objects.filter(pk__in=[row.pk for row in old]).delete()
