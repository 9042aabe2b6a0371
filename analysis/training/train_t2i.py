"""Trains the bundled pipeline `demo-t2i` and writes it as a plain diffusers folder.

`python -m analysis.training.train_t2i` retrains it from nothing: the text encoder first, from
captions alone; then, with the encoder frozen, the denoiser. With `--report` it measures the gates
of the committed weights instead, and writes report.json and the table of the model card.
"""

import argparse
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import torch
from diffusers.pipelines.pixart_alpha.pipeline_pixart_sigma import PixArtSigmaPipeline
from torch import nn
from tqdm import tqdm
from transformers import T5EncoderModel, T5Tokenizer

from analysis.training.gates_t2i import GatedPipeline, all_shown, held_out_captions
from analysis.training.journal import Journal, log_write
from analysis.training.report import report
from analysis.training.t2i_codec import codec_make
from analysis.training.t2i_denoiser import (
    chunks_draw,
    denoiser_make,
    denoiser_train,
    scheduler_make,
)
from analysis.training.t2i_encoder import encoder_make, encoder_train, tokenizer_make
from analysis.training.t2i_pipeline import FOLDER, folder_write

ENCODER_STEPS, DENOISER_STEPS = 1200, 3600
NOTE_EVERY, CHECK_EVERY = 50, 600  # steps
CHECK_CAPTIONS = 100


def train(*, seed: int, folder: Path) -> None:
    """Trains both stages; saves the pipeline into `folder` at every check and at the end."""
    journal = Journal()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_make()
    encoder = encoder_make(tokenizer)
    for step, figures in enumerate(
        encoder_train(encoder, tokenizer, steps=ENCODER_STEPS, seed=seed), start=1
    ):
        journal.add(figures)
        if step % NOTE_EVERY == 0:
            journal.enter({"stage": "encoder", "step": step}, {})
            log_write(folder, journal.entries)
    encoder.eval().requires_grad_(requires_grad=False)
    chunks = chunks_draw(encoder, tokenizer, Random(f"denoiser {seed}"))
    training = denoiser_train(denoiser_make(), chunks, steps=DENOISER_STEPS, seed=seed)
    for step, (loss, averaged) in enumerate(tqdm(training, total=DENOISER_STEPS), start=1):
        journal.add({"loss": loss})
        if step % NOTE_EVERY:
            continue
        measured: dict[str, float] = {}
        if step % CHECK_EVERY == 0:
            pipeline = pipeline_make(tokenizer, encoder, averaged.module)
            measured = check(pipeline)
            folder_write(folder, pipeline)
        journal.enter({"stage": "denoiser", "step": step}, measured)
        log_write(folder, journal.entries)


def pipeline_make(
    tokenizer: T5Tokenizer, encoder: T5EncoderModel, trained: nn.Module
) -> PixArtSigmaPipeline:
    """The parts as a pipeline, with a copy of the trained denoiser."""
    denoiser = denoiser_make()
    denoiser.load_state_dict(trained.state_dict())
    parts: dict[str, Any] = {
        "tokenizer": tokenizer,
        "text_encoder": encoder,
        "vae": codec_make(),
        "transformer": denoiser,
        "scheduler": scheduler_make(),
    }
    pipeline = PixArtSigmaPipeline(**parts)
    pipeline.set_progress_bar_config(disable=True)  # type: ignore[no-untyped-call]
    return pipeline


def check(pipeline: PixArtSigmaPipeline) -> dict[str, float]:
    """Shares of held-out captions whose picture shows all items, by number of items."""
    return {
        f"shown_{items}": fmean(
            all_shown(GatedPipeline(pipeline), held_out_captions(CHECK_CAPTIONS, items=items))
        )
        for items in (1, 2, 3)
    }


def main() -> None:
    """Reads the options and trains, or measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write")
    parser.add_argument("--report", action="store_true", help="measure the committed weights")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    if not options.report:
        train(seed=options.seed, folder=options.out)
    elif missed := [row.name for row in report(FOLDER.name)]:
        raise SystemExit(f"Not reached: {'; '.join(missed)}.")


if __name__ == "__main__":
    main()
