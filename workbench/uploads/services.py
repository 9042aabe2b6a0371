"""What users do to their pictures: bring and delete them."""

import hashlib

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from analysis.picture_files import read_picture
from analysis.pictures import png_bytes
from workbench.errors import TooManyUploads
from workbench.uploads.models import Upload


def upload_create(*, owner: int, content: bytes) -> tuple[Upload, bool]:
    """The picture of a file, and whether it is new to its user.

    Raises PictureRefused, PictureTooLarge, PictureUnreadable, TooManyUploads.
    """
    pixels = read_picture(content)
    kept = png_bytes(pixels)
    height, width = pixels.shape[:2]
    made = Upload(
        owner_id=owner,
        sha256=hashlib.sha256(kept).hexdigest(),
        width=width,
        height=height,
        size=len(kept),
    )
    with transaction.atomic():
        # The owner's row is held, so that two requests count one another.
        get_user_model().objects.select_for_update().get(pk=owner)
        earlier = Upload.objects.filter(owner_id=owner, sha256=made.sha256).first()
        if earlier is not None:
            return earlier, False
        _check_count(owner)
        default_storage.save(made.storage_name, ContentFile(kept))
        made.save(force_insert=True)
    return made, True


def upload_delete(*, upload: Upload) -> None:
    """Delete a user's picture; runs keep what they have shown of it."""
    upload.delete()
    default_storage.delete(upload.storage_name)


def _check_count(owner: int) -> None:
    held = Upload.objects.filter(owner_id=owner).count()
    if held >= settings.MAX_UPLOADS:
        raise TooManyUploads(
            f"You have {held} pictures; the limit is {settings.MAX_UPLOADS}.",
            remedy="Delete one that you no longer need.",
        )
