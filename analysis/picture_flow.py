"""What each word of a prompt carries into the picture: the text-to-image part of information flow.

Each position of a text encoder's output is a vector that has read the rest of the prompt. Kept
alone, with all other positions set to those of the empty prompt, it shows in a picture what it
carries: which token of an item is its representative, and whether an item's tokens carry another
item along (a leak). The fix is to encode the item by itself and to put these states in its places.

Source: "Follow the Flow: On Information Flow Across Textual Tokens in Text-to-Image Models"
(arXiv 2504.01137). All pictures of a column share seed, steps and guidance. Pooled vectors, which
carry the whole prompt, are those of the empty prompt wherever anything is taken away.

Shape legend: B pictures, N positions of the text encoder, H, W pixels.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from analysis import conditioning, picture_judge
from analysis.conditioning import Conditioning, Sampling, Studio, Token
from analysis.context import TextParams
from analysis.errors import InvalidParams, PromptEmpty
from analysis.events import Event, Progress
from analysis.model import ImagePipeline
from analysis.picture_judge import Wanted
from analysis.pictures import Picture
from analysis.prompt_items import PromptItem, find_items

Kind = Literal["whole", "item", "token", "alone", "fixed"]
REPRESENTATIVE_SHARE = 0.5  # of its pictures in which a token alone shows its item


def _extra(group: str) -> dict[str, Any]:
    return {"group": group, "capability": "text_to_image"}


class PictureParams(TextParams):
    """What is asked of the pictures; of the text's params only prompt and seed have a meaning."""

    items: str = Field(
        default="",
        max_length=1000,
        description="The prompt's items, word for word and in its order, separated by semicolons. "
        "Empty: the parts between commas, and, with, next to, beside.",
        json_schema_extra=_extra("Text"),
    )
    item: int = Field(
        default=0,
        ge=0,
        le=6,
        description="Number of the item that is taken apart, from 1; 0: the last one.",
        json_schema_extra=_extra("Text"),
    )
    tokens: bool = Field(
        default=True,
        description="Pictures of each token of the item kept alone.",
        json_schema_extra=_extra("Output"),
    )
    leak: bool = Field(
        default=True,
        description="Pictures of the item encoded with and without the rest, and of the fix.",
        json_schema_extra=_extra("Output"),
    )
    pictures: int = Field(
        default=4,
        ge=1,
        le=16,
        description="Pictures per row; each column has a seed of its own.",
        json_schema_extra=_extra("Output"),
    )
    steps: int = Field(
        default=12,
        ge=0,
        le=200,
        description="Denoising steps; 0: as many as the pipeline takes by itself.",
        json_schema_extra=_extra("Sampling and seed"),
    )
    guidance: float = Field(
        default=2.0,
        ge=0,
        le=30,
        description="Strength of guidance; 0: the pipeline's own.",
        json_schema_extra=_extra("Sampling and seed"),
    )
    size: int = Field(
        default=0,
        ge=0,
        le=2048,
        multiple_of=8,
        description="Edge of the pictures in pixels; 0: the pipeline's own.",
        json_schema_extra=_extra("Sampling and seed"),
    )
    keep_pooled: bool = Field(
        default=False,
        description="Leave the prompt's pooled vector in place where tokens are taken away, "
        "although it carries the whole prompt.",
        json_schema_extra=_extra("Sampling and seed"),
    )
    rows_per_batch: int = Field(
        default=16,
        ge=1,
        le=256,
        description="Pictures drawn at once; changes memory and speed, not the result.",
        json_schema_extra=_extra("Sampling and seed"),
    )


class PromptToken(BaseModel):
    """A token of the prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: int = Field(description="Its position in the text encoder's output.")
    text: str
    word: int = Field(description="Number of the word it belongs to.")
    item: int | None = Field(description="Number of its item, from 0; null: of none.")


class Item(BaseModel):
    """An item of the prompt, and what its words mean to the judge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phrase: str
    colour: str | None
    shape: str | None


class Judge(BaseModel):
    """Who says what a picture shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    accuracy: float | None = Field(description="Share of known pictures it was right on.")
    pictures: int | None = Field(description="Known pictures behind the accuracy.")


class Prompt(Event):
    """The prompt in tokens and items."""

    kind: Literal["prompt"] = "prompt"
    tokens: list[PromptToken]
    items: list[Item]
    chosen: int = Field(description="The item that is taken apart, from 0.")
    positions: int = Field(description="N, the padding included.")
    judge: Judge | None = Field(description="null: no verdicts for this model's pictures.")


class Row(Event):
    """Pictures to come: what is kept, and from where its states are."""

    kind: Literal["row"] = "row"
    row: int
    shows: Kind = Field(
        description="whole: nothing is taken away; item, token: kept alone, encoded with the rest; "
        "alone: the item kept, encoded by itself; fixed: the whole prompt with the item's states "
        "encoded by itself."
    )
    item: int | None = Field(description="The item that it is about, from 0.")
    label: str
    kept: list[int] = Field(description="Tokens kept, as indices of the prompt's tokens.")


class Verdict(BaseModel):
    """What the judge says of a picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seen: list[str] = Field(description="Everything it sees, from top to bottom.")
    shown: list[bool | None] = Field(description="Per item, whether it is among it.")
    leak: bool | None = Field(
        description="Of an item kept: another one shows, or its shape in another's colour. Of a "
        "whole picture: the chosen item has another's colour, or another stands in its place."
    )


class Drawn(Event):
    """A picture."""

    kind: Literal["picture"] = "picture"
    row: int
    column: int
    seed: int
    picture: Picture
    verdict: Verdict | None


class Finding(BaseModel):
    """A row's verdicts, counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    pictures: int
    shown: list[int | None] = Field(description="Per item, in how many pictures it is seen.")
    leaks: int | None = Field(description="Pictures with a leak.")
    representative: bool | None = Field(
        description="Of a token's row: it alone shows its item in at least half the pictures."
    )


class Findings(Event):
    """All rows, counted; null everywhere where there is no judge."""

    kind: Literal["findings"] = "findings"
    rows: list[Finding]


EVENTS = (Prompt, Row, Drawn, Findings)

# What a row shows, its item, its label, the tokens kept, and what its pictures are drawn from.
Plan = tuple[Kind, int | None, str, Sequence[int], Conditioning]


@dataclass(frozen=True)
class Task:
    """A row with what it is conditioned on."""

    event: Row
    given: Conditioning


@dataclass(frozen=True)
class Reading:
    """The prompt, encoded and taken apart."""

    text: str
    studio: Studio
    prompt: Conditioning
    tokens: list[list[Token]]
    items: list[PromptItem]
    wanted: list[Wanted]
    chosen: int

    @property
    def shown(self) -> list[Token]:
        """The tokens of the last text encoder, which is the largest."""
        return self.tokens[-1]

    def kept(self, start: int, end: int) -> list[int]:
        """Indices of the shown tokens within characters `start:end`."""
        return [n for n, t in enumerate(self.shown) if t.start < end and t.end > start]


def run(model: ImagePipeline, params: PictureParams) -> Iterator[Event]:
    """Yield the prompt, the rows, their pictures, and what was found."""
    reading = _read(model, params)
    judged = model.info.id == picture_judge.JUDGED_MODEL
    yield _prompt_event(reading, model, judged=judged)
    tasks = _tasks(reading, params)
    for task in tasks:
        yield task.event
    verdicts = yield from _pictures(model, reading, params, tasks, judged=judged)
    yield Findings(rows=[_finding(reading, task.event, verdicts[task.event.row]) for task in tasks])


def _read(model: ImagePipeline, params: PictureParams) -> Reading:
    text = params.prompt.strip()
    if not text:
        raise PromptEmpty("The prompt is empty.", remedy="Type some text.", field="prompt")
    studio = conditioning.open_studio(model)
    items = find_items(text, params.items)
    if params.item > len(items):
        raise InvalidParams(
            f"item is {params.item}; the prompt has {len(items)}: "
            f"{'; '.join(item.phrase for item in items)}.",
            remedy=f"Choose one from 1 to {len(items)}, or 0 for the last.",
            field="item",
        )
    return Reading(
        text,
        studio,
        conditioning.encode(studio, text),
        conditioning.tokens(studio, text),
        items,
        [picture_judge.wanted(item.phrase) for item in items],
        (params.item or len(items)) - 1,
    )


def _prompt_event(reading: Reading, model: ImagePipeline, *, judged: bool) -> Prompt:
    return Prompt(
        tokens=[
            PromptToken(
                position=token.position,
                text=reading.text[token.start : token.end],
                word=len(reading.text[: token.end].split()) - 1,
                item=_item_of(reading, token),
            )
            for token in reading.shown
        ],
        items=[
            Item(phrase=item.phrase, colour=meant.colour, shape=meant.shape)
            for item, meant in zip(reading.items, reading.wanted, strict=True)
        ],
        chosen=reading.chosen,
        positions=reading.studio.positions,
        judge=_judge(model) if judged else None,
    )


def _item_of(reading: Reading, token: Token) -> int | None:
    found = (
        n for n, it in enumerate(reading.items) if it.start < token.end and it.end > token.start
    )
    return next(found, None)


def _judge(model: ImagePipeline) -> Judge:
    known = picture_judge.accuracy(model.path)
    return Judge(
        name="the bundled judge of coloured shapes",
        accuracy=known.share if known else None,
        pictures=known.pictures if known else None,
    )


def _tasks(reading: Reading, params: PictureParams) -> list[Task]:
    """All rows, in the order in which they are drawn."""
    plans = [*_whole_rows(reading, params)]
    if params.leak and len(reading.items) > 1:
        plans += _leak_rows(reading, params)
    if params.tokens:
        plans += _token_rows(reading, params)
    return [
        Task(Row(row=row, shows=kind, item=item, label=label, kept=list(kept)), given)
        for row, (kind, item, label, kept, given) in enumerate(plans)
    ]


def _whole_rows(reading: Reading, params: PictureParams) -> Iterator[Plan]:
    """The prompt as it is, and each item kept alone."""
    yield "whole", None, "Whole prompt", range(len(reading.shown)), reading.prompt
    for number, item in enumerate(reading.items):
        yield "item", number, item.phrase, *_kept(reading, params, item.start, item.end)


def _leak_rows(reading: Reading, params: PictureParams) -> Iterator[Plan]:
    """The chosen item encoded by itself, alone and back in the whole prompt."""
    item = reading.items[reading.chosen]
    fixed = _fixed(reading, item)
    kept = _kept(reading, params, item.start, item.end, fixed)
    yield "alone", reading.chosen, f"{item.phrase}, encoded by itself", *kept
    yield "fixed", reading.chosen, "Whole prompt, fixed", range(len(reading.shown)), fixed


def _token_rows(reading: Reading, params: PictureParams) -> Iterator[Plan]:
    """Each token of the chosen item kept alone."""
    item = reading.items[reading.chosen]
    for token in (reading.shown[n] for n in reading.kept(item.start, item.end)):
        label = reading.text[token.start : token.end]
        yield "token", reading.chosen, label, *_kept(reading, params, token.start, token.end)


def _kept(
    reading: Reading,
    params: PictureParams,
    start: int,
    end: int,
    prompt: Conditioning | None = None,
) -> tuple[list[int], Conditioning]:
    """The shown tokens of characters `start:end`, and the conditioning that keeps these alone."""
    given = prompt or reading.prompt
    positions = conditioning.positions_of(reading.tokens, start, end)
    kept = conditioning.keep(given, reading.studio.empty, positions, keep_pooled=params.keep_pooled)
    return reading.kept(start, end), kept


def _fixed(reading: Reading, item: PromptItem) -> Conditioning:
    """The whole prompt with the states of one item from its phrase encoded by itself."""
    alone = conditioning.encode(reading.studio, item.phrase)
    places: dict[int, int] = {}
    for inside, outside in zip(
        reading.tokens, conditioning.tokens(reading.studio, item.phrase), strict=True
    ):
        own = [token for token in inside if token.start < item.end and token.end > item.start]
        if [token.id for token in own] != [token.id for token in outside]:
            raise InvalidParams(
                f"{item.phrase!a} is split into other tokens by itself than in the prompt.",
                remedy="Let the item begin and end with whole words, or set leak to false.",
                field="items",
            )
        places |= {a.position: b.position for a, b in zip(own, outside, strict=True)}
    return conditioning.put(reading.prompt, alone, places)


def _pictures(
    model: ImagePipeline,
    reading: Reading,
    params: PictureParams,
    tasks: list[Task],
    *,
    judged: bool,
) -> Generator[Event, None, dict[int, list[Verdict | None]]]:
    """Draw all rows in batches; the verdicts by row."""
    places = [(task, column) for task in tasks for column in range(params.pictures)]
    size = conditioning.pictures_per_batch(reading.studio, _sampling(params), params.rows_per_batch)
    verdicts: dict[int, list[Verdict | None]] = {task.event.row: [] for task in tasks}
    for at in range(0, len(places), size):
        yield Progress(stage="drawing", done=at, total=len(places), unit="pictures")
        batch = places[at : at + size]
        for (task, column), picture in zip(batch, _draw(reading, params, batch), strict=True):
            verdict = _verdict(reading, task.event, picture) if judged else None
            verdicts[task.event.row].append(verdict)
            yield Drawn(
                row=task.event.row,
                column=column,
                seed=params.seed + column,
                picture=picture,
                verdict=verdict,
            )
    model.forwards += len(places)
    yield Progress(stage="drawing", done=len(places), total=len(places), unit="pictures")
    return verdicts


def _draw(reading: Reading, params: PictureParams, batch: list[tuple[Task, int]]) -> np.ndarray:
    given = [task.given for task, _ in batch]
    seeds = [params.seed + column for _, column in batch]
    return conditioning.draw(reading.studio, given, seeds, _sampling(params))


def _sampling(params: PictureParams) -> Sampling:
    return Sampling(params.steps, params.guidance, params.size)


def _verdict(reading: Reading, row: Row, picture: np.ndarray) -> Verdict:
    seen = picture_judge.sights(picture)
    about = reading.chosen if row.item is None else row.item
    others = [item for n, item in enumerate(reading.wanted) if n != about]
    test = picture_judge.borrows if row.shows in ("whole", "fixed") else picture_judge.leaks
    return Verdict(
        seen=[" ".join(sight) for sight in seen],
        shown=[picture_judge.shows(seen, item) for item in reading.wanted],
        leak=test(seen, reading.wanted[about], others),
    )


def _finding(reading: Reading, row: Row, verdicts: list[Verdict | None]) -> Finding:
    told = [verdict for verdict in verdicts if verdict]
    shown = [_count([verdict.shown[n] for verdict in told]) for n in range(len(reading.items))]
    own = shown[row.item] if row.shows == "token" and row.item is not None else None
    return Finding(
        row=row.row,
        pictures=len(verdicts),
        shown=shown,
        leaks=_count([verdict.leak for verdict in told]),
        representative=None if own is None else own >= REPRESENTATIVE_SHARE * len(verdicts),
    )


def _count(said: list[bool | None]) -> int | None:
    known = [one for one in said if one is not None]
    return sum(known) if known else None
