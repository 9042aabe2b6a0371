"""The self-check at load: the routes that methods take against plain transformers."""

from collections.abc import Callable, Generator
from contextlib import closing
from itertools import count
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from analysis.attention import decoder_masks, encoder_masks
from analysis.attention.modules import eager_attention
from analysis.catalog.folder import first_line
from analysis.errors import ModelIncompatible
from analysis.events import Event, Progress, SelfCheck
from analysis.loading.attempts import attempts
from analysis.model import masked_diffusion
from analysis.model.classes import ImagePipeline, Model, VisionLanguageModel
from analysis.model.rounding import rounding_nats
from analysis.precision import exact
from analysis.steps import follow

CHECK_TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps."
TRIED_TOKENS = 12
MANY_TOKENS = 512  # more than the text has by any tokenizer
CHECK_PICTURE_SIZE = 64
# Largest |Δ logit| that rounding explains, relative to the largest |logit|.
CHECK_TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
NOT_FINITE = "Some numbers are not finite; the differences leave them out."
# Yields between forward passes.
Checks = Generator[None, None, SelfCheck]


def self_check(model: Model) -> Generator[Event, None, SelfCheck]:
    """What methods will read, against plain eager transformers on a fixed input."""
    done = count()
    return (
        yield from follow(
            _without_gradients(_checks(model)),
            lambda _: Progress(stage="checking the hooks", done=next(done), total=0, unit="checks"),
        )
    )


def _without_gradients(checks: Checks) -> Checks:
    """The same steps; between them gradients are as the caller has set them.

    `torch.no_grad()` as a decorator does so for a bare generator function only; if a type checker
    wraps the function, its steps run with gradients.
    """
    with closing(checks):
        while True:
            with torch.no_grad():
                try:
                    next(checks)
                except StopIteration as end:
                    found: SelfCheck = end.value
                    return found
            yield


def _checks(model: Model) -> Checks:
    yield
    if isinstance(model, ImagePipeline):
        return (yield from _check_encoders(model))
    if isinstance(model, VisionLanguageModel):
        return (yield from _check_vision_language(model))
    if "causal_lm" in model.info.capabilities:
        return (yield from _check_causal(model))
    if "masked_lm" in model.info.capabilities:
        return (yield from _check_masked(model))
    return (yield from _check_diffusion(model))


def check_picture() -> Image.Image:
    """A picture in which every patch differs."""
    rows, columns = np.indices((CHECK_PICTURE_SIZE, CHECK_PICTURE_SIZE))
    channels = (rows * 4, columns * 4, rows * columns // 16)
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


def _check_causal(model: Model) -> Checks:
    """The routes of the methods, and each thing that methods do with a model (see `attempts`)."""
    ids_BN = _ids(model)
    fast, plain = yield from _routes(model.plain, lambda: model.plain(ids_BN).logits)
    yield
    masked = _masked(model, ids_BN)
    check = _verdict(
        model.plain.dtype,
        plain=plain,
        hooked=masked,
        fast=fast,
        tokens=ids_BN.shape[1],
        compared="Logits under masks that hide nothing, and by the fast route, against plain eager "
        "transformers.",
    )
    return (yield from _with_abilities(model, check))


def _with_abilities(model: Model, check: SelfCheck) -> Checks:
    found = yield from attempts(model, _ids(model)[:, :TRIED_TOKENS], check.tolerance)
    return check.model_copy(update={"abilities": found})


def _check_masked(model: Model) -> Checks:
    """With hooks where TransformerLens has them for this class: no method needs them of it."""
    ids_BN = _ids(model)
    fast, plain = yield from _routes(model.plain, lambda: model.plain(ids_BN).logits)
    yield
    hooked, failure = yield from _hooked(model, input_ids=ids_BN)
    if "masked_diffusion_lm" in model.info.capabilities:
        yield
        adapter = masked_diffusion.adapter_for(model)
        positions_P = torch.arange(ids_BN.shape[1])
        fast = torch.cat([fast, adapter.logits(ids_BN, positions_P)])
        plain = plain.expand(2, -1, -1)
        hooked = hooked if hooked is None else hooked.expand(2, -1, -1)
    check = _verdict(
        model.plain.dtype,
        plain=plain,
        hooked=fast if hooked is None else hooked,
        fast=fast,
        tokens=ids_BN.shape[1],
        compared="Logits with hooks, and by the fast routes, against plain transformers."
        if hooked is not None
        else "Logits by the fast routes (SDPA, and only the rows asked for) against plain eager "
        "transformers.",
    )
    message = failure and f"There are no hooks for a {model.info.architecture}."
    return check.model_copy(update={"message": check.message or message})


def _check_vision_language(model: VisionLanguageModel) -> Checks:
    inputs = model.inputs(check_picture(), CHECK_TEXT)
    fast, plain = yield from _routes(model.plain, lambda: model.plain(**inputs).logits)
    yield
    hooked, _ = yield from _hooked(model, **inputs)  # where there are none: see `hooks` of attempts
    check = _verdict(
        model.plain.dtype,
        plain=plain,
        hooked=hooked,
        fast=fast,
        tokens=inputs["input_ids"].shape[1],
        compared="Logits for a drawn picture and a text, with hooks and by the fast route, "
        "against plain transformers.",
    )
    return (yield from _with_abilities(model, check))


def _check_encoders(model: ImagePipeline) -> Checks:
    """Each text encoder run with cuts, of which there are none, against itself run plainly."""
    found = []
    for encoder, tokenizer in model.encoders.values():
        longest = encoder_masks.longest_input(encoder) or tokenizer.model_max_length
        ids_BN = _check_ids(tokenizer, longest).to(model.device)
        found.append((yield from _check_encoder(encoder, ids_BN)))
    return max(found, key=lambda check: (not check.passed, check.max_abs_difference))


def _check_encoder(encoder: PreTrainedModel, ids_BN: torch.Tensor) -> Checks:
    fast, plain = yield from _routes(encoder, lambda: encoder(ids_BN).last_hidden_state)
    yield
    hooked = encoder_masks.run_with_cuts(encoder, ids_BN, ()).final_BND
    yield
    return _verdict(
        encoder.dtype,
        plain=plain,
        hooked=hooked,
        fast=fast,
        tokens=ids_BN.shape[1],
        compared="States of the text encoders run with cuts, of which there are none, and by the "
        "fast route, against plain transformers.",
        logits=False,
    )


def _check_diffusion(model: Model) -> Checks:
    """The adapter's rows, each asked for alone, against one full forward pass."""
    ids_BN = _ids(model)
    adapter = masked_diffusion.adapter_for(model)
    full = adapter.align(model.plain(ids_BN).logits)
    positions = range(ids_BN.shape[1])
    single = []
    for position in positions:
        yield
        single.append(adapter.logits(ids_BN, torch.tensor([position])))
    yield
    return _verdict(
        model.plain.dtype,
        plain=full,
        hooked=torch.cat(single, 1),
        fast=adapter.logits(ids_BN, torch.arange(ids_BN.shape[1])),
        tokens=ids_BN.shape[1],
        compared="Logits of single tokens, and of all at once, as decoding reads them (row i "
        "scores token i), against one plain forward pass.",
    )


def _ids(model: Model) -> torch.Tensor:
    return _check_ids(model.tokenizer, model.info.context or MANY_TOKENS).to(model.device)


def _check_ids(tokenizer: PreTrainedTokenizerBase, longest: int) -> torch.Tensor:
    """The text that is compared, cut to what a model can read, [1, N]."""
    length = min(longest, MANY_TOKENS)
    found = tokenizer(CHECK_TEXT, return_tensors="pt", truncation=True, max_length=length)
    ids_BN: torch.Tensor = found.input_ids
    return ids_BN


def _routes(
    model: PreTrainedModel, run: Callable[[], torch.Tensor]
) -> Generator[None, None, tuple[torch.Tensor, torch.Tensor]]:
    """What `run` gives by the model's own attention (SDPA where it has it), and by eager."""
    own = model.config._attn_implementation
    fast = run()
    yield
    with eager_attention(model):
        plain = run()
    assert model.config._attn_implementation == own
    return fast, plain


def _masked(model: Model, ids_BN: torch.Tensor) -> torch.Tensor | None:
    """Logits under masks that hide nothing; None for an attention that takes no masks."""
    tokens = ids_BN.shape[1]
    masks = [torch.ones(1, 1, tokens, tokens, dtype=torch.bool)] * model.info.layers
    try:
        return decoder_masks.logits(model, ids_BN, masks, keep_T=torch.arange(tokens))
    except ModelIncompatible:
        return None


def _hooked(
    model: Model, *, input_ids: torch.Tensor, **inputs: Any
) -> Generator[None, None, tuple[Any, str]]:
    """Logits of the bridge, or None and why there are none."""
    try:
        bridge = model.bridge
        yield
        return bridge(input_ids, **inputs), ""
    except Exception as error:  # noqa: BLE001 (any failure of the bridge is the finding itself)
        return None, first_line(error)


def _verdict(
    dtype: torch.dtype,
    *,
    plain: torch.Tensor,
    hooked: torch.Tensor | None,
    fast: torch.Tensor,
    tokens: int,
    compared: str,
    logits: bool = True,
) -> SelfCheck:
    reference = exact(plain)
    tolerance = CHECK_TOLERANCE[dtype] * max(1.0, _largest(reference))
    fast_difference = _largest(exact(fast) - reference)
    difference = 0.0 if hooked is None else _largest(exact(hooked) - reference)
    finite = all(
        bool(found.isfinite().all()) for found in (plain, fast, hooked) if found is not None
    )
    routes = [fast] if hooked is None or difference > tolerance else [fast, hooked]
    return SelfCheck(
        passed=finite and max(difference, fast_difference) <= tolerance,
        max_abs_difference=difference,
        max_abs_difference_fast=fast_difference,
        tolerance=tolerance,
        tokens=tokens,
        message="" if finite else NOT_FINITE,
        compared=compared,
        rounding_nats=rounding_nats(plain, routes, dtype) if logits and finite else None,
    )


def _largest(values: torch.Tensor) -> float:
    """The largest magnitude among those that are finite."""
    return values.abs().nan_to_num(0, 0, 0).max().item()
