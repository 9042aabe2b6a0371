"""Information flow: cut attention between tokens and measure the effect on the output.

In a language model, attention edges from a source token B to a reading token A are cut. The effect
is measured on the log-probability of a target token and on A's final state. Causal tracing corrupts
the subject with noise and restores one state at a time. Information flow routes sum the
contributions of all parts in one forward pass without any cut. Contribution is not causation: the
rank agreement of the two is reported.

In a text-to-image model, only some positions of the text encoder's output are kept and all others
are set to those of the empty prompt. The picture shows what a token encodes, whether an item's
tokens also encode another item (attribute leakage), and whether encoding the item in isolation
removes the leakage.

Sources: attention knockout, "Dissecting Recall of Factual Associations in Auto-Regressive
Language Models" (arXiv 2304.14767); causal tracing, "Locating and Editing Factual Associations in
GPT" (arXiv 2202.05262); "Information Flow Routes" (arXiv 2403.00824); attribution patching, "AtP*"
(arXiv 2403.00745) and "Attribution Patching Outperforms Automated Circuit Discovery" (arXiv
2310.10348); "Follow the Flow: On Information Flow Across Textual Tokens in Text-to-Image Models"
(arXiv 2504.01137).

Events of a language model, in this order, each analysis only if requested: `tokens` and `output` as
in every method on text; `groups`: the groups of positions; `edit`: the output with the chosen edges
cut; `routes`; `flow_row`: the matrix row by row, the target's row first (of a long text as
estimated by attribution patching, then again with the strongest edges cut), then `flow` with the
largest effects, the control, and how estimates and cuts agree; `knockout`, one event per curve;
`agreement` of routes and cuts; `corrupted`, then `trace` for residual stream, attention and MLP,
repeated as each grows; `cost`.
Log-probabilities use the natural logarithm. Cut effects are Δ = cut − uncut, so that a cut that
lowers the target's probability is negative.

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
from analysis.run_context import RunContext
from analysis.text.context import Output, Tokens
from analysis.text.cost import Cost

VERSION = "4"
NEEDS = ("causal_lm", "text_to_image")
EVENTS = (Tokens, Output, *flow_events.EVENTS, Cost, *events.EVENTS)


class Params(FlowParams, PictureParams):
    """Parameters of both parts; `capability` in the schema states which part a field belongs to."""


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
        name="Passed on: which tokens matter, in which layer",
        look_for="Cutting Peter has an effect only in layer 1, and cutting key only in layer 0. "
        "Cutting Lena, who had the key first, or Oscar has none.",
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
        look_for="The answer depends on forest, which depends on Oscar, and on Oscar, which "
        "depends on lamp. Both hops are visible in a matrix that is otherwise near zero.",
        model="demo-lm",
        params={"prompt": TWO_HOPS, "max_new_tokens": 2},
    ),
    Example(
        name="Where the name is stored",
        look_for="Peter is corrupted with noise. Restoring its own state recovers the answer in "
        "layer 0; from layer 1 on, only the last position does. Attention moves the information, "
        "and no MLP matters.",
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
        look_for="When attention from Peter to key is cut, the model answers Lena, who had the "
        "key first. Cutting as many random edges changes nothing.",
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
        look_for="When only the word square is kept, the picture shows a complete purple square. "
        "The item's other tokens encode nothing.",
        model="demo-t2i",
        params={"prompt": "a green triangle and a purple square", "leak": False},
    ),
    Example(
        name="Attribute leakage",
        look_for="Encoded in isolation, a ball is blue. Encoded together with the red square, the "
        "ball's tokens alone give a red ball.",
        model="demo-t2i",
        params={"prompt": LEAKING, "tokens": False},
    ),
    Example(
        name="Attribute leakage and its fix",
        look_for="When the ball is encoded in isolation and its states replace those in the "
        "prompt, the ball is blue again in the picture of the whole prompt.",
        model="demo-t2i",
        params={"prompt": LEAKING, "pictures": 8},
    ),
]


def run(model: Model, params: Params, context: RunContext) -> Iterator[Event]:
    """Yield the events of the part that fits the model."""
    if isinstance(model, ImagePipeline):
        return picture_flow.run(model, params)
    return flow.run(model, params)


def refuse_for(model: Model, params: Params) -> None:
    """Raise what the part that fits the model raises for the prompt and its params."""
    if isinstance(model, ImagePipeline):
        picture_flow.refuse_for(model, params)
    else:
        flow.refuse_for(model, params)


def refuse(params: Params) -> None:
    """Raise TargetOutOfRange or InvalidParams for what params alone tell."""
    flow.refuse(params)
