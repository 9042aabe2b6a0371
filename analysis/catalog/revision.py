"""What identifies a model folder: a hash of the files that decide a result."""

import hashlib
from functools import lru_cache
from pathlib import Path

from analysis.catalog.files import part_folders, vanished
from analysis.catalog.folder import check_contents
from analysis.errors import ModelUnreadable

SUFFIXES = {".safetensors", ".json", ".model", ".txt", ".jinja", ".py"}
WHOLE_HASH_BYTES = 64 * 2**20  # larger files are hashed by samples
SAMPLE_BYTES = 2**20
SAMPLES = 64


def folder_revision(path: Path) -> str:
    """Content hash of the files that decide a result; same files elsewhere, same hash.

    The model's own code is among them: an administrator trusts this code, not a later one. So
    are the folders of a pipeline's parts and of a mask decoder. Raises ModelUnreadable.
    """
    digest = hashlib.sha256()
    for name, found in file_digests(path).items():
        digest.update(name.encode())
        digest.update(bytes.fromhex(found))
    return digest.hexdigest()[:16]


def file_digests(path: Path) -> dict[str, str]:
    """SHA-256 of each of these files by its name in the folder: of its size in decimal digits,
    then of its content, or of 64 samples of 1 MiB of what is longer than 64 MiB.

    Raises ModelUnreadable.
    """
    found = {}
    for file in sorted(_deciding_files(path)):
        try:
            stat = file.stat()
            digest = _file_digest(file, stat.st_size, stat.st_mtime_ns)
        except OSError as error:
            raise vanished(file, error) from None
        found[file.relative_to(path).as_posix()] = digest.hex()
    return found


def _deciding_files(path: Path) -> list[Path]:
    check_contents(path)
    try:
        folders = [path, *part_folders(path)]
        return [
            file
            for folder in folders
            for file in folder.iterdir()
            if file.suffix in SUFFIXES and file.name != "report.json"
        ]
    except OSError as error:
        raise ModelUnreadable(
            f"{path.name} cannot be listed: {error.strerror}.", remedy="Copy it again."
        ) from None


@lru_cache(maxsize=1024)
def _file_digest(file: Path, size: int, mtime_ns: int) -> bytes:
    del mtime_ns  # part of the cache key: a changed file is read again
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as stream:
        if size <= WHOLE_HASH_BYTES:
            digest.update(stream.read())
            return digest.digest()
        for part in range(SAMPLES):
            stream.seek(part * (size - SAMPLE_BYTES) // (SAMPLES - 1))
            digest.update(stream.read(SAMPLE_BYTES))
    return digest.digest()
