"""Picture files: PNG, JPEG and WebP, identified by content and reduced to pixels.

Size and shape are read from the header and checked before decoding. Only the pixels are kept,
upright, on white, in RGB; metadata, colour profiles and all other content of the file are
discarded.

Shape legend: H, W rows and columns of pixels.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from analysis.errors import (
    PictureRefused,
    PictureTooLarge,
    PictureUnreadable,
    UnknownPicture,
    shortened,
)
from analysis.images.event import PNG_SIGNATURE, png_bytes

MAX_BYTES = 20_000_000
MAX_PIXELS = 40_000_000
MAX_RATIO = (
    16  # ratio of the longer to the shorter side, because some models scale the shorter side up
)
MAX_SCANS = 100  # scans of a JPEG; each is a pass over all of its pixels
LONGEST_SIDE = 2048  # in pixels; larger pictures are scaled down
JPEG_SIGNATURE = b"\xff\xd8\xff"
START_OF_SCAN = re.compile(rb"\xff\xda\0[\x08\x0a\x0c\x0e][\x01-\x04]")
WEBP_ANIMATED = 0x02  # flag of the extended header

# Returns the pixels, uint8 [H, W, 3], of the picture that params name by the hash of its PNG file.
PictureReader = Callable[[str], np.ndarray]

# Pillow's errors for truncated or invalid files.
BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError,
    OverflowError, struct.error, zlib.error,
)  # fmt: skip


def read_picture(content: bytes) -> np.ndarray:
    """The picture of a file as uint8 [H, W, 3], its longer side at most `LONGEST_SIDE`.

    Raises PictureRefused, PictureTooLarge or PictureUnreadable.
    """
    if len(content) > MAX_BYTES:
        raise PictureTooLarge(
            f"The file has {len(content)} bytes; the limit is {MAX_BYTES}.",
            remedy="Reduce the picture, or save it as JPEG.",
        )
    image = _open(content)
    _refuse_shape(*image.size)
    if getattr(image, "is_animated", False):
        raise _animated()
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
    except BROKEN as error:
        raise _unreadable(image.format or "file", error) from None
    flat = _over_white(upright)
    flat.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(flat)


def no_pictures(sha256: str) -> np.ndarray:
    """The reader if no pictures were given. Raises UnknownPicture."""
    return pictures_by_hash()(sha256)


def pictures_by_hash(*pictures: np.ndarray) -> PictureReader:
    """A reader of these pictures. It raises UnknownPicture for any other."""
    found = {picture_hash(picture): picture for picture in pictures}

    def read(sha256: str) -> np.ndarray:
        if sha256 not in found:
            raise UnknownPicture(
                f"There is no picture {shortened(sha256)} among the {len(found)} given.",
                remedy="Pass it with analysis.run(…, pictures=[…]), or with --set NAME=FILE.",
            )
        return found[sha256]

    return read


def picture_hash(picture: np.ndarray) -> str:
    """The id of a picture: the hash of its PNG file."""
    return hashlib.sha256(png_bytes(picture)).hexdigest()


def _open(content: bytes) -> ImageFile.ImageFile:
    """Open the file and read its header, with only three of Pillow's forty formats."""
    name, reader = _reader(content)
    try:
        return reader(BytesIO(content))
    except BROKEN as error:
        raise _unreadable(name, error) from None


def _reader(content: bytes) -> tuple[str, Callable[[BytesIO], ImageFile.ImageFile]]:
    if content.startswith(PNG_SIGNATURE):
        return "PNG", PngImageFile
    if content.startswith(JPEG_SIGNATURE):
        _refuse_scans(content)
        return "JPEG", JpegImageFile
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        _check_webp(content)
        return "WebP", WebPImageFile
    raise PictureRefused(
        f"The file is not a PNG, JPEG or WebP; it begins with {content[:12]!r}.",
        remedy="Save the picture as PNG, JPEG or WebP; its name does not matter.",
    )


def _refuse_scans(content: bytes) -> None:
    scans = sum(1 for _ in START_OF_SCAN.finditer(content))
    if scans > MAX_SCANS:
        raise PictureTooLarge(
            f"The JPEG has {scans} scans; the limit is {MAX_SCANS}.",
            remedy="Save the picture again.",
        )


def _check_webp(content: bytes) -> None:
    """Check the size first, because the library allocates the whole canvas when it opens a file."""
    kind, header = content[12:16], content[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        if header[0] & WEBP_ANIMATED:
            raise _animated()
        width = 1 + int.from_bytes(header[4:7], "little")
        height = 1 + int.from_bytes(header[7:10], "little")
    elif kind == b"VP8L":
        bits = int.from_bytes(header[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width = int.from_bytes(header[6:8], "little") & 0x3FFF
        height = int.from_bytes(header[8:10], "little") & 0x3FFF
    _refuse_shape(width, height)


def _refuse_shape(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureTooLarge(
            f"The picture has {width} × {height} = {width * height} pixels; the limit is "
            f"{MAX_PIXELS}.",
            remedy="Scale it down.",
        )
    if not width or not height:
        raise PictureUnreadable(f"The picture is {width} × {height}.", remedy="Save it again.")
    ratio = max(width, height) / min(width, height)
    if ratio > MAX_RATIO:
        raise PictureRefused(
            f"The picture is {width} × {height}: one side is {ratio:.1f} times the other; the "
            f"limit is {MAX_RATIO}.",
            remedy="Crop it to the relevant part.",
        )


def _over_white(image: Image.Image) -> Image.Image:
    """RGB: 16 bits scaled to 8, transparency on white, CMYK converted."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _animated() -> PictureRefused:
    return PictureRefused(
        "The picture is animated; only still pictures are accepted.",
        remedy="Save one of its frames.",
    )


def _unreadable(name: str, error: Exception) -> PictureUnreadable:
    reason = shortened(str(error), 100).strip("'\"") or type(error).__name__
    return PictureUnreadable(
        f"The {name} cannot be read: {reason}.",
        remedy="It may be truncated: copy it again, or save it again.",
    )
