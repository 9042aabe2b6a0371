"""Information flow: what each word of a prompt carries into the picture.

Each position of a text encoder's output is a vector that has read the rest of the prompt. Kept
alone, with all other positions set to those of the empty prompt, it shows in a picture what it
carries: which token of an item is its representative, and whether an item's tokens carry another
item along (a leak). The fix is to encode the item by itself and to put these states in its places.

Source: "Follow the Flow: On Information Flow Across Textual Tokens in Text-to-Image Models"
(arXiv 2504.01137). All pictures of a column share seed, steps and guidance. Pooled vectors, which
carry the whole prompt, are those of the empty prompt wherever anything is taken away.
"""

from collections.abc import Iterator

from analysis import picture_flow, picture_flow_events
from analysis.events import Event
from analysis.method import Example
from analysis.model import ImagePipeline

VERSION = "1"
NEEDS = ("text_to_image",)
EVENTS = picture_flow_events.EVENTS


class Params(picture_flow_events.PictureParams):
    pass


LEAKING = "a red square and a shiny ball"
EXAMPLES = [
    Example(
        name="Two items, one picture",
        look_for="Kept alone, the word square is enough to draw all of a purple square; the other "
        "tokens of the item carry nothing.",
        model="demo-t2i",
        params={"prompt": "a green triangle and a purple square", "leak": False},
    ),
    Example(
        name="A word that borrows",
        look_for="By itself a ball is blue; encoded beside the red square its tokens, kept alone, "
        "draw a red one.",
        model="demo-t2i",
        params={"prompt": LEAKING, "tokens": False},
    ),
    Example(
        name="The leak and its fix",
        look_for="Encoded by itself and put back in its places, the ball is blue again in the "
        "picture of the whole prompt.",
        model="demo-t2i",
        params={"prompt": LEAKING, "pictures": 8},
    ),
]


def run(model: ImagePipeline, params: Params) -> Iterator[Event]:
    return picture_flow.run(model, params)
