"""Tiny models that read pictures, of which the tests run the language model on a text alone."""

import transformers as hf

from tests.families import ENDS, GROUPED, LLAMA3, Make

CLIP = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
PICTURE = 300  # the id of the picture token
TEXT = {**GROUPED, **ENDS, "head_dim": 8}


def _mistral3() -> hf.PreTrainedModel:
    config = hf.Mistral3Config(
        vision_config=hf.PixtralVisionConfig(**CLIP),
        text_config=hf.MistralConfig(**TEXT),
        image_token_index=PICTURE,
        spatial_merge_size=2,
    )
    return hf.Mistral3ForConditionalGeneration(config)


def _llama4() -> hf.PreTrainedModel:
    text = hf.Llama4TextConfig(
        **TEXT, num_local_experts=4, intermediate_size_mlp=64, attention_chunk_size=16,
        num_experts_per_tok=1, interleave_moe_layer_step=1,
    )  # fmt: skip
    vision = hf.Llama4VisionConfig(**CLIP, vision_output_dim=32, projector_input_dim=32)
    config = hf.Llama4Config(text_config=text, vision_config=vision, image_token_index=PICTURE)
    return hf.Llama4ForConditionalGeneration(config)


def _mllama() -> hf.PreTrainedModel:
    text = hf.MllamaTextConfig(
        **{**TEXT, "num_hidden_layers": 3}, cross_attention_layers=[1], rope_parameters=LLAMA3
    )
    vision = hf.MllamaVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_global_layers=1,
        attention_heads=4, image_size=32, patch_size=8, intermediate_layers_indices=[0],
        supported_aspect_ratios=[[1, 1]], vision_output_dim=64,
    )  # fmt: skip
    config = hf.MllamaConfig(text_config=text, vision_config=vision, image_token_index=PICTURE)
    return hf.MllamaForConditionalGeneration(config)


MULTIMODAL: dict[str, Make] = {
    "Mistral 3": _mistral3,
    "Llama 4 with pictures": _llama4,
    "Llama 3.2 Vision": _mllama,
}
