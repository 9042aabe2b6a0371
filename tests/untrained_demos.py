"""The bundled image models' own architectures, untrained: folders that load like theirs."""

from pathlib import Path

import torch

from analysis.training import t2i_pipeline, vlm
from analysis.training.t2i_denoiser import denoiser_make
from analysis.training.t2i_encoder import encoder_make, tokenizer_make
from analysis.training.train_t2i import pipeline_make


def make_demo_vlm(folder: Path, *, mask_decoder: bool = True) -> Path:
    """LLaVA with `<SEG>`, and Segment Anything's mask decoder."""
    torch.manual_seed(0)
    folder.mkdir()
    vlm.folder_write(folder, vlm.parts_make(), [])
    if not mask_decoder:
        (folder / vlm.DECODER_NAME / "text_head.safetensors").unlink()
    return folder


def make_demo_t2i(folder: Path) -> Path:
    """PixArt; its denoiser starts from zeros, which would draw every prompt alike."""
    torch.manual_seed(0)
    tokenizer = tokenizer_make()
    denoiser = denoiser_make()
    torch.nn.init.normal_(denoiser.proj_out.weight, std=0.5)
    pipeline = pipeline_make(tokenizer, encoder_make(tokenizer), denoiser)
    t2i_pipeline.folder_write(folder, pipeline)
    return folder
