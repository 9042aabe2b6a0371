"""The tokens of an item in its prompt and in isolation, and what the tokenizers alone refuse."""

from collections.abc import Sequence
from typing import Any

import torch

from analysis.errors import InvalidParams
from analysis.methods.information_flow.images import conditioning
from analysis.methods.information_flow.images.conditioning import (
    FAMILIES,
    Conditioning,
    PipelineAdapter,
    TokenSpan,
)
from analysis.methods.information_flow.images.events import PictureParams
from analysis.methods.information_flow.images.items import PromptItem, read_items, read_text
from analysis.text.tokenization import refuse_special

Tokens = Sequence[Sequence[TokenSpan]]  # per tokenizer


def refuse_prompt(pipeline: Any, params: PictureParams) -> None:
    """Raise what a run raises for the prompt and its items; `pipeline` needs tokenizers alone."""
    text = read_text(params.prompt)
    refuse_special_tokens(pipeline, text)
    items = read_items(text, params.items, params.item)
    family = FAMILIES.get(type(pipeline).__name__)
    if family is None:  # refused when it is opened
        return
    spans = family.spans(pipeline)
    conditioning.refuse_long(family, spans, text)
    if params.leak:
        unread = Conditioning(torch.zeros(1, 0, 0))
        adapter = PipelineAdapter(pipeline, family, spans, unread, guidance=0.0)
        item = items[(params.item or len(items)) - 1]
        places_of(adapter, conditioning.tokens(adapter, text), item)


def refuse_special_tokens(pipeline: Any, text: str) -> None:
    """Raise SpecialTokenInText for a special token of any tokenizer that reads the prompt."""
    family = FAMILIES.get(type(pipeline).__name__)
    for span in family.spans(pipeline) if family else ():
        refuse_special(span.tokenizer, text, ways="")


def places_of(adapter: PipelineAdapter, tokens: Tokens, item: PromptItem) -> dict[int, int]:
    """The position in isolation of each of an item's positions in the prompt.

    Raises InvalidParams if its tokens are others in isolation.
    """
    places: dict[int, int] = {}
    for inside, outside in zip(tokens, conditioning.tokens(adapter, item.phrase), strict=True):
        own = [token for token in inside if token.start < item.end and token.end > item.start]
        if [token.id for token in own] != [token.id for token in outside]:
            raise InvalidParams(
                f"{item.phrase!a} has different tokens in isolation than in the prompt.",
                remedy="Choose an item that begins and ends at word boundaries, or set leak to "
                "false.",
                field="items",
            )
        places |= {a.position: b.position for a, b in zip(own, outside, strict=True)}
    return places
