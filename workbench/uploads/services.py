"""Stores and deletes users' pictures."""

import hashlib

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from analysis.images.event import png_bytes
from analysis.images.files import read_picture
from workbench.errors import TooManyUploads
from workbench.uploads.models import Upload


def upload_create(*, owner: int, content: bytes) -> tuple[Upload, bool]:
    """Store the picture of a file; returns it, and whether it is new to its user.

    Raises PictureRefused, PictureTooLarge, PictureUnreadable, TooManyUploads.
    """
    pixels = read_picture(content)
    png = png_bytes(pixels)
    height, width = pixels.shape[:2]
    new = Upload(
        owner_id=owner,
        sha256=hashlib.sha256(png).hexdigest(),
        width=width,
        height=height,
        size=len(png),
    )
    return upload_keep(new, content=png)


def upload_restore(*, owner: int, content: bytes, size: tuple[int, int]) -> None:
    """Store a checked PNG file of that width and height unchanged, by its own hash.

    Another server may have encoded the same pixels differently. Raises TooManyUploads.
    """
    width, height = size
    sha256 = hashlib.sha256(content).hexdigest()
    new = Upload(owner_id=owner, sha256=sha256, width=width, height=height, size=len(content))
    with transaction.atomic():
        get_user_model().objects.select_for_update().get(pk=owner)
        if not Upload.objects.filter(owner_id=owner, sha256=sha256).exists():
            _check_count(owner)
            default_storage.save(new.storage_name, ContentFile(content))
            new.save(force_insert=True)


def upload_delete(*, upload: Upload) -> None:
    """Delete a user's picture; pictures in events of runs stay."""
    upload.delete()
    default_storage.delete(upload.storage_name)


def upload_keep(new: Upload, *, content: bytes) -> tuple[Upload, bool]:
    """Store a picture, unless its user has it. Raises TooManyUploads."""
    with transaction.atomic():
        # The owner's row is locked, so that parallel requests are counted.
        get_user_model().objects.select_for_update().get(pk=new.owner_id)
        earlier = Upload.objects.filter(owner_id=new.owner_id, sha256=new.sha256).first()
        if earlier is not None:
            return earlier, False
        _check_count(new.owner_id)
        default_storage.save(new.storage_name, ContentFile(content))
        new.save(force_insert=True)
    return new, True


def _check_count(owner: int) -> None:
    count = Upload.objects.filter(owner_id=owner).count()
    if count >= settings.MAX_UPLOADS:
        raise TooManyUploads(
            f"You have {count} pictures; the limit is {settings.MAX_UPLOADS}.",
            remedy="Delete one that you no longer need.",
        )
