"""The parts of the bundled model `demo-vlm`, untrained, and the folder that they are written to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float
from tokenizers import AddedToken, decoders
from torch import Tensor
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SamConfig,
    SamImageProcessorPil,
    SamMaskDecoderConfig,
    SamModel,
    SamPromptEncoderConfig,
    SamVisionConfig,
)
from transformers.models.llama.modeling_llama import LlamaAttention

from analysis.images.mask_decoder import MaskDecoder, load, save, text_head_make
from analysis.training.journal import log_write
from analysis.training.scene_batches import IMAGE, PATCH, Mix, ask
from analysis.training.tokenizer import tokenizer_train
from analysis.worlds.scene_questions import KINDS, SEG
from analysis.worlds.scenes import SIZE, scene

FOLDER = Path(__file__).parents[2] / "models" / "demo-vlm"
DECODER_NAME = "mask_decoder"
TOKENIZER_SCENES = 400
WIDTH = 128  # of the tower and of the language model
SAM_WIDTH = 64
SAM_PATCH = 4
PLACE_SCALE = 0.2  # of the waves that the tower's places start as; content is about as large
# A question follows its picture at once, as in training: without it a space would come between.
CHAT = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}"
    "{% endfor %}{% endfor %}"
)
HALVES = {"mean": [0.5] * 3, "std": [0.5] * 3}


@dataclass(frozen=True, slots=True)
class VlmParts:
    """The model in its parts."""

    llava: LlavaForConditionalGeneration
    decoder: MaskDecoder
    tokenizer: PreTrainedTokenizerFast


def tokenizer_make() -> PreTrainedTokenizerFast:
    """Every word of the scene world is one token; `<image>` and `<SEG>` are added."""
    rng = Random("tokenizer")
    mix = Mix(4, dict.fromkeys(KINDS, 1.0), listing=1.0)
    asked = [each for _ in range(TOKENIZER_SCENES) for each in ask(rng, scene(rng), mix)]
    texts = [f"{each.question} {each.answer}".replace(f" {SEG}", "") for each in asked]
    tokenizer = tokenizer_train(texts, max_entries=512)
    tokenizer.add_tokens(
        [AddedToken(IMAGE, special=True), AddedToken(SEG, special=False, lstrip=True)]
    )
    # The space before <SEG> belongs to it: there is no separate token between.
    tokenizer.backend_tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SEG, f"Ġ{SEG}"), decoders.ByteLevel()]
    )
    return tokenizer


def llava_make(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """An untrained model: a tower of 3 layers and a Llama of 5."""
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=SIZE,
        patch_size=PATCH,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.get_vocab()[IMAGE],
        image_seq_length=(SIZE // PATCH) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
    # On a CPU, bfloat16 SDPA takes half of a training step; eager attention is twice as fast.
    model: LlavaForConditionalGeneration = LlavaForConditionalGeneration._from_config(
        config, attn_implementation="eager"
    )
    embedding = model.model.vision_tower.embeddings.position_embedding.weight
    with torch.no_grad():
        embedding[1:] = PLACE_SCALE * _waves(SIZE // PATCH)
    for block in model.model.language_model.layers[1:]:
        _start_alike(block.self_attn, heads=2)
    return model


@torch.no_grad()
def _start_alike(attention: LlamaAttention, *, heads: int) -> None:
    """The first heads start by looking at states like their own, and pass on what these are.

    A question then finds its patches after some hundred steps instead of thousands. After
    Trockman and Kolter, "Mimetic Initialization of Self-Attention Layers" (arXiv 2305.09828).
    """
    rows = heads * attention.head_dim
    seen_DD, told_DD = (torch.linalg.qr(torch.randn(WIDTH, WIDTH)).Q for _ in range(2))
    attention.q_proj.weight[:rows] = attention.k_proj.weight[:rows] = 1.2 * seen_DD[:rows]
    attention.v_proj.weight[:rows] = 0.7 * told_DD[:rows]
    attention.o_proj.weight[:, :rows] = 0.7 * told_DD[:rows].T


def _waves(side: int) -> Float[Tensor, "P D"]:
    """Sines and cosines of row and column, of periods from 2 to 32 patches.

    Of these, looking some patches aside is one linear map, the same from everywhere.
    """
    rates_R = torch.pi * 2.0 ** -torch.linspace(0, 4, WIDTH // 4)
    angles_SR = torch.arange(side)[:, None] * rates_R
    waves_SE = torch.cat([angles_SR.sin(), angles_SR.cos()], dim=1)
    rows_SSE, columns_SSE = waves_SE[:, None].expand(-1, side, -1), waves_SE.expand(side, -1, -1)
    return torch.cat([rows_SSE, columns_SSE], dim=2).flatten(0, 1)


def decoder_make() -> MaskDecoder:
    """An untrained Segment Anything model of 16 × 16 cells, with the head that prompts it."""
    config = SamConfig(
        vision_config=SamVisionConfig(
            hidden_size=SAM_WIDTH,
            output_channels=SAM_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=SIZE,
            patch_size=SAM_PATCH,
            window_size=8,
            global_attn_indexes=[1],
            num_pos_feats=SAM_WIDTH // 2,
            mlp_ratio=2.0,
            use_rel_pos=False,
            initializer_range=0.02,
        ),
        prompt_encoder_config=SamPromptEncoderConfig(
            hidden_size=SAM_WIDTH, image_size=SIZE, patch_size=SAM_PATCH, mask_input_channels=4
        ),
        mask_decoder_config=SamMaskDecoderConfig(
            hidden_size=SAM_WIDTH,
            mlp_dim=2 * SAM_WIDTH,
            num_attention_heads=4,
            num_multimask_outputs=0,
            iou_head_hidden_dim=SAM_WIDTH,
        ),
    )
    sam: SamModel = SamModel._from_config(config, attn_implementation="eager")
    # Waves of about one period over the picture, as in the original; the class starts with 32.
    torch.nn.init.normal_(sam.shared_image_embedding.positional_embedding)
    return MaskDecoder(sam, text_head_make(width=WIDTH, prompt_width=SAM_WIDTH))


def parts_make() -> VlmParts:
    """The whole model, untrained."""
    tokenizer = tokenizer_make()
    return VlmParts(llava_make(tokenizer), decoder_make(), tokenizer)


def parts_load(folder: Path) -> VlmParts:
    """The model of a folder in float32, to be trained on."""
    llava = LlavaForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    return VlmParts(llava.train(), load(folder / DECODER_NAME).train(), tokenizer)


def processor_make(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Scales a picture to the tower's size and puts a token for each patch in `<image>`'s place."""
    side = {"height": SIZE, "width": SIZE}
    images = CLIPImageProcessorPil(
        size=side,
        crop_size=side,
        do_center_crop=False,
        image_mean=HALVES["mean"],
        image_std=HALVES["std"],
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token=IMAGE,
        chat_template=CHAT,
    )


def sam_processor_make() -> SamImageProcessorPil:
    """Scales a picture's longer side to the decoder's and pads the other."""
    return SamImageProcessorPil(
        size={"longest_edge": SIZE},
        pad_size={"height": SIZE, "width": SIZE},
        mask_size={"longest_edge": SIZE},
        mask_pad_size={"height": SIZE, "width": SIZE},
        image_mean=HALVES["mean"],
        image_std=HALVES["std"],
    )


def folder_write(folder: Path, parts: VlmParts, log: Sequence[Mapping[str, float | str]]) -> None:
    """Writes a transformers folder in float16; each file appears whole or not at all."""
    (folder / DECODER_NAME).mkdir(parents=True, exist_ok=True)
    tokenizer = parts.tokenizer
    llava = LlavaForConditionalGeneration(parts.llava.config)
    llava.load_state_dict(parts.llava.state_dict())
    llava.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        max_new_tokens=40,
    )
    decoder = MaskDecoder(
        SamModel(parts.decoder.sam.config), text_head_make(width=WIDTH, prompt_width=SAM_WIDTH)
    )
    decoder.load_state_dict(parts.decoder.state_dict())
    with TemporaryDirectory(dir=folder.parent) as name:
        draft = Path(name)
        llava.half().save_pretrained(draft)
        processor_make(tokenizer).save_pretrained(draft)
        save(decoder.half(), draft / DECODER_NAME)
        sam_processor_make().save_pretrained(draft / DECODER_NAME)
        log_write(draft, log)
        for file in sorted(draft.rglob("*.*")):
            file.chmod(0o644)
            file.replace(folder / file.relative_to(draft))
