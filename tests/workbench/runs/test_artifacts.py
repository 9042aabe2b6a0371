"""Arrays and pictures inside and outside events."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.files.storage import default_storage

from analysis.events import Array, Event, array_bytes
from analysis.images.event import Picture, png_bytes
from workbench.errors import EventTooLarge
from workbench.runs.artifacts import event_dump

pytestmark = pytest.mark.django_db


class ArraysEvent(Event):
    kind: str = "maps"
    first: Array
    second: Array
    note: str = ""


def dump(**fields: Any) -> tuple[dict[str, Any], dict[str, int]]:
    payload, saved = event_dump(ArraysEvent(**fields))
    assert len(payload) <= settings.MAX_EVENT_BYTES
    return json.loads(payload), saved


def test_small_arrays_travel_inside() -> None:
    first = np.arange(6, dtype=np.float32).reshape(2, 3)
    event, saved = dump(first=first, second=np.zeros(0, np.int32))
    assert saved == {}
    assert base64.b64decode(event["first"]["data"]) == array_bytes(first)
    assert event["second"] == {**event["second"], "shape": [0], "data": ""}


def test_large_arrays_are_kept_apart() -> None:
    large = np.random.default_rng(0).random((100, 100))
    event, saved = dump(first=large, second=np.zeros(3, np.uint8))
    sha = event["first"]["sha256"]
    assert event["first"]["data"] is None
    assert saved == {sha: 80_000}
    with default_storage.open(f"{sha[:2]}/{sha}") as file:
        assert file.read() == array_bytes(large)


@pytest.mark.parametrize("side", [1, 63, 95, 96, 97])
def test_the_room_inside_is_shared_by_all_arrays_of_an_event(side: int) -> None:
    array = np.zeros((side, side), np.float32)
    event, saved = dump(first=array, second=array + 1)
    inside = [len(event[name]["data"] or "") for name in ("first", "second")]
    assert sum(inside) <= settings.MAX_INLINE_BYTES
    assert (len(saved) + sum(size > 0 for size in inside)) == 2


def test_an_event_too_large_without_its_arrays_is_refused() -> None:
    tiny = np.zeros(1, np.uint8)
    with pytest.raises(EventTooLarge, match="65536"):
        dump(first=tiny, second=tiny, note="x" * 70_000)


class PicturesEvent(Event):
    kind: str = "shown"
    first: Picture
    second: Picture


@pytest.mark.parametrize("side", [8, 80, 120])
def test_pictures_share_the_room_inside_and_are_kept_apart_beyond_it(side: int) -> None:
    noise = np.random.default_rng(side).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    payload, saved = event_dump(PicturesEvent(first=noise[0], second=noise[1]))
    assert len(payload) <= settings.MAX_EVENT_BYTES
    event = json.loads(payload)
    for name, pixels in zip(("first", "second"), noise, strict=True):
        ref, content = event[name], png_bytes(pixels)
        if ref["data"] is None:
            assert saved[ref["sha256"]] == len(content)
            with default_storage.open(f"{ref['sha256'][:2]}/{ref['sha256']}") as file:
                assert file.read() == content
        else:
            assert base64.b64decode(ref["data"]) == content
    assert len(saved) == {8: 0, 80: 1, 120: 2}[side]
