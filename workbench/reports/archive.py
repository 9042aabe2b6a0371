"""ZIP files of ours: written the same each time, and read as if an enemy had written them.

What is read must have been laid out as `archive_write` does: the entries one after another, sorted,
from the first byte on to the directory, nothing before, between, behind or hidden in them. So no
two readers can see different things in it, and nothing is unpacked that was not counted before.

Format: .ZIP File Format Specification (APPNOTE 6.3), of which the smallest part.
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
MAX_RATIO = 100  # of a file to what it is packed into; what packs better is stored as it is
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}){0,4}")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows
REGULAR_FILE = (stat.S_IFREG | 0o644) << 16
UNIX = 3
LEVEL = 6
LOCAL_HEADER = 30  # bytes before the name
END = struct.Struct("<4s4H2LH")
END_SIGNATURE, LONG_SIGNATURE = b"PK\5\6", b"PK\6\7"
LONG_LOCATOR = 20  # bytes of what a ZIP64 file has before its end
UTF8 = 0x800
# What zipfile raises over files that are cut short or made up.
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
    """The files by name. Raises BundleUnreadable, BundleRefused; unpacks nothing before."""
    start, count = _directory(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check(entries, start=start, count=count)
            return {entry.filename: _unpack(archive, entry) for entry in entries}
    except BROKEN as error:
        raise _unreadable(shortened(str(error), 100)) from None


def archive_size(content: bytes) -> int:
    """Bytes of all files as the directory says, not yet checked. Raises BundleUnreadable."""
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
    """Where the directory begins and how many entries it has, told by the last bytes."""
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
    """No more than the directory says, one byte more is a lie."""
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
