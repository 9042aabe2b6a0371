"""Arrays of a run as NumPy's .npz: each under its hash, without pickles.

Type and shape come from the event that refers to the array; the file must be byte by byte what
these and the numbers give.
"""

import io
import math
from typing import Any

import numpy as np

from workbench.reports.archive import archive_read, archive_write
from workbench.reports.document import RunRecord
from workbench.reports.errors import BundleRefused

FORMAT = (1, 0)


def arrays_write(run: RunRecord) -> bytes:
    """All arrays of the run's events, including those inside events."""
    files = {
        f"{sha256}.npy": npy_bytes(ref, run.content(ref)) for sha256, ref in run.arrays.items()
    }
    return archive_write(files, packed=False)  # it is packed with the bundle


def arrays_read(content: bytes, refs: dict[str, dict[str, Any]]) -> dict[str, bytes]:
    """The bytes of each array by hash, for exactly the arrays that events refer to.

    The caller checks the hashes. Raises BundleRefused, BundleUnreadable.
    """
    files = archive_read(content)
    if files.keys() != {f"{sha256}.npy" for sha256 in refs}:
        raise _refuse("arrays.npz holds others than the events refer to")
    return {sha256: npy_content(ref, files[f"{sha256}.npy"]) for sha256, ref in refs.items()}


def npy_bytes(ref: dict[str, Any], content: bytes) -> bytes:
    """The .npy file of an array given by its reference and its bytes."""
    target = io.BytesIO()
    array = np.frombuffer(content, _dtype(ref)).reshape(ref["shape"])
    np.lib.format.write_array(target, array, FORMAT, allow_pickle=False)
    return target.getvalue()


def npy_content(ref: dict[str, Any], file: bytes) -> bytes:
    """The bytes of an array from its .npy file. Raises BundleRefused."""
    size = math.prod(ref["shape"]) * _dtype(ref).itemsize
    content = file[len(file) - size :] if 0 < size <= len(file) else b""
    if len(content) != size or npy_bytes(ref, content) != file:
        raise _refuse(f"array {ref['sha256'][:12]} is not of the type and shape of its event")
    return content


def _dtype(ref: dict[str, Any]) -> "np.dtype[Any]":
    dtype: np.dtype[Any] = np.dtype(ref["dtype"]).newbyteorder("<")
    return dtype


def _refuse(why: str) -> BundleRefused:
    return BundleRefused(f"The bundle is refused: {why}.", remedy="Export it again.")
