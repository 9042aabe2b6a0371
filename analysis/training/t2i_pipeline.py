"""The whole of `demo-t2i` as a diffusers pipeline: its folder, and drawing from states.

Shape legend: B pictures, N token positions, D width of the text encoder, H, W pixels.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.pipelines.pixart_alpha.pipeline_pixart_sigma import PixArtSigmaPipeline
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from analysis.training.t2i_encoder import encode

FOLDER = Path(__file__).parents[2] / "models" / "demo-t2i"
STEPS, GUIDANCE = 24, 1.0


def pipeline_load(folder: Path = FOLDER) -> PixArtSigmaPipeline:
    """The pipeline in float32, without its progress bar."""
    pipeline: PixArtSigmaPipeline = DiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
        folder, dtype=torch.float32, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)  # type: ignore[no-untyped-call]
    return pipeline


def draw(
    pipeline: PixArtSigmaPipeline,
    states_BND: Float[Tensor, "B N D"],
    mask_BN: Int[Tensor, "B N"],
    *,
    seed: int = 0,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> UInt8[np.ndarray, "B H W 3"]:
    """A picture for each row of states; row i starts from the noise of seed + i."""
    empty = encode(pipeline.text_encoder, pipeline.tokenizer, [""] * len(states_BND))
    pictures = pipeline(
        prompt=None,
        negative_prompt=None,
        prompt_embeds=states_BND,
        prompt_attention_mask=mask_BN,
        negative_prompt_embeds=empty.states_BND,
        negative_prompt_attention_mask=empty.mask_BN,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator().manual_seed(seed + row) for row in range(len(states_BND))],
        use_resolution_binning=False,
        output_type="np",
    ).images
    drawn: np.ndarray = (pictures * 255).round().astype(np.uint8)
    return drawn


def folder_write(folder: Path, pipeline: PixArtSigmaPipeline) -> None:
    """Writes the pipeline in float16; each file appears whole or not at all."""
    with TemporaryDirectory(dir=folder.parent) as name:
        for part in _networks(pipeline):
            part.half()
        pipeline.save_pretrained(name)
        for part in _networks(pipeline):
            part.float()
        _add(Path(name) / "text_encoder" / "config.json", dtype="float32")
        _add(Path(name) / "model_index.json", _guidance_scale=GUIDANCE)
        for file in sorted(path for path in Path(name).rglob("*") if path.is_file()):
            place = folder / file.relative_to(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.chmod(0o644)
            file.replace(place)


def _networks(pipeline: PixArtSigmaPipeline) -> list[nn.Module]:
    return [part for part in pipeline.components.values() if isinstance(part, nn.Module)]


def _add(config: Path, **values: object) -> None:
    """Adds values to a JSON file: transformers loads a part in float32, as diffusers loads the
    others, only if its file states it; the index states the guidance of the model.
    """
    config.write_text(json.dumps(json.loads(config.read_text()) | values, indent=2))
