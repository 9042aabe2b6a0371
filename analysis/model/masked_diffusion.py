"""One face for every model that masked diffusion can decode: row i scores token i.

Masked language models of transformers (BERT, RoBERTa, ModernBERT and the like), LLaDA
(arXiv 2502.09992) and Dream (arXiv 2508.15487), whose logits stand one position to the left.

Shapes: B rows, T tokens of the canvas, P positions asked for, D width, V vocabulary.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from analysis.errors import ModelIncompatible
from analysis.model.classes import Model


@dataclass(frozen=True)
class MaskedDiffusion:
    """A model as decoding by masked diffusion sees it.

    `mask_id` stands where a token is still to be found; `eos_id` ends a text (None: no such
    token); `context` is the longest canvas in tokens (0: no limit of its own).
    """

    model: Model
    mask_id: int
    eos_id: int | None
    context: int
    trained: bool  # for diffusion, and not only to fill in single masks
    shift: int = 0  # row i is scored by the model's row i − shift

    def logits(self, tokens_BT: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Logits of the tokens at `positions`, [B, P, V], raw and in the model's dtype.

        `positions` is [P], the same for all rows, or [B, P]. The product with the vocabulary
        is computed for these positions only where the architecture has it in a module of its
        own. Raises OutOfMemory.
        """
        rows_BP = self._rows(tokens_BT, positions)
        with _only_rows(self.model.plain, rows_BP) as selected:
            out = self.model.forward(input_ids=tokens_BT.to(self.model.device))
        logits: torch.Tensor = out.logits if selected else _gather(out.logits, rows_BP)
        return logits

    def align(self, logits_BTV: torch.Tensor) -> torch.Tensor:
        """A full forward pass's logits with row i for token i; the first row scores itself."""
        if not self.shift:
            return logits_BTV
        first = logits_BTV[:, : self.shift]
        return torch.cat([first, logits_BTV[:, : -self.shift]], 1)

    def _rows(self, tokens_BT: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """The model's rows that score the positions, [B, P]."""
        rows = (positions.to(self.model.device) - self.shift).clamp(min=0)
        return rows.expand(len(tokens_BT), -1) if rows.ndim == 1 else rows


def adapter_for(model: Model) -> MaskedDiffusion:
    """The model as masked diffusion sees it. Raises ModelIncompatible."""
    mask_id = _first_id(_config_id(model, "mask_token_id"), model.tokenizer.mask_token_id)
    if "masked_diffusion_lm" not in model.info.capabilities or mask_id is None:
        raise ModelIncompatible(
            f"{model.info.id}, a {model.info.architecture}, names no mask token to fill in.",
            remedy="Choose a masked language model, or a model made for masked diffusion.",
            field="model",
        )
    tokenizer = model.tokenizer
    return MaskedDiffusion(
        model,
        mask_id,
        _first_id(
            tokenizer.eos_token_id, _config_id(model, "eos_token_id"), tokenizer.sep_token_id
        ),
        model.info.context,
        trained="masked_lm" not in model.info.capabilities
        or getattr(model.plain.config, "masked_diffusion", False) is True,
        shift=int(model.info.architecture == "DreamModel"),
    )


def _config_id(model: Model, name: str) -> Any:
    return getattr(model.plain.config, name, None)


def _first_id(*ids: Any) -> int | None:
    return next((found for found in ids if isinstance(found, int)), None)


@contextmanager
def _only_rows(plain: nn.Module, rows_BP: torch.Tensor) -> Iterator[list[bool]]:
    """Context in which the vocabulary's projection sees the chosen rows alone.

    Yields a list that is no longer empty once that has happened: a model with tied weights may
    multiply by its embeddings without calling a module.
    """
    done: list[bool] = []
    head = plain.get_output_embeddings()  # type: ignore[operator]
    if not isinstance(head, nn.Linear):
        yield done
        return

    def select(module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        del module
        done.append(True)
        return (_gather(args[0], rows_BP), *args[1:])

    handle = head.register_forward_pre_hook(select)
    try:
        yield done
    finally:
        handle.remove()


def _gather(states_BTD: torch.Tensor, rows_BP: torch.Tensor) -> torch.Tensor:
    """The chosen rows of each batch entry, [B, P, D]."""
    return states_BTD.gather(1, rows_BP[..., None].expand(-1, -1, states_BTD.shape[-1]))
