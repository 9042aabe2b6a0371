"""Pictures in events: PNG files, inline or by hash; never SVG, which can contain scripts.

The context `{"picture_store": callable}` of a dump converts a picture to a `PictureRef`, as
`{"store": callable}` does for arrays.

Shape legend: H, W rows and columns of pixels.
"""

import base64
import hashlib
import io
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializationInfo,
    WithJsonSchema,
)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class PictureRef(BaseModel):
    """A serialized picture: a PNG file, inline (`data`) or to be fetched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int
    height: int
    sha256: str = Field(description="Content hash of the file; the address of the artifact.")
    data: str | None = Field(
        default=None, description="The file in base64; null: fetch the artifact by its hash."
    )


PictureStore = Callable[[np.ndarray], PictureRef]


def png_bytes(picture: np.ndarray) -> bytes:
    """The PNG file of [H, W, 3] uint8 pixels, without metadata; equal pixels give equal bytes."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return file.getvalue()


def picture_ref(picture: np.ndarray, content: bytes) -> PictureRef:
    """The reference of a picture whose file, `content`, is stored elsewhere under its hash."""
    height, width = picture.shape[:2]
    return PictureRef(width=width, height=height, sha256=hashlib.sha256(content).hexdigest())


def inline_picture(picture: np.ndarray) -> PictureRef:
    """The picture with its file in the reference itself."""
    content = png_bytes(picture)
    data = base64.b64encode(content).decode()
    return picture_ref(picture, content).model_copy(update={"data": data})


def _pixels(value: Any) -> np.ndarray:
    picture = np.asarray(value)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(
            f"picture of dtype {picture.dtype} and shape {picture.shape}; needed: uint8, H × W × 3"
        )
    return picture


def _dump_picture(picture: np.ndarray, info: SerializationInfo) -> dict[str, Any]:
    store: PictureStore = (info.context or {}).get("picture_store", inline_picture)
    return store(picture).model_dump(mode="json")


Picture = Annotated[
    np.ndarray,
    PlainValidator(_pixels),
    PlainSerializer(_dump_picture, when_used="always"),
    WithJsonSchema(PictureRef.model_json_schema()),
]
