"""What may be read of a model folder: only what lies inside it, and what reading it can raise.

A folder may be a clone of somebody else's repository, and hold links to any file of this machine.
A folder of the hub's cache holds links by design: to the files of its own repository.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.errors import GlassbenchError, ModelUnreadable

NOTES = {"README.md", "report.json"}  # read by `read_note` alone, which looks at them itself
INDEX = "*.index.json"  # names the files that a checkpoint is split into
SKIPPED = {".git"}
MOST_FILES = 20_000
# A path from the root, as libraries put it into their messages; no part of an https address.
ABSOLUTE = re.compile(r"(?<![\w/:.])/(?:[^\s/'\"`:]+/)+")


def contents_root(folder: Path) -> Path:
    """The folder in which all files of a model lie: itself, or its repository in the hub's cache.

    That cache has `models--owner--name/snapshots/commit/file`, a link to `../../blobs/hash`.
    """
    found = folder.resolve()
    repository = found.parent.parent
    cached = found.parent.name == "snapshots" and repository.name.startswith("models--")
    return repository if cached else found


def is_inside(file: Path, root: Path) -> bool:
    """Whether a file lies under a resolved folder, all links followed."""
    try:
        return file.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link to itself
        return False


def check_contents(folder: Path) -> None:
    """Raise ModelUnreadable if a file of the folder, of its subfolders too, lies outside or is no
    file that ends, such as a pipe.

    So libraries may read what they like of it.
    """
    root = contents_root(folder)
    for file in _files(folder.resolve()):
        if file.name in NOTES:
            continue
        if file.is_symlink() and not is_inside(file, root):
            raise _outside(folder, file.name)
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise ModelUnreadable(
                f"{file.name} of {folder.name} is a pipe or a device.",
                remedy="Copy the file again.",
            )
    for index in folder.glob(INDEX):
        for name in index_files(index):
            if not is_inside(folder / name, root):
                raise _outside(folder, name)


def read_note(folder: Path, name: str, *, most_bytes: int) -> str | None:
    """The beginning of a text file of the folder; None: not there, not a text, or outside."""
    file = folder / name
    if not file.is_file() or not is_inside(file, contents_root(folder)):
        return None
    try:
        with file.open("rb") as stream:
            content = stream.read(most_bytes + 1)
        whole = len(content) <= most_bytes
        return content[:most_bytes].decode("utf-8", errors="strict" if whole else "ignore")
    except (OSError, UnicodeDecodeError):
        return None


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Whatever reading the files of model `name` raises becomes ModelUnreadable.

    The files are somebody else's, and the libraries that read them raise what they like; those in
    Rust panic, which is no Exception.
    """
    try:
        yield
    except (GlassbenchError, MemoryError):
        raise
    except Exception as error:
        raise unreadable(name, error) from error
    except BaseException as error:
        if not is_panic(error):
            raise
        raise unreadable(name, error) from error


def is_panic(error: BaseException) -> bool:
    """Whether a library in Rust panicked: pyo3's exception is no Exception and has no module."""
    return type(error).__name__ == "PanicException"


def unreadable(name: str, error: BaseException) -> ModelUnreadable:
    remedy = "Check that the folder holds the files of one checkpoint; download it again."
    return ModelUnreadable(f"{name} cannot be read: {first_line(error)}", remedy=remedy)


def first_line(error: BaseException, folder: Path | None = None) -> str:
    """Kind of an error and the beginning of its message, for a sentence of ours.

    `folder` is one whose path it may contain, with spaces in it too.
    """
    message = str(error)
    if folder is not None:
        message = message.replace(f"{folder}/", "").replace(str(folder), folder.name)
    lines = without_folders(message).strip().splitlines()
    kind = "panic" if is_panic(error) else type(error).__name__
    return f"{kind}: {lines[0][:300]}" if lines else kind


def without_folders(message: str) -> str:
    """A library's message, with file names without their folders."""
    return ABSOLUTE.sub("", message)


def _files(folder: Path) -> Iterator[Path]:
    """Files and links below a folder; linked folders are not entered."""
    folders, count = [folder], 0
    while folders:
        for file in _listed(folders.pop()):
            count += 1
            if count > MOST_FILES:
                raise ModelUnreadable(
                    f"{folder.name} has more than {MOST_FILES} files.",
                    remedy="Leave only the files of one model in its folder.",
                )
            if file.is_dir() and not file.is_symlink():
                folders += [file] if file.name not in SKIPPED else []
            else:
                yield file


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise ModelUnreadable(
            f"{folder.name} cannot be listed: {error.strerror}.", remedy="Copy it again."
        ) from None


def index_files(index: Path) -> set[str]:
    """File names in a weight index; what is no such index names none."""
    if not index.is_file():
        return set()
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    named = found.get("weight_map") if isinstance(found, dict) else None
    listed = named.values() if isinstance(named, dict) else ()
    return {name for name in listed if isinstance(name, str)}


def _outside(folder: Path, name: str) -> ModelUnreadable:
    return ModelUnreadable(
        f"{without_folders(name)} of {folder.name} is a link to a file outside of the folder.",
        remedy="Copy the file into the folder; or link the whole folder.",
    )
