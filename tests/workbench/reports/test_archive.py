"""ZIP files are reproducible, and other layouts are refused."""

import io
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import GlassbenchError
from workbench.reports import archive
from workbench.reports.archive import EPOCH, REGULAR_FILE, archive_read, archive_write
from workbench.reports.errors import BundleRefused, BundleUnreadable

FILES = {"b/c.txt": b"second" * 100, "a.json": b"{}", "z.bin": bytes(range(256))}
GOOD = archive_write(FILES)


def zip_bytes(*names: str, content: bytes = b"x", **changes: object) -> bytes:
    """A ZIP as another program could write it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as zipped:
        for name in names:
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, REGULAR_FILE
            for field, value in changes.items():
                setattr(entry, field, value)
            zipped.writestr(entry, content)
    return target.getvalue()


def test_what_is_written_is_read_back_and_the_same_each_time() -> None:
    assert archive_read(GOOD) == FILES
    assert archive_write(dict(reversed(FILES.items()))) == GOOD


def test_any_other_program_can_read_it() -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as zipped:
        assert zipped.testzip() is None
        assert zipped.namelist() == sorted(FILES)


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../a", "a/../b", "a//b", "a\\b", "C:\\a", ".hidden", "a/", "", "é", "a b",
     "a\nb", "x" * 200, "a/b/c/d/e/f"],
)  # fmt: skip
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(BundleRefused, match="named"):
        archive_read(zip_bytes(name))


def test_a_nul_in_a_name_is_refused() -> None:
    content = zip_bytes("abcd").replace(b"abcd", b"ab\0d")
    with pytest.raises(BundleRefused, match="named"):
        archive_read(content)


def test_a_link_is_refused() -> None:
    with pytest.raises(BundleRefused, match="link"):
        archive_read(zip_bytes("a", external_attr=(0o120777 << 16), content=b"/etc/passwd"))


def test_an_encrypted_file_is_refused() -> None:
    content = bytearray(zip_bytes("a"))
    directory = content.index(b"PK\1\2")
    content[directory + 8] |= 1
    with pytest.raises(BundleRefused, match="encrypted"):
        archive_read(bytes(content))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a", "a"), ("A", "a")])
def test_two_files_of_one_name_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(BundleRefused, match="one name"):
        archive_read(zip_bytes(*names))


def test_files_out_of_order_are_refused() -> None:
    with pytest.raises(BundleRefused, match="sorted"):
        archive_read(zip_bytes("b", "a"))


def test_a_file_that_unpacks_to_far_more_is_refused_before_it_is_unpacked() -> None:
    bomb = zip_bytes("a", content=bytes(5_000_000), compress_type=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 6_000
    with pytest.raises(BundleRefused, match="limit is 100 times"):
        archive_read(bomb)


def test_what_packs_too_well_is_stored_as_it_is() -> None:
    zeros = {"a": bytes(1_000_000)}
    assert archive_read(archive_write(zeros)) == zeros


def test_too_many_bytes_in_all_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 100)
    with pytest.raises(BundleRefused, match="unpacked it has"):
        archive_read(GOOD)


def test_too_many_files_are_refused_before_the_directory_is_read() -> None:
    count = struct.pack("<2H", 60_000, 60_000)
    content = GOOD[:-14] + count + GOOD[-10:]
    with pytest.raises(BundleRefused, match="60000 files"):
        archive_read(content)


def test_a_size_that_lies_is_refused() -> None:
    content = bytearray(zip_bytes("a", content=b"x" * 50))
    directory = content.index(b"PK\1\2")
    content[directory + 24 : directory + 28] = struct.pack("<L", 20)
    with pytest.raises((BundleRefused, BundleUnreadable)):
        archive_read(bytes(content))


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a zip" * 10, GOOD[:-1], GOOD + b"x", b"x" + GOOD, GOOD[:50] + GOOD[60:]],
)
def test_a_file_cut_short_or_lengthened_is_refused(content: bytes) -> None:
    with pytest.raises((BundleRefused, BundleUnreadable)):
        archive_read(content)


def test_the_long_form_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as zipped, zipped.open("a", "w", force_zip64=True) as file:
        file.write(b"x")
    with pytest.raises(BundleRefused):
        archive_read(target.getvalue())


def test_one_file_inside_another_is_refused() -> None:
    """Two entries of the directory that share their bytes, as the densest bombs do."""
    content = bytearray(zip_bytes("a", "b", content=b"x" * 30))
    first = content.index(b"PK\1\2")
    second = content.index(b"PK\1\2", first + 4)
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    with pytest.raises(BundleRefused):
        archive_read(bytes(content))


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_a_changed_file_is_refused_or_harmless(at: int, change: bytes) -> None:
    content = GOOD[:at] + change + GOOD[at + len(change) :]
    try:
        found = archive_read(content)
    except GlassbenchError:
        return
    assert sum(map(len, found.values())) <= archive.MAX_BYTES
    assert all(archive.NAME.fullmatch(name) for name in found)
