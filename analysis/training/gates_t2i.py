"""What `demo-t2i` must reach: measured on captions whose pair of items never occurs in training.

A token set is *kept* when the states of all other positions, the padding included, are those of
the empty prompt. Then

- a token is *representative* of its item when it alone, kept, shows the item;
- an item *leaks* when its tokens, kept, show the other item, or its own shape in the other's
  colour, which the phrase by itself does not say. Its states come from the whole prompt ("with
  the rest"), or from its phrase encoded alone and put in the same places ("without the rest");
- the *fix* puts the states of the phrase alone in their places in the whole prompt.

Shape legend: B captions, N token positions, D width of the text encoder.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

import numpy as np
import torch
from diffusers.pipelines.pixart_alpha.pipeline_pixart_sigma import PixArtSigmaPipeline
from jaxtyping import Float, UInt8
from torch import Tensor

from analysis.methods.information_flow.images import judge as picture_judge
from analysis.methods.information_flow.images.judge import Wanted
from analysis.training.report import Measured, plural
from analysis.training.t2i_encoder import Prompts, encode
from analysis.training.t2i_pipeline import draw, pipeline_load
from analysis.worlds import shape_judge
from analysis.worlds.captions import (
    GROUND,
    LEAKING,
    SIZE,
    Caption,
    CaptionItem,
    Kind,
    Look,
    caption,
    layout,
    leaking_caption,
)
from analysis.worlds.shapes import picture

CAPTIONS = {1: 100, 2: 200, 3: 100}  # by number of items
LEAKING_CAPTIONS = 30  # per kind
TOKEN_CAPTIONS = 20
RENDERS = 1000
BATCH = 100
NOISES = (10, 20, 30, 40)  # standard deviations, of 255
Pictures = UInt8[np.ndarray, "B H W 3"]


def held_out_captions(count: int, *, items: int) -> list[Caption]:
    """`count` captions of stated and named items, the same at every call."""
    return [caption(Random(f"held out {items} {n}"), items=items, novel=True) for n in range(count)]


def held_out_leaking(count: int, kind: Kind) -> list[Caption]:
    """`count` captions with an item of a leaking kind and another."""
    return [leaking_caption(Random(f"held out {kind} {n}"), kind, novel=True) for n in range(count)]


def judged_right(count: int, *, noise: float = 0.0) -> list[bool]:
    """Per real render of one to three items, whether the judge sees these and nothing else.

    `noise` is the standard deviation of Gaussian noise on every value, of 255.
    """
    rng, noises = Random(f"renders {noise}"), np.random.default_rng(0)
    found = []
    for _ in range(count):
        each = caption(rng, items=rng.randint(1, 3))
        drawn = picture(layout(rng, each.placed), ground=GROUND, size=SIZE)
        rough = (drawn + noises.normal(0, noise, drawn.shape)).clip(0, 255).round()
        found.append(sorted(shape_judge.looks(rough.astype(np.uint8))) == sorted(each.looks))
    return found


@dataclass(frozen=True, slots=True)
class GatedPipeline:
    """A pipeline and the way its pictures are drawn."""

    pipeline: PixArtSigmaPipeline

    def encode(self, texts: Sequence[str]) -> Prompts:
        return encode(self.pipeline.text_encoder, self.pipeline.tokenizer, texts)

    def draw(self, prompts: Prompts, states_BND: Float[Tensor, "B N D"]) -> Pictures:
        """Pictures of the prompts with these states in place of their own."""
        return np.concatenate(
            [
                draw(
                    self.pipeline,
                    states_BND[at : at + BATCH],
                    prompts.mask_BN[at : at + BATCH],
                    seed=at,
                )
                for at in range(0, len(states_BND), BATCH)
            ]
        )

    def keep(
        self,
        prompts: Prompts,
        kept: Sequence[Sequence[int]],
        states_BND: Float[Tensor, "B N D"] | None = None,
    ) -> Float[Tensor, "B N D"]:
        """The prompts' states (or others) at the kept positions, the empty prompt's elsewhere."""
        given_BND = prompts.states_BND if states_BND is None else states_BND
        result_BND = self.encode([""]).states_BND.repeat(len(kept), 1, 1)
        for row, positions in enumerate(kept):
            result_BND[row, list(positions)] = given_BND[row, list(positions)]
        return result_BND

    def alone(self, prompts: Prompts, items: Sequence[CaptionItem]) -> Float[Tensor, "B N D"]:
        """The prompts' states, but those of one item per prompt from its phrase encoded alone."""
        phrases = self.encode([item.phrase for item in items])
        states_BND = prompts.states_BND.clone()
        for row, item in enumerate(items):
            places = prompts.tokens_of(row, item)
            states_BND[row, places] = phrases.states_BND[row, : len(places)]
        return states_BND


def looks_shown(gated: GatedPipeline, captions: Sequence[Caption]) -> list[list[Look]]:
    """Per caption, what its picture shows."""
    prompts = gated.encode([each.text for each in captions])
    return [shape_judge.looks(drawn) for drawn in gated.draw(prompts, prompts.states_BND)]


def all_shown(gated: GatedPipeline, captions: Sequence[Caption]) -> list[bool]:
    """Per caption, whether its picture shows all its items."""
    seen = looks_shown(gated, captions)
    return [not Counter(each.looks) - Counter(s) for s, each in zip(seen, captions, strict=True)]


@dataclass(frozen=True, slots=True)
class Leaks:
    """Per caption, whether its leaking item leaked: with only its tokens kept, and in full.

    `with_rest`, `without_rest`: the item's tokens kept, encoded in the prompt and alone.
    `strict`: with the rest, and the other item itself shows. `full`, `fixed`: in the picture of
    the whole prompt, before and after the fix, the item shows what it has from the other.
    """

    with_rest: list[bool]
    without_rest: list[bool]
    strict: list[bool]
    full: list[bool]
    fixed: list[bool]


def leaks(gated: GatedPipeline, captions: Sequence[Caption], items: Sequence[CaptionItem]) -> Leaks:
    """Measures the leak from the other item of two into `items`, one per caption."""
    others = [_other(each, item) for each, item in zip(captions, items, strict=True)]
    prompts = gated.encode([each.text for each in captions])
    kept = [prompts.tokens_of(row, item) for row, item in enumerate(items)]
    alone_BND = gated.alone(prompts, items)
    drawn = [
        gated.draw(prompts, states_BND)
        for states_BND in (
            gated.keep(prompts, kept),
            gated.keep(prompts, kept, alone_BND),
            prompts.states_BND,
            alone_BND,
        )
    ]
    pairs = [
        (Wanted(item.own_colour, item.own_shape), [Wanted(*other.look)])
        for item, other in zip(items, others, strict=True)
    ]
    tests = (picture_judge.leaks, picture_judge.leaks, picture_judge.borrows, picture_judge.borrows)
    with_rest, without_rest, full, fixed = (
        [
            bool(test(shape_judge.looks(each), *pair))
            for each, pair in zip(pictures, pairs, strict=True)
        ]
        for test, pictures in zip(tests, drawn, strict=True)
    )
    strict = [
        other.look in shape_judge.looks(each) for each, other in zip(drawn[0], others, strict=True)
    ]
    return Leaks(with_rest, without_rest, strict, full, fixed)


def _other(each: Caption, item: CaptionItem) -> CaptionItem:
    return next(other for other in each.items if other != item)


def token_shows(gated: GatedPipeline, captions: Sequence[Caption]) -> list[list[bool]]:
    """Per item of the captions, in order, whether each of its tokens alone shows it."""
    rows = [
        (number, item, token)
        for number, (each, offsets) in enumerate(_encoded(gated, captions))
        for item in each.items
        for token in offsets.tokens_of(0, item)
    ]
    prompts = gated.encode([captions[number].text for number, _, _ in rows])
    pictures = gated.draw(prompts, gated.keep(prompts, [[token] for *_, token in rows]))
    found: dict[tuple[int, CaptionItem], list[bool]] = {}
    for (number, item, _), drawn in zip(rows, pictures, strict=True):
        found.setdefault((number, item), []).append(item.look in shape_judge.looks(drawn))
    return list(found.values())


def _encoded(gated: GatedPipeline, captions: Sequence[Caption]) -> list[tuple[Caption, Prompts]]:
    return [(each, gated.encode([each.text])) for each in captions]


def judge_rows() -> list[Measured]:
    """The judge on real renders, clean and noisy."""
    clean = judged_right(RENDERS)
    rows = [Measured("judge accuracy on rendered pictures", fmean(clean), len(clean), 0.99)]
    for noise in NOISES:
        rough = judged_right(RENDERS // 4, noise=noise)
        rows.append(
            Measured(f"- with noise, standard deviation {noise} of 255", fmean(rough), len(rough))
        )
    return rows


def picture_rows(gated: GatedPipeline) -> list[Measured]:
    """Items shown, by their number."""
    rows = []
    for items, count in CAPTIONS.items():
        captions = held_out_captions(count, items=items)
        pairs = list(zip(looks_shown(gated, captions), captions, strict=True))
        shown = fmean(not Counter(each.looks) - Counter(seen) for seen, each in pairs)
        exact = fmean(Counter(each.looks) == Counter(seen) for seen, each in pairs)
        required = 0.95 if items == 2 else None
        rows.append(Measured(f"all items drawn, {plural(items, 'item')}", shown, count, required))
        rows.append(Measured("- and nothing else", exact, count))
    return rows


def leak_rows(gated: GatedPipeline) -> list[Measured]:
    """Leaks of captions made to leak, together and by kind, and of those that are not."""
    by_kind = {}
    for kind in LEAKING:
        captions = held_out_leaking(LEAKING_CAPTIONS, kind)
        created = [item for each in captions if (item := each.leaking)]
        by_kind[kind] = leaks(gated, captions, created)
    every = Leaks(
        *(
            [hit for each in by_kind.values() for hit in getattr(each, name)]
            for name in Leaks.__slots__
        )
    )
    plain = [each for each in held_out_captions(400, items=2) if _distinct(each)][:LEAKING_CAPTIONS]
    stated = leaks(gated, plain, [each.items[1] for each in plain])
    undone = [not fixed for full, fixed in zip(every.full, every.fixed, strict=True) if full]
    rows = _leak_rows("leak prompts", every, required=0.15)
    rows.append(Measured("leak prompts: leaks removed by the fix", *_share(undone), 0.85))
    for kind, each in by_kind.items():
        rows += _leak_rows(f"- {kind}", each)
    return [*rows, *_leak_rows("control prompts", stated)]


def _share(hits: Sequence[bool]) -> tuple[float, int]:
    return (fmean(hits) if hits else 0.0), len(hits)


def _distinct(each: Caption) -> bool:
    one, other = each.items
    return one.colour != other.colour and one.shape != other.shape


def _leak_rows(name: str, each: Leaks, required: float | None = None) -> list[Measured]:
    count = len(each.full)
    return [
        Measured(
            f"{name}: leaks, encoded in the whole prompt", fmean(each.with_rest), count, required
        ),
        Measured(f"{name}: shows the other item itself", fmean(each.strict), count),
        Measured(f"{name}: leaks, encoded in isolation", fmean(each.without_rest), count),
        Measured(f"{name}: leaks in the full picture", fmean(each.full), count),
        Measured(f"{name}: leaks after the fix", fmean(each.fixed), count),
    ]


def token_rows(gated: GatedPipeline) -> list[Measured]:
    """Items with a representative token, and tokens of items of several that carry nothing."""
    shown = token_shows(gated, held_out_captions(TOKEN_CAPTIONS, items=2))
    several = [hit for hits in shown if len(hits) > 1 for hit in hits]
    return [
        Measured("items with a representative token", fmean(map(any, shown)), len(shown)),
        Measured("single tokens that do not show their item", 1 - fmean(several), len(several)),
    ]


def t2i_rows() -> list[Measured]:
    """All that is measured of the committed model."""
    torch.manual_seed(0)
    gated = GatedPipeline(pipeline_load())
    return [*picture_rows(gated), *judge_rows(), *leak_rows(gated), *token_rows(gated)]
