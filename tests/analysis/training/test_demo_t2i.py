"""The committed pipeline: it loads, computes what it computed, and keeps its gates on a slice."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file

from analysis.training.gates_t2i import (
    GatedPipeline,
    all_shown,
    held_out_captions,
    held_out_leaking,
    leaks,
    token_shows,
)
from analysis.training.t2i_encoder import MAX_TOKENS
from analysis.training.t2i_pipeline import FOLDER, draw
from analysis.worlds import shape_judge
from analysis.worlds.captions import LEAKING

EXPECTED = json.loads((Path(__file__).parent / "expected_t2i.json").read_text())
TOLERANCE = 2e-3  # of values of about 1: float32 sums in another order, on another machine
BYTES = 3  # of 255: the same over the steps of the sampler
SLICE, LEAKING_SLICE, TOKEN_SLICE = 100, 10, 10
LEAST_SHOWN, LEAST_LEAKING = 0.95, 0.15  # as in the gates
MOST_LEFT = 0.15  # of the leaks, after the fix: as in the gates

# diffusers' schedulers put a tensor into np.array.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture(scope="module")
def gated() -> Iterator[GatedPipeline]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model only waits for a second one
    pipeline = DiffusionPipeline.from_pretrained(FOLDER, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    yield GatedPipeline(pipeline)
    torch.set_num_threads(threads)


def test_folder_holds_half_precision_and_a_card() -> None:
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    weights = [load_file(file) for file in files if file.suffix == ".safetensors"]
    assert len(weights) == 3
    assert {each.dtype for group in weights for each in group.values()} == {torch.float16}
    assert sum(file.stat().st_size for file in files) < 12e6
    assert "Apache-2.0" in (FOLDER / "README.md").read_text()


def test_it_loads_in_float32_as_the_classes_it_names(gated: GatedPipeline) -> None:
    parts = gated.pipeline.components
    names = json.loads((FOLDER / "model_index.json").read_text())
    assert type(gated.pipeline).__name__ == names["_class_name"] == "PixArtSigmaPipeline"
    assert {type(part).__name__ for part in parts.values()} == {
        name[1] for name in names.values() if isinstance(name, list)
    }
    for name in ("text_encoder", "transformer", "vae"):
        assert {each.dtype for each in parts[name].parameters()} == {torch.float32}


def test_the_codec_is_the_identity(gated: GatedPipeline) -> None:
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    codec = gated.pipeline.vae
    with torch.inference_mode():
        latents = codec.encode(pixels).latent_dist.sample()
        assert (codec.decode(latents).sample - pixels).abs().max() < 0.003


def test_encoder_and_denoiser_give_the_stored_values(gated: GatedPipeline) -> None:
    prompts = gated.encode([EXPECTED["prompt"]])
    assert gated.pipeline.tokenizer(EXPECTED["prompt"]).input_ids == EXPECTED["ids"]
    assert prompts.states_BND[0, :, 0].tolist() == pytest.approx(EXPECTED["states"], abs=TOLERANCE)
    noise = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        predicted = gated.pipeline.transformer(
            noise,
            encoder_hidden_states=prompts.states_BND,
            encoder_attention_mask=prompts.mask_BN,
            timestep=torch.tensor([900.0]),
            added_cond_kwargs={},
        ).sample
    seen = predicted[0, 0, ::4, ::4].flatten().tolist()
    assert seen == pytest.approx(EXPECTED["predicted"], abs=TOLERANCE)


def test_a_picture_is_the_stored_one(gated: GatedPipeline) -> None:
    prompts = gated.encode([EXPECTED["prompt"]])
    [drawn] = draw(gated.pipeline, prompts.states_BND, prompts.mask_BN, seed=EXPECTED["seed"])
    assert [list(look) for look in shape_judge.looks(drawn)] == EXPECTED["looks"]
    assert np.abs(drawn[::4, ::4].astype(int) - np.array(EXPECTED["pixels"])).max() <= BYTES


def test_the_pipeline_encodes_a_prompt_as_the_gates_do(gated: GatedPipeline) -> None:
    prompts = gated.encode([EXPECTED["prompt"]])
    states, mask, *_ = gated.pipeline.encode_prompt(
        EXPECTED["prompt"], max_sequence_length=MAX_TOKENS
    )
    torch.testing.assert_close(states, prompts.states_BND, atol=1e-5, rtol=0)
    assert torch.equal(mask, prompts.mask_BN)


def test_the_empty_prompt_is_an_empty_picture(gated: GatedPipeline) -> None:
    prompts = gated.encode([""] * 5)
    assert [shape_judge.looks(drawn) for drawn in gated.draw(prompts, prompts.states_BND)] == [
        []
    ] * 5


def test_items_are_shown_on_a_slice(gated: GatedPipeline) -> None:
    assert fmean(all_shown(gated, held_out_captions(SLICE, items=2))) >= LEAST_SHOWN


def test_leaks_come_from_the_rest_of_the_prompt(gated: GatedPipeline) -> None:
    captions = [each for kind in LEAKING for each in held_out_leaking(LEAKING_SLICE, kind)]
    found = leaks(gated, captions, [item for each in captions if (item := each.leaking)])
    assert fmean(found.with_rest) >= LEAST_LEAKING
    assert fmean(found.without_rest) <= MOST_LEFT * fmean(found.with_rest)
    assert fmean(found.full) >= LEAST_LEAKING
    assert fmean(found.fixed) <= MOST_LEFT * fmean(found.full)


def test_most_items_have_a_representative_token(gated: GatedPipeline) -> None:
    shown = token_shows(gated, held_out_captions(TOKEN_SLICE, items=2))
    assert fmean(map(any, shown)) >= 0.9


def test_report_is_of_the_gates() -> None:
    rows = [row for row in json.loads((FOLDER / "report.json").read_text()) if row["required"]]
    assert [(row["required"], row["items"] >= 100) for row in rows] == [
        (0.95, True),
        (0.99, True),
        (0.15, True),
        (0.85, True),
    ]
    assert all(row["share"] >= row["required"] for row in rows)
