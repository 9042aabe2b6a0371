import base64
import hashlib
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from analysis.events import (
    Array,
    ArrayRef,
    Event,
    Progress,
    SelfCheck,
    array_bytes,
    array_from_ref,
    content_ref,
    inline_ref,
)


class Map(Event):
    kind: str = "map"
    values: Array
    level: float = 0.0


ARRAYS = [
    np.array([[1.5, -2.25], [0.0, 1e-30]], dtype=np.float32),
    np.array([np.pi, np.finfo(np.float64).max]),
    np.array([[[-(2**31), 2**31 - 1]]], dtype=np.int32),
    np.arange(256, dtype=np.uint8).reshape(16, 16),
    np.array(2.5),
    np.zeros((0, 3), dtype=np.float32),
    np.arange(12, dtype=np.float32).reshape(3, 4).T[::2],
    np.array([1.5, 2.5], dtype=">f4"),
]


def no_fetch(sha256: str) -> bytes:
    raise AssertionError(f"{sha256} was fetched")


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.str}{list(a.shape)}")
def test_an_array_travels_inline_and_back(array: np.ndarray) -> None:
    dumped = Map(values=array).model_dump(mode="json")["values"]
    back = array_from_ref(ArrayRef(**dumped), no_fetch)
    np.testing.assert_array_equal(back, array, strict=False)
    assert back.dtype == array.dtype.newbyteorder("<")
    assert back.shape == array.shape


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.str}{list(a.shape)}")
def test_an_array_is_stored_by_its_content_and_found_again(array: np.ndarray) -> None:
    stored: dict[str, bytes] = {}

    def store(given: np.ndarray) -> ArrayRef:
        ref = content_ref(given)
        stored[ref.sha256] = array_bytes(given)
        return ref

    dumped = Map(values=array).model_dump(mode="json", context={"store": store})["values"]
    assert dumped["data"] is None
    ((sha256, content),) = stored.items()
    assert sha256 == hashlib.sha256(content).hexdigest()
    np.testing.assert_array_equal(
        array_from_ref(ArrayRef(**dumped), stored.__getitem__), array, strict=False
    )


def test_bytes_are_little_endian_and_row_major() -> None:
    array = np.array([[1, 2], [3, 4]], dtype=">i4").T
    assert array_bytes(array) == bytes([1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0])
    assert inline_ref(array).data == base64.b64encode(array_bytes(array)).decode()
    assert content_ref(array).shape == [2, 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValidationError, match=r"shape \(2,\) holds a number that is not finite"):
        Map(values=np.array([0.0, bad]))
    with pytest.raises(ValidationError, match="finite number"):
        Map(values=np.zeros(1), level=bad)
    with pytest.raises(ValidationError, match="finite number"):
        SelfCheck(
            passed=True, max_abs_difference=bad, max_abs_difference_fast=0, tolerance=0, tokens=1
        )


@pytest.mark.parametrize(
    "values", [np.zeros(1, np.float16), np.zeros(1, np.int64), np.zeros(1, bool), ["a"], [{}], None]
)
def test_a_dtype_that_no_view_reads_is_refused(values: Any) -> None:
    with pytest.raises(ValidationError, match="allowed are float32, float64, int32, uint8"):
        Map(values=values)


@pytest.mark.parametrize("dtype", ["float16", "int64", "object", ">f4"])
def test_a_reference_of_another_dtype_is_refused(dtype: Any) -> None:
    with pytest.raises(ValidationError):
        ArrayRef(dtype=dtype, shape=[1], sha256="0" * 64)


def test_an_event_cannot_be_changed() -> None:
    event = Progress(stage="probing", done=1, total=2, unit="probes")
    with pytest.raises(ValidationError, match="frozen"):
        event.done = 2  # type: ignore[misc]


def test_an_event_holds_nothing_undeclared() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Progress(stage="probing", done=1, total=2, unit="probes", eta=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(("done", "total"), [(-1, 2), (1, -2)])
def test_progress_never_counts_below_nothing(done: int, total: int) -> None:
    with pytest.raises(ValidationError):
        Progress(stage="probing", done=done, total=total, unit="probes")


def test_the_schema_of_an_array_is_that_of_its_reference() -> None:
    schema = TypeAdapter(Map).json_schema(mode="serialization")
    assert schema["properties"]["values"] == ArrayRef.model_json_schema()
