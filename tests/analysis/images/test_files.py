"""Pictures from outside: what is taken, converted and refused, and files broken at random."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from analysis.errors import (
    PictureRefused,
    PictureTooLarge,
    PictureUnreadable,
)
from analysis.images.event import PNG_SIGNATURE, png_bytes
from analysis.images.files import LONGEST_SIDE, MAX_BYTES, MAX_SCANS, read_picture

RAMP = np.mgrid[0:24, 0:36].transpose(1, 2, 0).astype(np.uint8) * 6
PIXELS = np.concatenate([RAMP, 255 - RAMP[..., :1]], axis=2)
REFUSALS = (PictureRefused, PictureTooLarge, PictureUnreadable)


def file_of(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = BytesIO()
    (image or Image.fromarray(PIXELS)).save(file, kind, **options)
    return file.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels, and nothing behind it."""
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_SIGNATURE + png_chunk(b"IHDR", body) + png_chunk(b"IDAT", zlib.compress(b""))


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_what_loses_nothing_keeps_every_pixel(kind: str, options: dict[str, Any]) -> None:
    np.testing.assert_array_equal(read_picture(file_of(kind, **options)), PIXELS)


def test_a_jpeg_is_read_as_what_it_is_whatever_it_is_called() -> None:
    content = file_of("JPEG", quality=95)
    expected = np.asarray(Image.open(BytesIO(content)))
    np.testing.assert_array_equal(read_picture(content), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_turned_back(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = read_picture(file_of(kind, exif=exif.tobytes()))
    plain = read_picture(file_of(kind)).astype(int)
    turned = {
        1: plain, 2: plain[:, ::-1], 3: plain[::-1, ::-1], 4: plain[::-1],
        5: plain.transpose(1, 0, 2), 6: np.rot90(plain, -1), 8: np.rot90(plain),
        7: np.rot90(plain, 2).transpose(1, 0, 2),
    }  # fmt: skip
    np.testing.assert_array_equal(upright, turned[orientation])


def test_metadata_does_not_come_along() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a secret camera"
    for kind in ("JPEG", "PNG", "WEBP"):
        content = file_of(kind, exif=exif.tobytes(), icc_profile=b"a secret profile")
        assert b"a secret camera" in content
        assert b"secret" not in png_bytes(read_picture(content))


def test_what_stands_behind_the_picture_is_left_behind() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        polyglot = file_of(kind) + b"PK\x03\x04<script>alert(1)</script>"
        kept = png_bytes(read_picture(polyglot))
        np.testing.assert_array_equal(read_picture(kept), read_picture(file_of(kind)))
        assert b"script" not in kept


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = Image.fromarray(PIXELS).convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    else:
        image = Image.fromarray(PIXELS).convert(mode)
    found = read_picture(file_of("PNG", image))
    assert (found.dtype, found.shape) == (np.uint8, PIXELS.shape)
    expected = Image.fromarray(PIXELS).convert("L" if mode == "I;16" else mode).convert("RGB")
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_what_is_transparent_lies_over_white() -> None:
    image = Image.fromarray(np.dstack([PIXELS, np.zeros(PIXELS.shape[:2], np.uint8)]))
    assert (read_picture(file_of("PNG", image)) == 255).all()


def test_four_printing_inks_are_converted() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = read_picture(file_of("JPEG", image, quality=95))[4, 4]
    assert red[0] > 240
    assert red[1:].max() < 15


def test_a_large_picture_is_scaled_down_to_the_longest_side() -> None:
    image = Image.new("RGB", (3 * LONGEST_SIDE, LONGEST_SIDE), "teal")
    assert read_picture(file_of("JPEG", image)).shape == (round(LONGEST_SIDE / 3), LONGEST_SIDE, 3)


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "green", "blue")]
    return file_of(kind, frames[0], save_all=True, append_images=frames[1:])


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
WRONG = {
    "nothing": (b"", PictureRefused, "not a PNG, JPEG or WebP"),
    "svg": (SVG, PictureRefused, "<svg"),
    "gif": (file_of("GIF"), PictureRefused, "GIF89a|GIF87a"),
    "tiff": (file_of("TIFF"), PictureRefused, "not a PNG"),
    "pdf with a picture in it": (b"%PDF-1.7 " + file_of("JPEG"), PictureRefused, "%PDF"),
    "animated png": (animated("PNG"), PictureRefused, "animated"),
    "animated webp": (animated("WEBP"), PictureRefused, "animated"),
    "too many bytes": (file_of("PNG") + bytes(MAX_BYTES), PictureTooLarge, "limit is 20000000"),
    "bomb": (png_header(30_000, 30_000), PictureTooLarge, "900000000 pixels; the limit is 400"),
    "empty promise": (png_header(600, 600), PictureUnreadable, "PNG cannot be read"),
    "a strip": (png_header(1700, 100), PictureRefused, "17.0 times"),
    "no columns": (png_header(0, 5), PictureUnreadable, "0 × 5|cannot be read"),
    "many scans": (file_of("JPEG") + b"\xff\xda\0\x08\1" * MAX_SCANS, PictureTooLarge, "101 scans"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused_is_told_why(name: str) -> None:
    content, kind, said = WRONG[name]
    with pytest.raises(kind, match=said) as refused:
        read_picture(content)
    assert refused.value.remedy
    assert refused.value.message.isprintable()


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("alpha", [True, False])
def test_a_webp_tells_its_size_before_it_is_opened(lossless: bool, alpha: bool) -> None:  # noqa: FBT001
    """In each of its three headers: the library would make room for all of it."""
    image = Image.new("RGBA" if alpha else "RGB", (6400, 6400), (1, 2, 3, 4) if alpha else "red")
    content = file_of("WEBP", image, lossless=lossless, quality=1, method=0)
    with pytest.raises(PictureTooLarge, match="6400 × 6400"):
        read_picture(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_file_cut_short_is_refused_wherever_it_ends(kind: str) -> None:
    content = file_of(kind)
    last = {"JPEG": 2, "PNG": 24, "WEBP": 0}[kind]  # checksums and end mark, no pixel
    for length in range(len(content) - last - 1):
        with pytest.raises(REFUSALS):
            read_picture(content[:length])


def broken(content: bytes, changes: list[tuple[int, int]], cut: int, insert: bytes) -> bytes:
    found = bytearray(content)
    for at, value in changes:
        found[at % len(found)] = value
    at = cut % (len(found) + 1)
    return bytes(found[:at]) + insert + bytes(found[at:]) if insert else bytes(found)


EXIF = b"Exif\0\0II*\0\x08\0\0\0"
FILES: list[Callable[[], bytes]] = [
    lambda: file_of("PNG"),
    lambda: file_of("PNG", Image.fromarray(PIXELS).convert("P")),
    lambda: file_of("JPEG"),
    lambda: file_of("JPEG", Image.fromarray(PIXELS).convert("CMYK"), progressive=True),
    lambda: file_of("JPEG", exif=EXIF + b"\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"),
    lambda: file_of("WEBP"),
    lambda: file_of("WEBP", lossless=True, exif=EXIF + b"\0\0"),
]


@settings(max_examples=600, deadline=None)
@given(
    number=st.integers(0, len(FILES) - 1),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 2000),
    insert=st.binary(max_size=8),
    end=st.integers(0, 4000),
)
@pytest.mark.filterwarnings("ignore")  # Pillow warns of some of what it reads all the same
def test_a_broken_file_gives_a_picture_or_a_refusal(
    number: int, changes: list[tuple[int, int]], cut: int, insert: bytes, end: int
) -> None:
    content = broken(FILES[number](), changes, cut, insert)[: end or None]
    found, refusal = None, None
    try:
        found = read_picture(content)
    except REFUSALS as error:
        refusal = error
    if found is not None:
        assert (found.dtype, found.ndim, found.shape[2]) == (np.uint8, 3, 3)
    else:
        assert refusal is not None
        assert refusal.message.isprintable()
