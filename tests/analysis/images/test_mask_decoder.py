"""The mask decoder driven by a state, against the same computation written out.

Shape legend: that of `analysis.images.mask_decoder`, for one picture and one prompt: Q tokens, P
cells.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    SamConfig,
    SamMaskDecoderConfig,
    SamModel,
    SamPromptEncoderConfig,
    SamVisionConfig,
)

from analysis.images.mask_decoder import HEAD_NAME, MaskDecoder, load, masks, save, text_head_make

WIDTH, PROMPT_WIDTH, HEADS, GRID = 12, 16, 2, 4
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}  # float32, sums in another order


@pytest.fixture(scope="module")
def decoder() -> MaskDecoder:
    torch.manual_seed(0)
    side = {"image_size": 16, "patch_size": 4}
    config = SamConfig(
        vision_config=SamVisionConfig(
            hidden_size=8,
            output_channels=PROMPT_WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            global_attn_indexes=[0],
            num_pos_feats=PROMPT_WIDTH // 2,
            **side,
        ),
        prompt_encoder_config=SamPromptEncoderConfig(hidden_size=PROMPT_WIDTH, **side),
        mask_decoder_config=SamMaskDecoderConfig(
            hidden_size=PROMPT_WIDTH, mlp_dim=24, num_attention_heads=HEADS, iou_head_hidden_dim=8
        ),
    )
    sam = SamModel(config)
    for weight in sam.parameters():
        nn.init.normal_(weight, std=0.4)
    return MaskDecoder(sam, text_head_make(width=WIDTH, prompt_width=PROMPT_WIDTH)).eval()


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def states() -> Tensor:
    return torch.randn(2, 3, WIDTH, generator=torch.Generator().manual_seed(2))


def attend(layer: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of rows to rows, head by head."""
    query, key, value = layer.q_proj(query), layer.k_proj(key), layer.v_proj(value)
    width = query.shape[-1] // HEADS
    parts = []
    for start in range(0, query.shape[-1], width):
        q, k, v = (rows[:, start : start + width] for rows in (query, key, value))
        parts.append((q @ k.T / width**0.5).softmax(-1) @ v)
    return layer.out_proj(torch.cat(parts, dim=-1))


def feed(layer: nn.Module, row: Tensor) -> Tensor:
    """A head of three linear layers."""
    return layer.proj_out(F.relu(layer.layers[0](F.relu(layer.proj_in(row)))))


def forward(decoder: MaskDecoder, pixels: Tensor, state: Tensor) -> dict[str, Tensor]:
    """One picture, one state: the two-way transformer, the picture scaled up, the product."""
    sam, made = decoder.sam, decoder.sam.mask_decoder
    first, last = decoder.text_head[0], decoder.text_head[2]
    hidden = torch.clamp(first.weight @ state + first.bias, min=0)
    prompt = last.weight @ hidden + last.bias
    tokens = torch.cat([made.iou_token.weight, made.mask_tokens.weight, prompt[None]])
    image = sam.vision_encoder(pixels[None]).last_hidden_state[0]
    cells = (image + sam.prompt_encoder.no_mask_embed.weight[0][:, None, None]).flatten(1).T
    places = sam.get_image_wide_positional_embeddings()[0].flatten(1).T
    queries = tokens
    for number, layer in enumerate(made.transformer.layers):
        if number == 0:
            queries = attend(layer.self_attn, queries, queries, queries)
        else:
            placed = queries + tokens
            queries = queries + attend(layer.self_attn, placed, placed, queries)
        queries = layer.layer_norm1(queries)
        seen = attend(layer.cross_attn_token_to_image, queries + tokens, cells + places, cells)
        queries = layer.layer_norm2(queries + seen)
        queries = layer.layer_norm3(queries + layer.mlp.lin2(F.relu(layer.mlp.lin1(queries))))
        seen = attend(layer.cross_attn_image_to_token, cells + places, queries + tokens, queries)
        cells = layer.layer_norm4(cells + seen)
    final = made.transformer
    seen = attend(final.final_attn_token_to_image, queries + tokens, cells + places, cells)
    queries = final.layer_norm_final_attn(queries + seen)
    grown = made.upscale_conv1(cells.T.reshape(1, PROMPT_WIDTH, GRID, GRID))
    grown = made.upscale_conv2(F.gelu(made.upscale_layer_norm(grown)))
    logits = torch.einsum(
        "c,chw->hw", feed(made.output_hypernetworks_mlps[0], queries[1]), F.gelu(grown)[0]
    )
    quality = feed(made.iou_prediction_head, queries[0])[0]
    return {"logits": logits, "quality": quality, "cells": cells, "queries": queries}


@torch.inference_mode()
def test_masks_are_what_the_hand_computes(
    decoder: MaskDecoder, pixels: Tensor, states: Tensor
) -> None:
    made = masks(decoder, pixels, states)
    assert made.logits_BKHW.shape == (2, 3, 16, 16)
    assert made.logits_BKHW.std() > 0.1
    for picture in range(2):
        for prompt in range(3):
            hand = forward(decoder, pixels[picture], states[picture, prompt])
            at = picture, prompt
            torch.testing.assert_close(made.logits_BKHW[at], hand["logits"], **TOLERANCE)
            torch.testing.assert_close(made.quality_BK[at], hand["quality"], **TOLERANCE)
            torch.testing.assert_close(made.cells_BKPC[at], hand["cells"], **TOLERANCE)
            torch.testing.assert_close(made.queries_BKQC[at], hand["queries"], **TOLERANCE)


@torch.inference_mode()
def test_points_alone_are_what_the_model_makes_of_them(
    decoder: MaskDecoder, pixels: Tensor
) -> None:
    points = torch.tensor([[[[3.0, 4.0]]], [[[9.0, 1.0]]]])
    labels = torch.ones(2, 1, 1, dtype=torch.long)
    made = masks(decoder, pixels, None, points_BKT2=points, labels_BKT=labels)
    whole = decoder.sam(pixels, input_points=points, input_labels=labels, multimask_output=False)
    torch.testing.assert_close(made.logits_BKHW, whole.pred_masks[:, :, 0], **TOLERANCE)
    torch.testing.assert_close(made.quality_BK, whole.iou_scores[:, :, 0], **TOLERANCE)


@torch.inference_mode()
def test_points_and_state_prompt_together_and_the_state_is_last(
    decoder: MaskDecoder, pixels: Tensor, states: Tensor
) -> None:
    points = torch.tensor([[[[3.0, 4.0]]], [[[9.0, 1.0]]]]).expand(2, 3, 1, 2)
    labels = torch.ones(2, 3, 1, dtype=torch.long)
    both = masks(decoder, pixels, states, points_BKT2=points, labels_BKT=labels)
    alone = masks(decoder, pixels, states)
    added = both.queries_BKQC.shape[2] - alone.queries_BKQC.shape[2]
    assert added == 2  # the point and the padding that stands for "no box"
    assert (both.logits_BKHW - alone.logits_BKHW).abs().max() > 1e-3
    other = masks(decoder, pixels, states + 1, points_BKT2=points, labels_BKT=labels)
    assert (other.logits_BKHW - both.logits_BKHW).abs().max() > 1e-3


def test_gradient_reaches_the_state(decoder: MaskDecoder, pixels: Tensor, states: Tensor) -> None:
    asked = states.clone().requires_grad_()
    masks(decoder, pixels, asked).logits_BKHW.sum().backward()
    assert (asked.grad.abs().sum(-1) > 0).all()


@torch.inference_mode()
def test_saved_decoder_loads_and_computes_the_same(
    tmp_path: Path, decoder: MaskDecoder, pixels: Tensor, states: Tensor
) -> None:
    save(decoder, tmp_path)
    assert set(load_file(tmp_path / HEAD_NAME)) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    again = masks(load(tmp_path), pixels, states)
    torch.testing.assert_close(again.logits_BKHW, masks(decoder, pixels, states).logits_BKHW)
