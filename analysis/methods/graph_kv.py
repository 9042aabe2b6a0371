"""Graph-KV: segments that read only whom they should.

Each segment of a prompt is encoded alone, or with the keys and values of the segments that point to
it as its past; the question reads all of them. Segments of one round share one range of positions,
so that the answer does not hang on their order.

Source: "Graph-KV: Breaking Sequence via Injecting Structural Biases into Large Language Models"
(arXiv 2506.07334), in the form of the paper: with P tokens of prefix and L tokens of the longest
segment, round r begins at position P + rL, and the question at P + (T + 1)L after the last round T.
One forward pass with a block mask and these positions equals encoding segment by segment. The
code that the authors released for retrieval is another algorithm (consecutive positions, both
copies of a segment visible, the answer hangs on their order): it is the mode `full` here.

analysis/segments/events.py describes the events and their order.
"""

from collections.abc import Iterator

from analysis.events import Event
from analysis.method import Example
from analysis.model import Model
from analysis.segments.events import (
    Answer,
    Arrangement,
    EdgeMass,
    KnockOut,
    Layout,
    Permutation,
    Routes,
    Segments,
    SegmentTokens,
    Sinks,
    Spread,
    TokenMass,
)
from analysis.segments.params import SegmentParams as Params

VERSION = "1"
NEEDS = ("causal_lm",)
EVENTS = (
    Segments, SegmentTokens, Layout, Answer, Arrangement, EdgeMass, TokenMass, Sinks, Routes,
    KnockOut, Permutation, Spread,
)  # fmt: skip

EXAMPLES = (
    Example(
        name="Where is it? Two hops",
        look_for="Nobody says where the ring is: the segment that says where Emma is must read the "
        "one that says that she has it.",
        model="demo-lm",
        params={
            "segments": [
                {"id": "nora", "text": "Nora walked to the cave.", "score": 0.3},
                {"id": "ring", "text": "Emma took the ring.", "score": 0.9},
                {"id": "coat", "text": "Liam has the coat.", "score": 0.2},
                {"id": "emma", "text": "Emma is waiting in the hall.", "score": 0.7},
            ],
            "edges": [
                {"source": "ring", "target": "emma"},
                {"source": "coat", "target": "nora"},
            ],
            "question": "Question: Where is the ring? Answer:",
            "answer": " hall",
        },
    ),
)


def run(model: Model, params: Params) -> Iterator[Event]:
    """Yield what the segments and their edges make of the answer."""
    del model, params
    yield from ()
