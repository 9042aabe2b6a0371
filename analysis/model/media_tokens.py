"""Tokens that stand for pictures, videos and sounds, and are no text."""

import re
from typing import Any

NAMED = re.compile(r"(image|video|audio|vision(_start|_end)?|[be]o[aiv])_token_(id|index)")


def media_tokens(config: Any) -> frozenset[int]:
    """Ids of a multimodal model's configuration; none of a model of text alone.

    Between a text's tokens they would ask for a picture, a video or a sound that is not there.
    """
    return frozenset(
        value
        for name, value in vars(config).items()
        if NAMED.fullmatch(name) and isinstance(value, int) and value >= 0
    )
