"""What methods do with a causal language model, tried on a few tokens when it is loaded.

An attempt returns "" or, as a sentence, why it failed; it yields between forward passes. Each
compares two ways to the same numbers or asserts what must hold for every architecture.
"""

import inspect
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import torch

from analysis.attention import decoder_masks
from analysis.attention.decoder_masks import of_cuts, size_of
from analysis.attention.edges import BLOCKED, Cut
from analysis.catalog.folder import first_line
from analysis.errors import GlassbenchError
from analysis.model import Model

HIDDEN = 2  # the position that later tokens may not read
Steps = Generator[None, None, str]
Attempt = Callable[[Model, torch.Tensor, float], Steps]


def attempts(
    model: Model, ids_1N: torch.Tensor, tolerance: float
) -> Generator[None, None, dict[str, str]]:
    """By name; `tolerance` is the largest |Δ logit| that is rounding."""
    found: dict[str, str] = {}
    for name, attempt in ATTEMPTS.items():
        yield
        found[name] = yield from _tried(attempt, model, ids_1N, tolerance)
    return found


def _tried(attempt: Attempt, model: Model, ids_1N: torch.Tensor, tolerance: float) -> Steps:
    if ids_1N.shape[1] <= HIDDEN + 1:
        return ""  # a text too short to try anything
    try:
        return (yield from attempt(model, ids_1N, tolerance))
    except GlassbenchError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (any failure of an attempt is its result)
        return first_line(error)


def _masks(model: Model, ids_1N: torch.Tensor, tolerance: float) -> Steps:
    """Tokens that may not read a token do not depend on it, by either route."""
    other_1N = ids_1N.clone()
    other_1N[0, HIDDEN] = next((i for i in ids_1N[0] if i != ids_1N[0, HIDDEN]), HIDDEN)
    later_T = torch.arange(HIDDEN + 1, ids_1N.shape[1])
    masks = of_cuts([_cut(ids_1N)], size_of(model, ids_1N))
    fast = decoder_masks.logits(model, ids_1N, masks, keep_T=later_T)
    yield
    slow = decoder_masks.eager(model, ids_1N, masks, keep_T=later_T)
    yield
    changed = decoder_masks.logits(model, other_1N, masks, keep_T=later_T)
    why = _unequal(fast, changed, tolerance, "Logits with one hidden token and with another")
    return why or _unequal(fast, slow, tolerance, "Masked logits of SDPA and of eager attention")


def _weights(model: Model, ids_1N: torch.Tensor, tolerance: float) -> Steps:
    """A hidden token has weight 0 in every head, and rows sum to 1 at the most."""
    masks = of_cuts([_cut(ids_1N)], size_of(model, ids_1N))
    found: list[torch.Tensor] = []
    decoder_masks.eager(
        model, ids_1N, masks, keep_T=torch.tensor([0]), receive=lambda _, one: found.append(one)
    )
    yield
    heads = {one.shape[1] for one in found}
    if len(found) != model.info.layers or heads != {model.info.heads}:
        return f"{len(found)} layers with {sorted(heads)} heads show attention weights."
    if any(bool(one[..., HIDDEN + 1 :, HIDDEN].any()) for one in found):
        return "A token that is hidden has attention."
    most = max(float(one.float().sum(-1).max()) for one in found)
    return "" if most <= 1 + tolerance else f"Attention weights sum to {most:.3g}."


def _positions(model: Model, ids_1N: torch.Tensor, tolerance: float) -> Steps:
    """A text behind another that it may not read, with positions from 0, is as if it were alone."""
    if "position_ids" not in inspect.signature(model.plain.forward).parameters:
        return f"{model.info.architecture} does not accept position ids."
    tokens = ids_1N.shape[1]
    first = tokens // 2
    apart = torch.zeros(1, 1, tokens, tokens, dtype=torch.bool)
    apart[..., :first, :first] = apart[..., first:, first:] = True
    positions_N = torch.cat([torch.arange(first), torch.arange(tokens - first)])
    masks = [apart] * model.info.layers
    keep_T = torch.arange(first, tokens)
    both = decoder_masks.logits(model, ids_1N, masks, keep_T=keep_T, positions_N=positions_N)
    yield
    alone = model.logits(ids_1N[:, first:], keep_T - first)
    return _unequal(both, alone, tolerance, "Logits of a text behind another and alone")


def _gradients(model: Model, ids_1N: torch.Tensor, tolerance: float) -> Steps:
    """Logits of embeddings are those of the ids, and their gradient is finite and not 0."""
    last_T = torch.tensor([ids_1N.shape[1] - 1])
    with torch.enable_grad():
        given = model.embeddings(ids_1N).detach().requires_grad_()
        logits = model.logits(None, last_T, embeddings_BND=given)
        [gradient] = torch.autograd.grad(logits.float().max(), given)
    if not bool(gradient.isfinite().all()) or not bool(gradient.any()):
        return "The gradient of a logit by the embeddings is 0 or not finite."
    yield
    plain = model.logits(ids_1N, last_T)
    return _unequal(logits.detach(), plain, tolerance, "Logits of embeddings and of ids")


def _hooks(model: Model, ids_1N: torch.Tensor, tolerance: float) -> Steps:
    """TransformerLens gives the same logits, also with a token hidden by its hooks."""
    keep_T, masks = torch.arange(ids_1N.shape[1]), [None] * model.info.layers
    plain = decoder_masks.eager(model, ids_1N, masks, keep_T=keep_T)
    yield
    bridge = model.bridge
    yield
    why = _unequal(bridge(ids_1N), plain, tolerance, "Logits with and without hooks")
    if why:
        return why
    yield
    cut = of_cuts([_cut(ids_1N)], size_of(model, ids_1N))
    expected = decoder_masks.eager(model, ids_1N, cut, keep_T=keep_T)
    hooks = [
        (f"blocks.{layer}.attn.hook_attn_scores", partial(_block, mask))
        for layer, mask in enumerate(cut)
        if mask is not None
    ]
    yield
    with model.hooks(hooks):
        found = bridge(ids_1N)
    return _unequal(found, expected, tolerance, "Logits with a token hidden by hooks and by a mask")


def _block(mask: torch.Tensor, scores: torch.Tensor, hook: Any) -> torch.Tensor:
    del hook
    open_BHNN = (scores > BLOCKED) & mask.to(scores.device)
    return scores.masked_fill(~open_BHNN, -torch.inf)


def _cut(ids_1N: torch.Tensor) -> Cut:
    return Cut(tuple(range(HIDDEN + 1, ids_1N.shape[1])), (HIDDEN,))


def _unequal(one: torch.Tensor, other: torch.Tensor, tolerance: float, what: str) -> str:
    difference = _largest(one.float() - other.float())
    return "" if difference <= tolerance else f"{what} differ by {difference:.0e}."


def _largest(values: torch.Tensor) -> float:
    return float(values.abs().max())


ATTEMPTS: dict[str, Attempt] = {
    "masks": _masks,
    "weights": _weights,
    "positions": _positions,
    "gradients": _gradients,
    "hooks": _hooks,
}
