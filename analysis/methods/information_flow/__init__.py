"""Information flow: what one token passes to another.

Of a language model, edges of attention are cut, from a token that is read (B) to one that reads
(A), and what hangs on them is seen in the log-probability of a target token and in A's own final
state. Causal tracing hides the subject behind noise and restores one state at a time. Routes add
up what each part contributes in one forward pass, nothing cut: contribution is not causation, and
their rank agreement says how far apart the two are.

Of a text-to-image model, positions of the text encoder's output are kept alone, with all others
set to those of the empty prompt: the picture shows what a token carries, whether an item's tokens
carry another item along (a leak), and whether encoding the item by itself cures that.

Sources: attention knockout, "Dissecting Recall of Factual Associations in Auto-Regressive
Language Models" (arXiv 2304.14767); causal tracing, "Locating and Editing Factual Associations in
GPT" (arXiv 2202.05262); "Information Flow Routes" (arXiv 2403.00824); "Follow the Flow: On
Information Flow Across Textual Tokens in Text-to-Image Models" (arXiv 2504.01137).

Events of a language model, in this order, each analysis only if asked for: `tokens` and `output`
as of any method on text; `groups`: what reads and is read; `edit`: the output with the chosen
edges cut; `routes`; `flow_row`: the matrix row by row, the target's own row first, then `flow`
with its strongest cuts and the control; `knockout`, one event per curve; `agreement` of routes
and cuts; `corrupted`, then `trace` for residual stream, attention and MLP, each as it grows;
`cost`. Log-probabilities are natural; cut effects are Δ = cut − uncut, so that a cut that hurts
the target is negative.

Shape legend: N positions, G groups of neighbouring positions, L layers, E edges, B rows of a
batch, D width.
"""

from collections.abc import Iterator

from analysis.events import Event
from analysis.method import Example
from analysis.methods.information_flow.images import events
from analysis.methods.information_flow.images import run as picture_flow
from analysis.methods.information_flow.images.events import PictureParams
from analysis.methods.information_flow.text import events as flow_events
from analysis.methods.information_flow.text import run as flow
from analysis.methods.information_flow.text.params import FlowParams
from analysis.model import ImagePipeline, Model
from analysis.text.context import Output, Tokens
from analysis.text.cost import Cost

VERSION = "3"
NEEDS = ("causal_lm", "text_to_image")
EVENTS = (Tokens, Output, *flow_events.EVENTS, Cost, *events.EVENTS)


class Params(FlowParams, PictureParams):
    """Those of both parts; `capability` in the schema says which part a field is for."""


PASSED_ON = (
    "It was raining outside. Ida took the blanket. The key was taken by Lena. The drum is held by "
    "Oscar. Lena gave the key to Peter. Question: Who has the key now? Answer:"
)
TWO_HOPS = (
    "David is waiting in the yard. Olive is waiting in the bedroom. Now David is in the church. "
    "Oscar ran to the forest. Then Olive gave the lamp to Oscar. Question: Where is the lamp? "
    "Answer:"
)
LEAKING = "a red square and a shiny ball"
EXAMPLES = [
    Example(
        name="Passed on: who is read, and where",
        look_for="Peter is read in layer 1 and key in layer 0, each in one layer alone; Lena, who "
        "had the key first, and Oscar are not read at all.",
        model="demo-lm",
        params={
            "prompt": PASSED_ON,
            "max_new_tokens": 2,
            "sources": "Peter; key; Lena; Oscar",
            "tracing": False,
        },
    ),
    Example(
        name="Two hops, two chains",
        look_for="The answer reads forest, which read Oscar, and it reads Oscar, which read lamp: "
        "both hops stand out of a matrix that is else near zero.",
        model="demo-lm",
        params={"prompt": TWO_HOPS, "max_new_tokens": 2},
    ),
    Example(
        name="Where the name lives",
        look_for="Peter behind noise: its own state brings the answer back in layer 0, from layer "
        "1 on only the last position does. Attention moves it there, no MLP matters.",
        model="demo-lm",
        params={
            "prompt": PASSED_ON,
            "max_new_tokens": 2,
            "subject": "Peter",
            "matrix": False,
            "knockout": False,
        },
    ),
    Example(
        name="One edge cut",
        look_for="Where Peter no longer reads key, the model answers Lena, who had it first; as "
        "many random edges change nothing.",
        model="demo-lm",
        params={
            "prompt": PASSED_ON,
            "max_new_tokens": 2,
            "edges": [{"queries": [30], "keys": [28], "layers": None, "heads": None}],
            "tracing": False,
        },
    ),
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


def run(model: Model, params: Params) -> Iterator[Event]:
    """Yield the events of the part that the model is for."""
    if isinstance(model, ImagePipeline):
        return picture_flow.run(model, params)
    return flow.run(model, params)
