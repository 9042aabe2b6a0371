"""Checks PNG files of a bundle: they must hold only pixels.

The hash of a picture is that of its file, and another version of a library may encode the same
pixels differently. So a file is kept unchanged, and refused if it holds other data.
"""

import struct

from analysis.errors import GlassbenchError
from analysis.images.event import PNG_SIGNATURE
from analysis.images.files import read_picture
from workbench.reports.errors import BundleRefused

CHUNKS = (b"IHDR", b"IDAT", b"IEND")
RGB_OF_8_BITS = b"\x08\x02\0\0\0"  # depth, colour, compression, filter, interlace
HEADER, CHECKSUM = 8, 4  # bytes around the content of a chunk


def check_png(content: bytes, name: str, *, size: tuple[int, int] | None = None) -> None:
    """Raises BundleRefused unless this is a bare picture (of that width and height)."""
    if not _is_bare(content):
        raise _refuse(f"{name} is not a PNG that holds only pixels")
    if size is not None and png_size(content) != size:
        raise _refuse(f"{name} is not {size[0]} × {size[1]}")
    try:
        read_picture(content)
    except GlassbenchError as error:
        raise _refuse(f"{name}: {error.message}") from None


def png_size(content: bytes) -> tuple[int, int]:
    """Width and height, from the header."""
    width, height = struct.unpack(">2L", content[16:24])
    return width, height


def _is_bare(content: bytes) -> bool:
    """Whether the file has a header, pixels and an end, and nothing else."""
    if not content.startswith(PNG_SIGNATURE):
        return False
    position, kinds = len(PNG_SIGNATURE), []
    while position + HEADER <= len(content):
        length, kind = struct.unpack(">L4s", content[position : position + HEADER])
        kinds.append(kind)
        position += HEADER + length + CHECKSUM
    ordered = [kind for index, kind in enumerate(kinds) if not index or kinds[index - 1] != kind]
    header = content[24:29] if kinds[:1] == [b"IHDR"] else b""
    return position == len(content) and tuple(ordered) == CHUNKS and header == RGB_OF_8_BITS


def _refuse(why: str) -> BundleRefused:
    return BundleRefused(f"The bundle is refused: {why}.", remedy="Export it again.")
