"""What SEG similarity costs: the answer, its states, and the masked pictures."""

from collections.abc import Iterator
from random import Random

from analysis.costs.case import CostCase
from analysis.costs.cheaper import Change
from analysis.costs.outputs import written
from analysis.workload import Stage
from analysis.worlds.scene_questions import item

IMAGE_TOKENS = 576  # of a picture, where the files do not tell
WRITTEN = 0.3  # share of the longest answer that is written, about
TEMPLATE = 8  # tokens around picture and question, about
MAP_CALLS = 60  # of the map of a token

CHEAPER = (
    Change("controls", value=1, lacks="one control of the causal check"),
    Change("causal", value=False, lacks="no causal check"),
    Change("max_new_tokens", value=24, lacks="an answer of at most 24 tokens"),
)


def stages(case: CostCase) -> Iterator[Stage]:
    """The answer token by token, one pass over it, and one for each masked picture."""
    vision = case.model.vision
    image = (vision.image_tokens if vision else None) or IMAGE_TOKENS
    text = case.count(_question(case)) + TEMPLATE
    prompt, length = image + text, int(case["max_new_tokens"])
    if "Qwen" in case.model.architecture:  # evaluated as a whole for each token
        yield Stage(
            name="answer", rows=length, least=1, tokens=prompt + length / 2, forwards=length
        )
    else:
        yield from written("answer", prompt, length)
    whole = prompt + WRITTEN * length
    maps = MAP_CALLS * case.model.layers * (text + length)
    yield Stage(name="states", rows=1, tokens=whole, kept=whole, forwards=1, calls=maps)
    if case["causal"]:
        rows = 1 + int(case["controls"])
        yield Stage(name="masked pictures", rows=rows, tokens=whole, kept=whole, forwards=rows)


def _question(case: CostCase) -> str:
    given = str(case["question"]).strip()
    if given or case["image"]:
        return given
    kind, scene = case["kind"], case["scene"]
    return item(Random(f"{kind} {scene}"), kind=kind, split="held out").question
