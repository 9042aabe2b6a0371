"""Reproducible ZIP files, read as untrusted input.

A file is read only if it has the layout of `archive_write`: sorted entries one after another from
the first byte to the directory, with nothing before, between or after them. So all ZIP readers see
the same entries, and sizes are checked before anything is unpacked.

Format: the minimal subset of the .ZIP File Format Specification (APPNOTE 6.3).
"""

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping

from analysis.errors import shortened
from workbench.reports.errors import BundleRefused, BundleUnreadable

MAX_FILES = 2_000
MAX_BYTES = 200 * 2**20  # of all files, unpacked
MAX_RATIO = 100  # unpacked to packed size; files that pack better are stored without compression
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}){0,4}")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date of the format
REGULAR_FILE = (stat.S_IFREG | 0o644) << 16
UNIX = 3
LEVEL = 6
LOCAL_HEADER = 30  # bytes before the name
END = struct.Struct("<4s4H2LH")
END_SIGNATURE, LONG_SIGNATURE = b"PK\5\6", b"PK\6\7"
LONG_LOCATOR = 20  # bytes of the ZIP64 locator before the end record
UTF8 = 0x800
# Raised by zipfile for truncated or forged files.
BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError,
    NotImplementedError, RuntimeError, KeyError, IndexError,
)  # fmt: skip


def archive_write(files: Mapping[str, bytes], *, packed: bool = True) -> bytes:
    """A ZIP of the files, sorted by name; equal files, equal bytes (with the same zlib)."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", allowZip64=False) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = UNIX, REGULAR_FILE
            entry.compress_type = _packing(files[name]) if packed else zipfile.ZIP_STORED
            archive.writestr(entry, files[name], compresslevel=LEVEL)
    return target.getvalue()


def archive_read(content: bytes) -> dict[str, bytes]:
    """The files by name. Raises BundleUnreadable, BundleRefused before it unpacks anything."""
    start, count = _directory(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check(entries, start=start, count=count)
            return {entry.filename: _unpack(archive, entry) for entry in entries}
    except BROKEN as error:
        raise _unreadable(shortened(str(error), 100)) from None


def archive_size(content: bytes) -> int:
    """Total size by the directory, which is not checked yet. Raises BundleUnreadable."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except BROKEN as error:
        raise _unreadable(shortened(str(error), 100)) from None


def _packing(content: bytes) -> int:
    packed = zlib.compress(content, LEVEL, wbits=-15)
    small = len(content) > len(packed) and len(content) <= MAX_RATIO * len(packed)
    return zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED


def _directory(content: bytes) -> tuple[int, int]:
    """Offset and number of entries of the directory, from the end record."""
    if len(content) < END.size:
        raise _unreadable(f"it has {len(content)} bytes")
    end = len(content) - END.size
    signature, disk, first_disk, here, count, size, start, comment = END.unpack(content[end:])
    if signature != END_SIGNATURE or comment:
        raise _unreadable("it does not end as a ZIP without a comment ends")
    if content[max(0, end - LONG_LOCATOR) : end].startswith(LONG_SIGNATURE):
        raise _refuse("it is in the long form of ZIP (ZIP64)")
    if disk or first_disk or here != count or start + size != end:
        raise _refuse("its parts do not lie one behind another")
    if count > MAX_FILES:
        raise _refuse(f"it holds {count} files; the limit is {MAX_FILES}")
    return start, count


def _check(entries: list[zipfile.ZipInfo], *, start: int, count: int) -> None:
    """Refuse whatever `archive_write` does not write."""
    names = [entry.filename for entry in entries]
    if len(entries) != count or len({name.lower() for name in names}) < count:
        raise _refuse("two of its files have one name")
    if names != sorted(names):
        raise _refuse("its files are not sorted by name")
    position = 0
    for entry in entries:
        _check_entry(entry)
        if entry.header_offset != position:
            raise _refuse("its parts do not lie one behind another")
        position += LOCAL_HEADER + len(entry.filename) + entry.compress_size
    if position != start:
        raise _refuse("its parts do not lie one behind another")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_BYTES:
        raise _refuse(f"unpacked it has {total} bytes; the limit is {MAX_BYTES}")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    if name != entry.filename or not NAME.fullmatch(name):
        raise _refuse(f"it holds a file named {shortened(name)}")
    if entry.flag_bits & ~UTF8 or entry.extra or entry.comment:
        raise _refuse(f"{name} is encrypted, streamed or has extra fields")
    if entry.external_attr != REGULAR_FILE or entry.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):
        raise _refuse(f"{name} is a link or a folder, or packed in an unknown way")
    if entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        raise _refuse(
            f"{name} unpacks from {entry.compress_size} to {entry.file_size} bytes; the limit is "
            f"{MAX_RATIO} times"
        )


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The content. Raises BundleRefused if its size is not that of the directory."""
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise _refuse(f"{entry.filename} does not have the length that the directory gives")
    return content


def _refuse(why: str) -> BundleRefused:
    return BundleRefused(
        f"This is no bundle: {why}.", remedy="Export it again, and do not unpack and repack it."
    )


def _unreadable(why: str) -> BundleUnreadable:
    return BundleUnreadable(
        f"The file cannot be read as a ZIP: {why}.",
        remedy="It may have been cut short: copy it again.",
    )
