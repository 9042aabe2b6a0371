"""A step on a canvas as an event, with the tokens' texts."""

import numpy as np
from transformers import PreTrainedTokenizerBase

from analysis.decoding.canvas import RowStep
from analysis.decoding.events import CanvasCandidate, CanvasStep
from analysis.decoding.meter import TraceMeter
from analysis.text.tokenization import token_name

LEAST_DOUBT = -1e6  # replaces −∞, which JSON cannot represent: a token without alternatives


def canvas_event(
    tokenizer: PreTrainedTokenizerBase,
    trace: int,
    step: RowStep,
    meter: TraceMeter,
    *,
    cached: bool = False,
) -> CanvasStep:
    seen, choice = step.looked, step.choice

    def text_of(token: int) -> str:
        return token_name(tokenizer, token)

    alternatives = [
        [
            CanvasCandidate(id=token, text=text_of(token), probability=probability)
            for token, probability in zip(ids, probabilities, strict=True)
        ]
        for ids, probabilities in zip(
            seen.top_ids_MK.tolist(), seen.top_probabilities_MK.tolist(), strict=True
        )
    ]
    return CanvasStep(
        trace=trace,
        index=step.index,
        block=step.block,
        positions=seen.positions_M.tolist(),
        ids=seen.ids_M.tolist(),
        texts=[text_of(token) for token in seen.ids_M.tolist()],
        confidences=seen.confidence_M.tolist(),
        doubts=np.maximum(seen.doubt_M, LEAST_DOUBT).tolist(),
        entropies=seen.entropy_M.tolist(),
        gaps=seen.gap_M.tolist(),
        alternatives=alternatives,
        anchors=choice.anchors,
        neighbourhood=choice.neighbourhood,
        commits=[c.model_copy(update={"text": text_of(c.id)}) for c in step.commits],
        near_misses=choice.near_misses,
        cached=cached,
        model_seconds=step.model_seconds,
        selection_seconds=step.selection_seconds,
        seconds=meter.seconds,
    )
