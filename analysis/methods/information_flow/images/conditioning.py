"""Conditioning of text-to-image pipelines, position by position, and drawing.

`h` are the states of a prompt, padded to the encoder's length; `p` those of the empty prompt at the
same positions. Keeping a set S of positions gives h at S and p at every other position, the
prompt's own padding included ("Follow the Flow", arXiv 2504.01137). Vectors pooled over the whole
prompt encode all of it, so that they are replaced by those of the empty prompt if any position is
replaced.

Shape legend: B pictures, N positions, D width of the states, E width of the pooled vector,
H, W pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from analysis.attention.encoder_masks import skip_blocks
from analysis.catalog.files import PIPELINE_INDEX, read_json
from analysis.errors import ModelIncompatible, PromptTooLong
from analysis.methods.information_flow.images.encoder_flow import Encoded
from analysis.methods.information_flow.images.finite import finite_pictures, finite_states
from analysis.model import ImagePipeline
from analysis.workload import PASS_OPERATIONS

GUIDANCE = "_guidance_scale"  # in the pipeline's index; diffusers ignores names that begin with _


@dataclass(frozen=True)
class Conditioning:
    """`states_1ND`, the encoder's mask over positions if the pipeline takes one, and the pooled
    vector.
    """

    states_1ND: torch.Tensor
    mask_1N: torch.Tensor | None = None
    pooled_1E: torch.Tensor | None = None


@dataclass(frozen=True)
class EncoderSpan:
    """Positions from `start` on that belong to one tokenizer and one encoder."""

    tokenizer: Any
    encoder: PreTrainedModel
    start: int
    length: int


@dataclass(frozen=True)
class TokenSpan:
    """A token of the prompt: its position, its id, and the characters `start:end` that it
    covers.
    """

    position: int
    id: int
    start: int
    end: int


@dataclass(frozen=True)
class DrawingSettings:
    """How pictures are drawn. A value of 0 means the pipeline's default for `steps` and `size`, and
    for `guidance` the model's, or else the pipeline's.
    """

    steps: int
    guidance: float
    size: int


@dataclass(frozen=True)
class PipelineAdapter:
    """A pipeline with its family and the empty prompt."""

    pipeline: Any
    family: "Family"
    spans: tuple[EncoderSpan, ...]
    empty: Conditioning
    guidance: float  # set in the model's folder; 0: the pipeline's default applies

    @property
    def positions(self) -> int:
        """N."""
        return self.empty.states_1ND.shape[1]


@dataclass(frozen=True)
class Family:
    """How to encode for and call the pipelines of one class."""

    spans: Callable[[Any], tuple[EncoderSpan, ...]]
    encode: Callable[[Any, str, int], Conditioning]
    arguments: Callable[[Conditioning, Conditioning], dict[str, Any]]
    lowers: bool = False  # whether the class encodes the prompt in lower case

    def reads(self, text: str) -> str:
        return text.lower() if self.lowers else text


def open_pipeline(model: ImagePipeline) -> PipelineAdapter:
    """An adapter for the pipeline. Raises ModelIncompatible for an unknown class."""
    name = type(model.pipeline).__name__
    family = FAMILIES.get(name)
    if family is None:
        raise ModelIncompatible(
            f"Conditioning {name} by position is not supported; supported are: "
            f"{', '.join(FAMILIES)}.",
            remedy="Choose a pipeline of one of these classes.",
            field="model",
        )
    spans = family.spans(model.pipeline)
    empty = _encode(model.pipeline, family, spans, "")
    guidance = float(read_json(model.path, PIPELINE_INDEX).get(GUIDANCE, 0))
    return PipelineAdapter(model.pipeline, family, spans, empty, guidance)


def encode(adapter: PipelineAdapter, text: str) -> Conditioning:
    """The text as encoded by the pipeline. Raises PromptTooLong."""
    refuse_long(adapter.family, adapter.spans, text)
    return _encode(adapter.pipeline, adapter.family, adapter.spans, text)


def encode_layer(adapter: PipelineAdapter, text: str, layer: int) -> Conditioning:
    """The text as it would be encoded if the last text encoder ended after `layer` blocks.

    Parts after the blocks, such as the final norm, still apply ("Diffusion Lens", arXiv
    2403.05846). Raises PromptTooLong, ModelIncompatible.
    """
    with skip_blocks(adapter.spans[-1].encoder, layer):
        return encode(adapter, text)


@torch.no_grad()
def _encode(
    pipeline: Any, family: Family, spans: tuple[EncoderSpan, ...], text: str
) -> Conditioning:
    length, encoders = spans[-1].length, (span.encoder for span in spans)
    return finite_states(encoders, partial(family.encode, pipeline, text, length), length)


def tokens(adapter: PipelineAdapter, text: str) -> list[list[TokenSpan]]:
    """The text's tokens per segment, without special tokens and padding."""
    return [_tokens(span, adapter.family.reads(text)) for span in adapter.spans]


def encoded(adapter: PipelineAdapter, text: str) -> Encoded:
    """The text as input to the last text encoder."""
    span = adapter.spans[-1]
    rows = span.tokenizer(
        adapter.family.reads(text), padding="max_length", max_length=span.length, truncation=True
    )
    return Encoded(
        rows.input_ids, rows.attention_mask if adapter.empty.mask_1N is not None else None
    )


def positions_of(tokens: Sequence[Sequence[TokenSpan]], start: int, end: int) -> list[int]:
    """Positions, in all segments, of the tokens that cover any of the characters `start:end`."""
    return [
        token.position
        for span in tokens
        for token in span
        if token.start < end and token.end > start
    ]


def keep(
    prompt: Conditioning, empty: Conditioning, kept: Sequence[int], *, keep_pooled: bool = False
) -> Conditioning:
    """The prompt's states at `kept`, the empty prompt's elsewhere; pooled empty by default.

    If all positions are kept, the pooled vector is kept as well.
    """
    if set(kept) == set(range(prompt.states_1ND.shape[1])):
        return prompt
    states_1ND = empty.states_1ND.clone()
    states_1ND[:, list(kept)] = prompt.states_1ND[:, list(kept)]
    pooled_1E = prompt.pooled_1E if keep_pooled else empty.pooled_1E
    return replace(prompt, states_1ND=states_1ND, pooled_1E=pooled_1E)


def put(prompt: Conditioning, other: Conditioning, places: Mapping[int, int]) -> Conditioning:
    """The prompt with the other's state `places[n]` at position n."""
    states_1ND = prompt.states_1ND.clone()
    at, source = list(places), list(places.values())
    states_1ND[:, at] = other.states_1ND[:, source]
    return replace(prompt, states_1ND=states_1ND)


@torch.no_grad()
def draw(
    adapter: PipelineAdapter,
    given: Sequence[Conditioning],
    seeds: Sequence[int],
    sampling: DrawingSettings,
) -> np.ndarray:
    """Draw a picture for each conditioning from the noise of its seed, uint8 [B, H, W, 3]."""
    batch, empty = _stack(given), _stack([adapter.empty] * len(given))
    chosen = {
        "num_inference_steps": sampling.steps,
        "guidance_scale": sampling.guidance or adapter.guidance,
        "height": sampling.size,
        "width": sampling.size,
    }
    asked = adapter.family.arguments(batch, empty) | {n: v for n, v in chosen.items() if v}

    def compute() -> Any:
        noise = [torch.Generator().manual_seed(seed) for seed in seeds]
        return adapter.pipeline(**asked, generator=noise, output_type="np")

    pictures: np.ndarray = finite_pictures(adapter.pipeline, compute).images
    return (pictures * 255).round().astype(np.uint8)


def pictures_per_batch(adapter: PipelineAdapter, sampling: DrawingSettings, limit: int) -> int:
    """Pictures per batch: at most `limit`, and less than half a second of work if possible."""
    denoiser = getattr(adapter.pipeline, "transformer", None) or adapter.pipeline.unet
    weights = sum(weight.numel() for weight in denoiser.parameters())
    edge = sampling.size // adapter.pipeline.vae_scale_factor or denoiser.config.sample_size
    cells = (edge // getattr(denoiser.config, "patch_size", 1)) ** 2
    operations = 2 * weights * (cells + adapter.positions) * (sampling.steps or 50)
    return max(1, min(limit, int(PASS_OPERATIONS[denoiser.device.type] / operations)))


def _stack(given: Sequence[Conditioning]) -> Conditioning:
    """All in one batch of B rows."""

    def joined(name: str) -> Any:
        parts = [getattr(one, name) for one in given]
        return None if parts[0] is None else torch.cat(parts)

    return Conditioning(joined("states_1ND"), joined("mask_1N"), joined("pooled_1E"))


def _tokens(span: EncoderSpan, text: str) -> list[TokenSpan]:
    rows = span.tokenizer(text, return_offsets_mapping=True)
    return [
        TokenSpan(span.start + at, token, start + _leading(text[start:end]), end)
        for at, (token, (start, end)) in enumerate(
            zip(rows.input_ids, rows.offset_mapping, strict=True)
        )
        if text[start:end].strip()
    ]


def _leading(piece: str) -> int:
    return len(piece) - len(piece.lstrip())


def refuse_long(family: Family, spans: Sequence[EncoderSpan], text: str) -> None:
    """Raises PromptTooLong."""
    for span in spans:
        count = len(span.tokenizer(family.reads(text)).input_ids)
        if count > span.length:
            raise PromptTooLong(
                f"The prompt has {count} tokens, including special tokens; the text encoder's "
                f"limit is {span.length}.",
                remedy="Shorten the prompt.",
                field="prompt",
            )


def _encoder(pipeline: Any, tokenizer: str) -> PreTrainedModel:
    """The text encoder that belongs to this tokenizer of the pipeline."""
    found: PreTrainedModel = getattr(pipeline, tokenizer.replace("tokenizer", "text_encoder"))
    return found


def _longest(tokenizer: Any, most: int) -> int:
    """The pipeline's length, unless its tokenizer's is shorter."""
    return min(most, int(tokenizer.model_max_length))


def _single_segment(name: str, most: int) -> Callable[[Any], tuple[EncoderSpan, ...]]:
    def spans(pipeline: Any) -> tuple[EncoderSpan, ...]:
        tokenizer = getattr(pipeline, name)
        return (EncoderSpan(tokenizer, _encoder(pipeline, name), 0, _longest(tokenizer, most)),)

    return spans


def _pixart_encode(pipeline: Any, text: str, length: int) -> Conditioning:
    states_1ND, mask_1N, *_ = pipeline.encode_prompt(
        text, do_classifier_free_guidance=False, max_sequence_length=length
    )
    return Conditioning(states_1ND, mask_1N)


def _pixart_arguments(batch: Conditioning, empty: Conditioning) -> dict[str, Any]:
    return {
        "prompt": None,
        "negative_prompt": None,
        "prompt_embeds": batch.states_1ND,
        "prompt_attention_mask": batch.mask_1N,
        "negative_prompt_embeds": empty.states_1ND,
        "negative_prompt_attention_mask": empty.mask_1N,
        "use_resolution_binning": False,
    }


def _sana_encode(pipeline: Any, text: str, length: int) -> Conditioning:
    """Without the instruction that the pipeline can put before a prompt: positions are its own."""
    states_1ND, mask_1N, *_ = pipeline.encode_prompt(
        text, do_classifier_free_guidance=False, max_sequence_length=length,
        complex_human_instruction=None,
    )  # fmt: skip
    return Conditioning(states_1ND, mask_1N)


def _flux_encode(pipeline: Any, text: str, length: int) -> Conditioning:
    states_1ND, pooled_1E, _ = pipeline.encode_prompt(text, text, max_sequence_length=length)
    return Conditioning(states_1ND, pooled_1E=pooled_1E)


def _flux_arguments(batch: Conditioning, empty: Conditioning) -> dict[str, Any]:
    del empty  # guidance is distilled into the model
    return {"prompt_embeds": batch.states_1ND, "pooled_prompt_embeds": batch.pooled_1E}


def _sd3_segments(pipeline: Any) -> tuple[EncoderSpan, ...]:
    clip, t5 = pipeline.tokenizer, pipeline.tokenizer_3
    length = int(pipeline.tokenizer_max_length)
    return (
        EncoderSpan(clip, pipeline.text_encoder, 0, length),
        EncoderSpan(t5, pipeline.text_encoder_3, length, _longest(t5, 256)),
    )


def _sd3_encode(pipeline: Any, text: str, length: int) -> Conditioning:
    states_1ND, _, pooled_1E, _ = pipeline.encode_prompt(
        text, text, text, do_classifier_free_guidance=False, max_sequence_length=length
    )
    return Conditioning(states_1ND, pooled_1E=pooled_1E)


def _sd3_arguments(batch: Conditioning, empty: Conditioning) -> dict[str, Any]:
    return {
        "prompt_embeds": batch.states_1ND,
        "pooled_prompt_embeds": batch.pooled_1E,
        "negative_prompt_embeds": empty.states_1ND,
        "negative_pooled_prompt_embeds": empty.pooled_1E,
    }


def _clip_segments(name: str) -> Callable[[Any], tuple[EncoderSpan, ...]]:
    def spans(pipeline: Any) -> tuple[EncoderSpan, ...]:
        tokenizer = getattr(pipeline, name)
        length = int(tokenizer.model_max_length)
        return (EncoderSpan(tokenizer, _encoder(pipeline, name), 0, length),)

    return spans


def _sd_encode(pipeline: Any, text: str, length: int) -> Conditioning:
    del length  # CLIP's own
    states_1ND, _ = pipeline.encode_prompt(text, pipeline.device, 1, False)  # noqa: FBT003
    return Conditioning(states_1ND)


def _sd_arguments(batch: Conditioning, empty: Conditioning) -> dict[str, Any]:
    return {"prompt_embeds": batch.states_1ND, "negative_prompt_embeds": empty.states_1ND}


def _sdxl_arguments(batch: Conditioning, empty: Conditioning) -> dict[str, Any]:
    del empty  # the pipeline's default, which is zero or that of the empty prompt
    return {"prompt_embeds": batch.states_1ND, "pooled_prompt_embeds": batch.pooled_1E}


def _sdxl_encode(pipeline: Any, text: str, length: int) -> Conditioning:
    """Both CLIPs encode the same tokens; their states are concatenated at each position."""
    del length
    states_1ND, _, pooled_1E, _ = pipeline.encode_prompt(
        text, text, pipeline.device, 1, do_classifier_free_guidance=False
    )
    return Conditioning(states_1ND, pooled_1E=pooled_1E)


FAMILIES: dict[str, Family] = {
    "PixArtSigmaPipeline": Family(
        _single_segment("tokenizer", 300), _pixart_encode, _pixart_arguments, lowers=True
    ),
    "PixArtAlphaPipeline": Family(
        _single_segment("tokenizer", 120), _pixart_encode, _pixart_arguments, lowers=True
    ),
    "SanaPipeline": Family(
        _single_segment("tokenizer", 300), _sana_encode, _pixart_arguments, lowers=True
    ),
    "FluxPipeline": Family(_single_segment("tokenizer_2", 512), _flux_encode, _flux_arguments),
    "StableDiffusion3Pipeline": Family(_sd3_segments, _sd3_encode, _sd3_arguments),
    "StableDiffusionPipeline": Family(_clip_segments("tokenizer"), _sd_encode, _sd_arguments),
    "StableDiffusionXLPipeline": Family(
        _clip_segments("tokenizer_2"), _sdxl_encode, _sdxl_arguments
    ),
}
