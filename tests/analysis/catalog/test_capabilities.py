from typing import Any

import pytest

from analysis.catalog.capabilities import (
    CANNOT,
    Kind,
    capabilities,
    kind_of,
    reasons,
    refuse_foreign,
    serving,
)
from analysis.errors import InvalidParams

KINDS: dict[str, Kind] = {
    "LlamaForCausalLM": "causal_lm",
    "Qwen2ForCausalLM": "causal_lm",
    "GemmaForCausalLM": "causal_lm",
    "GPT2LMHeadModel": "causal_lm",
    "BertForMaskedLM": "masked_lm",
    "RobertaForMaskedLM": "masked_lm",
    "ModernBertForMaskedLM": "masked_lm",
    "LLaDAModelLM": "masked_diffusion_lm",
    "DreamModel": "masked_diffusion_lm",
    "LlavaForConditionalGeneration": "vision_language",
    "Qwen2VLForConditionalGeneration": "vision_language",
    "Qwen2_5_VLForConditionalGeneration": "vision_language",
    "Gemma3ForConditionalGeneration": "vision_language",
    "Idefics3ForConditionalGeneration": "vision_language",
    "PaliGemmaForConditionalGeneration": "vision_language",
    "T5ForConditionalGeneration": "sequence_to_sequence",
    "BartForConditionalGeneration": "sequence_to_sequence",
    "T5EncoderModel": "encoder",
    "CLIPTextModel": "encoder",
    "CLIPTextModelWithProjection": "encoder",
    "FluxPipeline": "text_to_image",
    "StableDiffusion3Pipeline": "text_to_image",
    "StableDiffusionXLPipeline": "text_to_image",
    "StableDiffusionPipeline": "text_to_image",
    "PixArtAlphaPipeline": "text_to_image",
    "PixArtSigmaPipeline": "text_to_image",
    "SanaPipeline": "text_to_image",
    "StableDiffusionXLImg2ImgPipeline": "pipeline",
    "LlamaForSequenceClassification": "other",
    "unknown": "other",
}


@pytest.mark.parametrize("architecture", KINDS)
def test_each_architecture_is_of_one_kind(architecture: str) -> None:
    assert kind_of(architecture) == KINDS[architecture]


@pytest.mark.parametrize("has_mask", [True, False])
@pytest.mark.parametrize("architecture", KINDS)
def test_what_is_no_capability_has_a_reason(architecture: str, has_mask: bool) -> None:  # noqa: FBT001
    present = capabilities(architecture, has_mask_token=has_mask)
    missing = reasons(architecture, present)
    assert {*present, *missing} == set(CANNOT)
    assert not set(present) & set(missing)
    for sentence in missing.values():
        assert sentence.endswith(".")
        assert architecture in sentence or "mask token" in sentence


def test_a_masked_model_is_decoded_by_diffusion_where_it_has_a_mask_token() -> None:
    both = capabilities("BertForMaskedLM", has_mask_token=True)
    assert both == ["masked_lm", "masked_diffusion_lm"]
    alone = capabilities("BertForMaskedLM")
    assert alone == ["masked_lm"]
    assert "names no mask token" in reasons("BertForMaskedLM", alone)["masked_diffusion_lm"]


def test_without_a_processor_of_pictures_a_model_reads_text_alone() -> None:
    alone = capabilities("Gemma3ForConditionalGeneration", has_processor=False)
    assert alone == ["causal_lm"]
    why = reasons("Gemma3ForConditionalGeneration", alone)["vision_language"]
    assert "no preprocessor_config.json" in why


@pytest.mark.parametrize(
    ("architecture", "capability", "sentence"),
    [
        (
            "BertForMaskedLM",
            "causal_lm",
            "A BertForMaskedLM reads both ways and fills in masked tokens; "
            "it cannot continue a text.",
        ),
        (
            "T5EncoderModel",
            "text_to_image",
            "A T5EncoderModel turns a text into vectors and predicts no token; no method uses it "
            "alone, it can be the text encoder of a text-to-image pipeline.",
        ),
        (
            "Llama4ForConditionalGeneration",
            "vision_language",
            "A Llama4ForConditionalGeneration answers in text about a text and other media; "
            "how its picture tokens lie in a picture is not known here.",
        ),
        (
            "MllamaForConditionalGeneration",
            "vision_language",
            "A MllamaForConditionalGeneration answers in text about a text and other media; a "
            "picture comes in by cross-attention, so that no token is a patch of it.",
        ),
        (
            "BartForConditionalGeneration",
            "causal_lm",
            "A BartForConditionalGeneration reads a text with an encoder and writes another with a "
            "decoder; methods here follow one stack of layers from a token to the next.",
        ),
    ],
)
def test_reasons_are_sentences(architecture: str, capability: str, sentence: str) -> None:
    assert reasons(architecture, [])[capability] == sentence


BOTH = ("causal_lm", "text_to_image")
SCHEMA = {
    "properties": {
        "prompt": {"type": "string"},
        "steps": {"type": "integer", "default": 12, "capability": "text_to_image"},
        "layers": {"type": "array", "default": [], "capability": "causal_lm"},
    }
}


def test_the_first_need_that_a_model_has_is_what_it_serves_for() -> None:
    assert serving(BOTH, ["masked_lm", "text_to_image"]) == "text_to_image"
    assert serving(BOTH, ["text_to_image", "causal_lm"]) == "causal_lm"
    assert serving(BOTH, ["masked_lm"]) is None


@pytest.mark.parametrize(
    ("params", "present"),
    [
        ({"prompt": "a", "layers": [1]}, ["causal_lm"]),
        ({"prompt": "a", "steps": 12}, ["causal_lm"]),
        ({"prompt": "a", "steps": 3}, ["text_to_image"]),
        ({"prompt": "a", "steps": 3, "layers": [1]}, []),  # nobody knows yet what the model is
    ],
)
def test_params_of_the_models_own_kind_or_at_their_default_stand(
    params: dict[str, Any], present: list[str]
) -> None:
    refuse_foreign(SCHEMA, params, needs=BOTH, present=present)


def test_a_param_for_another_kind_of_model_is_refused() -> None:
    params = {"prompt": "a", "steps": 3}
    with pytest.raises(InvalidParams, match="steps is for a text_to_image model") as caught:
        refuse_foreign(SCHEMA, params, needs=BOTH, present=["causal_lm"])
    assert caught.value.field == "steps"
    assert caught.value.remedy == "Leave steps out, or choose a text_to_image model."
