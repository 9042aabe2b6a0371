"""Reading pictures, always as the owner may."""

from io import BytesIO
from typing import Any

import numpy as np
from django.core.files.storage import default_storage
from PIL import Image

from analysis.errors import UnknownPicture
from workbench.catalog.methods import MethodOut
from workbench.uploads.models import Upload


def upload_get(*, owner: int, sha256: str, field: str | None = None) -> Upload:
    """The user's picture. Raises UnknownPicture, also for a picture of somebody else."""
    found = Upload.objects.filter(owner_id=owner, sha256=sha256).first()
    if found is None:
        raise UnknownPicture(
            f"There is no picture {sha256[:70]!a}.",
            remedy="Upload it again, or choose another.",
            field=field,
        )
    return found


def upload_list(*, owner: int) -> list[Upload]:
    """The user's pictures, latest first."""
    return list(Upload.objects.filter(owner_id=owner).order_by("-created_at", "id"))


def upload_read(*, owner: int, sha256: str) -> bytes:
    """The PNG file of the user's picture. Raises UnknownPicture."""
    with default_storage.open(upload_get(owner=owner, sha256=sha256).storage_name) as file:
        content: bytes = file.read()
    return content


def upload_pixels(*, owner: int, sha256: str) -> np.ndarray:
    """The user's picture as uint8 [H, W, 3]. Raises UnknownPicture."""
    content = upload_read(owner=owner, sha256=sha256)
    return np.asarray(Image.open(BytesIO(content), formats=("PNG",)))


def uploads_check(*, owner: int, method: MethodOut, params: dict[str, Any]) -> None:
    """Refuse params that name a picture which the user has not. Raises UnknownPicture."""
    fields: dict[str, dict[str, Any]] = method.params_schema.get("properties", {})
    for name, field in fields.items():
        if field.get("widget") == "picture" and params.get(name):
            upload_get(owner=owner, sha256=params[name], field=name)
