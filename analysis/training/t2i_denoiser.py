"""The denoiser of `demo-t2i`: a small PixArt transformer on the straight path from noise.

It predicts the picture from a noisy one and the frozen text encoder's states. Part of its examples
are keep sets: all states but those of some items are those of the empty prompt, and the picture
shows these items alone, where they are in the whole one. So a prompt taken apart is nothing new to
it, and the empty prompt is an empty picture.

Shape legend: B pictures, P pictures of the pool, H, W pixel rows and columns, N token positions,
D width of the text encoder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.transformers.pixart_transformer_2d import PixArtTransformer2DModel
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import T5EncoderModel, T5Tokenizer

from analysis.training.t2i_codec import latents_of
from analysis.training.t2i_encoder import MAX_TOKENS, WIDTH, Prompts, encode
from analysis.worlds.captions import GROUND, SIZE, Caption, Placed, layout, training_caption
from analysis.worlds.shapes import picture

ITEM_SHARES = (0.3, 0.45, 0.25)  # of captions of one, two and three items
EMPTY_SHARE, KEPT_SHARE = 0.06, 0.2  # of the examples: the empty prompt, and keep sets
WORD_KEPT_SHARE = 0.5  # of the other tokens of an item whose head is kept
PADDED_SHARE = 0.25  # of the batches: some padding is left visible
BATCH, PEAK_RATE, WARM_STEPS = 128, 1.5e-3, 100
FALL_SHARE = 0.3  # of the steps
FIRST_SHARE = 0.1  # of the steps: pictures of one item only
TIME_MEAN, TIME_STD = 1.8, 1.3  # of the logit of the time, which is 0 at the picture
MIN_TIME = 0.15  # below, an error weighs no more
FLOW_SHIFT = 6.0  # of the sampler: more of its steps where there is mostly noise
AVERAGED_STEPS = 500  # about so many of the last steps are averaged
CHUNK, CHUNKS = 400, 20  # examples that are drawn at once, and chunks in the pool
REFILL_EVERY = 50  # steps, one chunk


def denoiser_make() -> PixArtTransformer2DModel:
    """An untrained denoiser of 3.0 M parameters, which sees a picture as 2 × 2 tokens."""
    denoiser: PixArtTransformer2DModel = PixArtTransformer2DModel(
        num_attention_heads=6,
        attention_head_dim=32,
        in_channels=3,
        out_channels=3,
        num_layers=4,
        cross_attention_dim=192,
        caption_channels=WIDTH,
        sample_size=SIZE,
        patch_size=16,
    )
    torch.nn.init.zeros_(denoiser.proj_out.weight)
    torch.nn.init.zeros_(denoiser.proj_out.bias)
    return denoiser


def scheduler_make() -> DPMSolverMultistepScheduler:
    """The sampler: multistep DPM-Solver++ on the straight path from noise to picture.

    Of its stochastic form: fresh noise at each step lets what began wrongly begin again.
    """
    scheduler: DPMSolverMultistepScheduler = DPMSolverMultistepScheduler(
        algorithm_type="sde-dpmsolver++",
        prediction_type="sample",
        use_flow_sigmas=True,
        flow_shift=FLOW_SHIFT,
    )
    return scheduler


def keep_set(
    rng: Random, caption: Caption, prompts: Prompts, index: int
) -> tuple[list[int], list[Placed]]:
    """Token positions of some items of text `index`, their heads among them, and the items."""
    kept = rng.sample(range(len(caption.items)), rng.randint(1, len(caption.items)))
    positions: list[int] = []
    for item in (caption.items[number] for number in kept):
        head = prompts.head_of(index, item)
        others = (position for position in prompts.tokens_of(index, item) if position != head)
        positions += [head, *(place for place in others if rng.random() < WORD_KEPT_SHARE)]
    return positions, [caption.placed[number] for number in kept]


@dataclass(frozen=True, slots=True)
class Pool:
    """Training examples: pictures as latents, states, prompt lengths in tokens, items shown.

    Positions from the prompt's length on hold the states of the empty prompt.
    """

    latents_P3HW: Float[Tensor, "P 3 H W"]
    states_PND: Float[Tensor, "P N D"]
    tokens_P: Int[Tensor, "P"]
    items_P: Int[Tensor, "P"]

    def refill(self, chunk: int, fresh: "Pool") -> None:
        """Replaces the examples of one chunk."""
        place = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        self.latents_P3HW[place] = fresh.latents_P3HW
        self.states_PND[place] = fresh.states_PND
        self.tokens_P[place] = fresh.tokens_P
        self.items_P[place] = fresh.items_P


def pool_make(chunks: Iterator[Pool]) -> Pool:
    """A pool of `CHUNKS` chunks."""
    drawn = [next(chunks) for _ in range(CHUNKS)]
    return Pool(
        torch.cat([chunk.latents_P3HW for chunk in drawn]),
        torch.cat([chunk.states_PND for chunk in drawn]),
        torch.cat([chunk.tokens_P for chunk in drawn]),
        torch.cat([chunk.items_P for chunk in drawn]),
    )


def chunks_draw(encoder: T5EncoderModel, tokenizer: T5Tokenizer, rng: Random) -> Iterator[Pool]:
    """Endless chunks of fresh examples."""
    empty_ND = encode(encoder, tokenizer, [""]).states_BND[0]
    while True:
        drawn = rng.choices((1, 2, 3), ITEM_SHARES, k=CHUNK)
        captions = [training_caption(rng, items=items) for items in drawn]
        prompts = encode(encoder, tokenizer, [caption.text for caption in captions])
        used_BN: Bool[Tensor, "B N"] = prompts.mask_BN == 1
        shown = [
            _examined(rng, caption, prompts, index, used_BN[index])
            for index, caption in enumerate(captions)
        ]
        yield Pool(
            torch.stack([_draw(rng, each) for each in shown]),
            torch.where(used_BN[..., None], prompts.states_BND, empty_ND),
            prompts.mask_BN.sum(1),
            torch.tensor([len(each) for each in shown]),
        )


def _examined(
    rng: Random, caption: Caption, prompts: Prompts, index: int, used_N: Bool[Tensor, "N"]
) -> Sequence[Placed]:
    """What text `index` shall show; changes `used_N` where it becomes empty or a keep set."""
    chance = rng.random()
    if chance >= EMPTY_SHARE + KEPT_SHARE:
        return caption.placed
    used_N[:] = False
    if chance < EMPTY_SHARE:
        return []
    positions, placed = keep_set(rng, caption, prompts, index)
    used_N[positions] = True
    return placed


def _draw(rng: Random, placed: Sequence[Placed]) -> Float[Tensor, "3 H W"]:
    return latents_of(picture(layout(rng, placed), ground=GROUND, size=SIZE))


def denoiser_train(
    denoiser: PixArtTransformer2DModel, chunks: Iterator[Pool], *, steps: int, seed: int
) -> Iterator[tuple[float, torch.optim.swa_utils.AveragedModel]]:
    """Trains in place; yields the loss of each step and the averaged weights so far."""
    # On a CPU, attention by plain matrix products trains twice as fast in bfloat16.
    denoiser.set_attn_processor(AttnProcessor())
    optimizer = torch.optim.AdamW(
        denoiser.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    averaged = torch.optim.swa_utils.AveragedModel(denoiser, multi_avg_fn=_average)
    rng, pool = torch.Generator().manual_seed(seed), pool_make(chunks)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate_at(step, steps)
        if step % REFILL_EVERY == 0:
            pool.refill(step // REFILL_EVERY % CHUNKS, next(chunks))
        most = 1 if step < FIRST_SHARE * steps else len(ITEM_SHARES)
        choice = (pool.items_P <= most).nonzero().flatten()
        index_B = choice[torch.randint(len(choice), (BATCH,), generator=rng)]
        loss = loss_of(denoiser, pool, index_B, rng)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        averaged.update_parameters(denoiser)
        yield loss.item(), averaged


def _average(averaged: Any, current: Any, count: Tensor | int) -> None:
    """Moves the average towards the current weights, faster while there were few steps."""
    share = max(1 / AVERAGED_STEPS, 9 / (10 + float(count)))
    torch._foreach_lerp_(averaged, current, share)


def rate_at(step: int, steps: int) -> float:
    """The learning rate: a short rise, a level, and an even fall over the last `FALL_SHARE`."""
    rise, fall = (step + 1) / WARM_STEPS, (steps - step) / (FALL_SHARE * steps)
    return PEAK_RATE * min(1.0, rise, fall)


def loss_of(
    denoiser: PixArtTransformer2DModel,
    pool: Pool,
    index_B: Int[Tensor, "B"],
    rng: torch.Generator,
) -> Float[Tensor, ""]:
    """Mean squared error of the velocity that the predicted picture implies, at random times."""
    latents_B3HW, tokens_B = pool.latents_P3HW[index_B], pool.tokens_P[index_B]
    if torch.rand((), generator=rng) < PADDED_SHARE:
        room = MAX_TOKENS - int(tokens_B.max())
        tokens_B = tokens_B + torch.randint(room + 1, tokens_B.shape, generator=rng)
    width = int(tokens_B.max())
    noise_B3HW = torch.randn(latents_B3HW.shape, generator=rng)
    logit_B = torch.randn(len(index_B), generator=rng) * TIME_STD + TIME_MEAN
    time_B = logit_B.sigmoid()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        predicted_B3HW = denoiser(
            torch.lerp(latents_B3HW, noise_B3HW, time_B[:, None, None, None]),
            encoder_hidden_states=pool.states_PND[index_B, :width],
            encoder_attention_mask=(torch.arange(width) < tokens_B[:, None]).float(),
            timestep=time_B * 1000,
            added_cond_kwargs={},
        ).sample
    error_B = (predicted_B3HW.float() - latents_B3HW).square().mean(dim=(1, 2, 3))
    loss: Float[Tensor, ""] = (error_B / time_B.clamp(min=MIN_TIME).square()).mean()
    return loss
