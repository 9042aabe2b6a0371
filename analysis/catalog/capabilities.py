"""What a model can be used for, by its architecture, and why it cannot be used for the rest."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from analysis.errors import InvalidParams

Kind = Literal[
    "causal_lm", "masked_lm", "masked_diffusion_lm", "vision_language", "multimodal",
    "text_to_image",
    "sequence_to_sequence", "encoder", "pipeline", "other",
]  # fmt: skip
# The first pattern that is found decides.
KINDS: dict[Kind, str] = {
    "causal_lm": r"(ForCausalLM|LMHeadModel)$",
    "masked_lm": r"ForMaskedLM$",
    "masked_diffusion_lm": r"^(LLaDAModelLM|DreamModel)$",
    "vision_language": (
        r"^(Llava|LlavaNext|LlavaOnevision|Qwen2VL|Qwen2_5_VL|Qwen3VL|Gemma3|Idefics3|SmolVLM"
        r"|PaliGemma|Mistral3)ForConditionalGeneration$"
    ),
    "multimodal": (r"^(Llama4|Mllama|Gemma3n|AyaVision|Cohere2Vision)ForConditionalGeneration$"),
    "text_to_image": (
        r"^(Flux|StableDiffusion3|StableDiffusionXL|StableDiffusion|PixArtAlpha|PixArtSigma|Sana)"
        r"Pipeline$"
    ),
    "sequence_to_sequence": r"(ForConditionalGeneration|WithLMHeadModel)$",
    "pipeline": r"Pipeline$",
    "encoder": r"(EncoderModel|TextModel|TextModelWithProjection|Model)$",
}
# What a model does of which a capability is missing, and what it therefore cannot.
DOES: dict[Kind, str] = {
    "causal_lm": "reads from left to right and predicts the next token",
    "masked_lm": "reads both ways and fills in masked tokens",
    "masked_diffusion_lm": "reads both ways and fills in masked tokens, many at a time",
    "vision_language": "answers in text about a picture",
    "multimodal": "answers in text about a text and other media",
    "text_to_image": "draws a picture from a text",
    "sequence_to_sequence": "reads a text with an encoder and writes another with a decoder",
    "encoder": "turns a text into vectors and predicts no token",
    "pipeline": "is a pipeline of another kind than text to image",
    "other": "is of an architecture that no method here can use",
}
CANNOT = {
    "causal_lm": "it cannot continue a text",
    "masked_lm": "it cannot fill in a token from both sides",
    "masked_diffusion_lm": "it has no masked tokens to fill in step by step",
    "vision_language": "it cannot be asked about a picture",
    "text_to_image": "it draws no pictures",
}
SERVES = "no method uses it alone, it can be the text encoder of a text-to-image pipeline"
ONE_STACK = "methods here follow one stack of layers from a token to the next"
CROSS = "a picture comes in by cross-attention, so that no token is a patch of it"
# Why a model with other media cannot be asked about a picture.
WITHOUT_PATCHES = {"MllamaForConditionalGeneration": CROSS}
WITHOUT_MASK = "Its tokenizer names no mask token: there is nothing to fill in step by step."
WITHOUT_PROCESSOR = "Its folder has no preprocessor_config.json, so that it can only read text."


def kind_of(architecture: str) -> Kind:
    """The kind of a transformers class or of a diffusers pipeline."""
    return next((kind for kind, found in KINDS.items() if re.search(found, architecture)), "other")


def capabilities(
    architecture: str, *, has_mask_token: bool = False, has_processor: bool = True
) -> list[str]:
    """What a model can be used for, of `CANNOT`'s keys; `has_processor`: of pictures.

    Any masked language model whose tokenizer has a mask token can be decoded by masked
    diffusion, whether it was trained for that (see `metadata.trained_for_diffusion`) or not.
    """
    kind = kind_of(architecture)
    if kind == "masked_lm" and has_mask_token:
        return ["masked_lm", "masked_diffusion_lm"]
    if kind in ("vision_language", "multimodal"):  # both continue a text alone
        pictured = kind == "vision_language" and has_processor
        return ["causal_lm", "vision_language"] if pictured else ["causal_lm"]
    return [kind] if kind in CANNOT else []


def serving(needs: Sequence[str], present: Sequence[str]) -> str | None:
    """The capability for which a method takes a model: the first it needs that is there."""
    return next((name for name in needs if name in present), None)


def refuse_foreign(
    schema: dict[str, Any], params: dict[str, Any], *, needs: Sequence[str], present: Sequence[str]
) -> None:
    """Raise InvalidParams where a param is set that only models of another capability have.

    `capability` in the params' JSON schema marks such a field; its default is allowed.
    """
    served = serving(needs, present)
    for name, value in params.items():
        field = schema["properties"][name]
        wanted = field.get("capability", served)
        if served and wanted != served and value != field.get("default"):
            raise InvalidParams(
                f"{name} is for a {wanted} model; this one is run as a {served}.",
                remedy=f"Leave {name} out, or choose a {wanted} model.",
                field=name,
            )


def reasons(architecture: str, present: list[str]) -> dict[str, str]:
    """For each capability that a model lacks, why, as a sentence."""
    return {name: _reason(architecture, name) for name in CANNOT if name not in present}


def _reason(architecture: str, capability: str) -> str:
    kind = kind_of(architecture)
    if kind == "masked_lm" and capability == "masked_diffusion_lm":
        return WITHOUT_MASK
    if kind == "vision_language" and capability == "vision_language":
        return WITHOUT_PROCESSOR
    cannot = SERVES if kind == "encoder" else CANNOT[capability]
    if kind == "sequence_to_sequence" and capability == "causal_lm":
        cannot = ONE_STACK
    if kind == "multimodal" and capability == "vision_language":
        unknown = "how its picture tokens lie in a picture is not known here"
        cannot = WITHOUT_PATCHES.get(architecture, unknown)
    article = "An" if architecture[:1] in "AEIOU" else "A"
    return f"{article} {architecture} {DOES[kind]}; {cannot}."
