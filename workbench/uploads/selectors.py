"""Reads a user's pictures."""

import re
from io import BytesIO
from typing import Any

import numpy as np
from django.core.files.storage import default_storage
from PIL import Image

from analysis.errors import UnknownPicture, shortened
from workbench.catalog.methods import MethodOut
from workbench.uploads.models import Upload

SHA256 = re.compile("[0-9a-f]{64}")


def upload_get(*, owner: int, sha256: str, field: str | None = None) -> Upload:
    """The user's picture. Raises UnknownPicture, also for another user's picture."""
    check_hash(sha256, field)
    upload = Upload.objects.filter(owner_id=owner, sha256=sha256).first()
    if upload is None:
        raise picture_unknown(sha256, field)
    return upload


def upload_list(*, owner: int) -> list[Upload]:
    """The user's pictures, latest first."""
    return list(Upload.objects.filter(owner_id=owner).order_by("-created_at", "id"))


def upload_read(*, owner: int, sha256: str) -> bytes:
    """The PNG file of the user's picture. Raises UnknownPicture."""
    return upload_content(upload_get(owner=owner, sha256=sha256))


def upload_content(upload: Upload) -> bytes:
    with default_storage.open(upload.storage_name) as file:
        content: bytes = file.read()
    return content


def upload_pixels(*, owner: int, sha256: str) -> np.ndarray:
    """The user's picture as uint8 [H, W, 3]. Raises UnknownPicture."""
    content = upload_read(owner=owner, sha256=sha256)
    return np.asarray(Image.open(BytesIO(content), formats=("PNG",)))


def picture_fields(method: MethodOut) -> list[str]:
    """Names of the params that take the id of a picture."""
    fields: dict[str, dict[str, Any]] = method.params_schema.get("properties", {})
    return [name for name, field in fields.items() if field.get("widget") == "picture"]


def check_hash(sha256: str, field: str | None) -> None:
    """Raises UnknownPicture if the text is no hash; PostgreSQL refuses some other texts."""
    if not SHA256.fullmatch(sha256):
        raise picture_unknown(sha256, field)


def picture_unknown(sha256: str, field: str | None) -> UnknownPicture:
    return UnknownPicture(
        f"There is no picture {shortened(sha256)}.",
        remedy="Upload it again, or choose another.",
        field=field,
    )
