"""Arrays and pictures of events: small ones are inside the event, others stored by their hash."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.utils import timezone
from pydantic_core import PydanticSerializationError

from analysis.events import ArrayRef, Event, array_bytes, content_ref, inline_ref
from analysis.images.event import PictureRef, inline_picture, picture_ref, png_bytes
from workbench.errors import EventTooLarge
from workbench.runs.models import Artifact, Run

UNUSED_FOR = timedelta(hours=1)  # a worker may refer to a saved array only later
SETTLED_AFTER = timedelta(minutes=1)  # the same, when a user deletes a run


class EventStore:
    """Stores arrays and pictures of one event; `saved`: sizes of its artifacts by hash."""

    def __init__(self) -> None:
        self.saved: dict[str, int] = {}
        self._room = settings.MAX_INLINE_BYTES

    def array(self, array: np.ndarray) -> ArrayRef:
        if self._fits(array.nbytes):
            return inline_ref(array)
        ref = content_ref(array)
        self._save(ref.sha256, array_bytes(array))
        return ref

    def picture(self, picture: np.ndarray) -> PictureRef:
        content = png_bytes(picture)
        if self._fits(len(content)):
            return inline_picture(picture)
        ref = picture_ref(picture, content)
        self._save(ref.sha256, content)
        return ref

    def _fits(self, size: int) -> bool:
        """Reserve space inside the event for `size` bytes in base64; False if there is none."""
        encoded = 4 * -(-size // 3)
        if encoded > self._room:
            return False
        self._room -= encoded
        return True

    def _save(self, sha256: str, content: bytes) -> None:
        artifact_save(sha256=sha256, content=content)
        self.saved[sha256] = len(content)


def event_dump(event: Event) -> tuple[str, dict[str, int]]:
    """The event as JSON text, and the sizes of its artifacts by hash. Raises EventTooLarge."""
    store = EventStore()
    context = {"store": store.array, "picture_store": store.picture}
    try:
        value: dict[str, Any] = event.model_dump(mode="json", context=context)
    except PydanticSerializationError as error:
        raise error.__cause__ or error from None  # the error of saving an array or a picture
    payload = json.dumps(value, separators=(",", ":"), allow_nan=False)
    if len(payload) > settings.MAX_EVENT_BYTES:
        raise EventTooLarge(
            f"An event of kind {value['kind']} takes {len(payload)} bytes; the limit is "
            f"{settings.MAX_EVENT_BYTES}.",
            remedy="Report it as an error of the method: long lists belong in arrays.",
        )
    return payload, store.saved


def artifact_save(*, sha256: str, content: bytes) -> None:
    """Store the bytes, unless the artifact exists."""
    if Artifact.objects.filter(pk=sha256).update(used_at=timezone.now()):
        return
    name = Artifact(sha256=sha256, size=len(content)).storage_name
    default_storage.save(name, ContentFile(content))


def artifacts_link(*, run: Run, artifacts: dict[str, int]) -> None:
    """Link the artifacts that a run's events refer to; `artifacts`: sizes by hash."""
    now = timezone.now()
    Artifact.objects.bulk_create(
        (Artifact(sha256=sha, size=size, used_at=now) for sha, size in artifacts.items()),
        update_conflicts=True,
        unique_fields=["sha256"],
        update_fields=["used_at"],
    )
    run.artifacts.add(*Artifact.objects.filter(pk__in=artifacts))


def artifacts_prune() -> int:
    """Delete artifacts that no run refers to; returns their number."""
    return _delete(Artifact.objects.filter(used_at__lt=timezone.now() - UNUSED_FOR))


def artifacts_delete(*, hashes: list[str]) -> int:
    """Delete these artifacts if no run refers to them; leaves recent ones to `artifacts_prune`."""
    settled = timezone.now() - SETTLED_AFTER
    return _delete(Artifact.objects.filter(pk__in=hashes, used_at__lt=settled))


def _delete(candidates: QuerySet[Artifact]) -> int:
    deleted = 0
    for artifact in candidates.filter(runs=None):
        if Artifact.objects.filter(pk=artifact.pk, runs=None).delete()[0]:
            default_storage.delete(artifact.storage_name)
            deleted += 1
    return deleted
