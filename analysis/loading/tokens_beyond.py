"""Tokens that a tokenizer has and its model does not: refused where a text uses one."""

from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from analysis.errors import InvalidParams, shortened


def refuse_tokens_beyond(plain: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Let the input embeddings raise InvalidParams for an id that they have no row for.

    Without that a CPU raises an IndexError, and a GPU ends the process.
    """
    embeddings: Any = plain.get_input_embeddings()
    rows = int(embeddings.weight.shape[0])
    if len(tokenizer) <= rows:
        return

    def check(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        del module
        largest = int(args[0].max()) if args and args[0].numel() else 0
        if largest >= rows:
            text = shortened(tokenizer.convert_ids_to_tokens(largest))
            raise InvalidParams(
                f"The model has no token {text} (#{largest}): its tokens are 0 to {rows - 1}.",
                remedy="Leave it out of the text; or add it to the model with "
                "resize_token_embeddings and save that.",
            )

    embeddings.register_forward_pre_hook(check)
