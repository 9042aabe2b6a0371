"""Pictures in events: PNG files that hold exactly the pixels, and nothing else."""

import base64
import hashlib
import io
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from analysis.events import Event
from analysis.images.event import PNG_SIGNATURE, Picture, PictureRef, picture_ref, png_bytes

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


class Shown(Event):
    kind: Literal["shown"] = "shown"
    picture: Picture


def test_an_inline_picture_is_a_png_of_its_pixels() -> None:
    ref = PictureRef(**Shown(picture=PIXELS).model_dump(mode="json")["picture"])
    assert (ref.width, ref.height) == (7, 5)
    assert ref.data is not None
    content = base64.b64decode(ref.data)
    assert content.startswith(PNG_SIGNATURE)
    assert hashlib.sha256(content).hexdigest() == ref.sha256
    read = Image.open(io.BytesIO(content))
    assert read.info == {}  # no metadata
    np.testing.assert_array_equal(np.asarray(read), PIXELS)


def test_a_store_gets_the_pixels_and_gives_the_reference() -> None:
    stored: list[np.ndarray] = []

    def store(picture: np.ndarray) -> PictureRef:
        stored.append(picture)
        return picture_ref(picture, png_bytes(picture))

    event = Shown(picture=PIXELS).model_dump(mode="json", context={"picture_store": store})
    assert event["picture"]["data"] is None
    assert stored[0] is PIXELS


@pytest.mark.parametrize(
    "wrong",
    [
        PIXELS.astype(np.float32),
        PIXELS[..., 0],
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 1), np.uint8),
    ],
)
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValidationError, match="H × W × 3"):
        Shown(picture=wrong)
