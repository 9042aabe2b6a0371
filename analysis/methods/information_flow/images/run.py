"""What each word of a prompt contributes to the picture: information flow, text to image.

Each position of a text encoder's output is a vector that depends on the rest of the prompt. A
picture drawn from this position only, with all others set to those of the empty prompt, shows what
it encodes: which token of an item is its representative, and whether an item's tokens also encode
another item (attribute leakage). The fix is to encode the item in isolation and to insert these
states at its positions.

Source: "Follow the Flow: On Information Flow Across Textual Tokens in Text-to-Image Models" (arXiv
2504.01137). All pictures of a column share seed, steps and guidance. Pooled vectors, which encode
the whole prompt, are those of the empty prompt wherever a position is replaced.

Shape legend: B pictures, N positions of the text encoder, H, W pixels.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.attention.encoder_masks import encoder_parts
from analysis.events import Event, Progress
from analysis.methods.information_flow.images import conditioning, judge
from analysis.methods.information_flow.images.conditioning import (
    Conditioning,
    DrawingSettings,
    PipelineAdapter,
    TokenSpan,
)
from analysis.methods.information_flow.images.drawing_limits import refuse_undrawable
from analysis.methods.information_flow.images.encoder_flow import encoder_flow
from analysis.methods.information_flow.images.events import (
    Drawn,
    EncoderFlow,
    Finding,
    Findings,
    Item,
    Judge,
    Kind,
    PictureParams,
    Prompt,
    PromptToken,
    Row,
    Verdict,
)
from analysis.methods.information_flow.images.isolated import (
    places_of,
    refuse_prompt,
    refuse_special_tokens,
)
from analysis.methods.information_flow.images.items import PromptItem, read_items, read_text
from analysis.methods.information_flow.images.judge import Wanted
from analysis.model import ImagePipeline

REPRESENTATIVE_SHARE = 0.5  # minimum share of a token's pictures that show its item
WHOLE = ("whole", "fixed", "removed", "layer")  # rows that show the whole prompt

# What a row shows, its item, its label, the tokens kept, and the conditioning.
Plan = tuple[Kind, int | None, str, Sequence[int], Conditioning]


@dataclass(frozen=True)
class RowTask:
    """A row with its conditioning."""

    event: Row
    given: Conditioning


@dataclass(frozen=True)
class PromptAnalysis:
    """The prompt, its encoding, its tokens and its items."""

    text: str
    adapter: PipelineAdapter
    prompt: Conditioning
    tokens: list[list[TokenSpan]]
    items: list[PromptItem]
    wanted: list[Wanted]
    chosen: int

    @property
    def shown(self) -> list[TokenSpan]:
        """The tokens of the last text encoder, which is the largest."""
        return self.tokens[-1]

    def kept(self, start: int, end: int) -> list[int]:
        """Indices of the shown tokens within characters `start:end`."""
        return [n for n, t in enumerate(self.shown) if t.start < end and t.end > start]


def run(model: ImagePipeline, params: PictureParams) -> Iterator[Event]:
    """Yield the prompt, the rows, their pictures, and the result."""
    reading = _read(model, params)
    judged = model.info.id == judge.JUDGED_MODEL
    yield _prompt_event(reading, model, judged=judged)
    if params.encoder_flow and reading.shown:
        yield from _flow(reading, params)
    tasks = _tasks(reading, params)
    verdicts = yield from _pictures(model, reading, params, tasks, judged=judged)
    if params.removal and params.tokens and judged:
        more = _removal(reading, params, tasks, verdicts)
        verdicts |= yield from _pictures(
            model, reading, params, more, judged=judged, stage="drawing the pictures"
        )
        tasks += more
    yield Findings(rows=[_finding(reading, task.event, verdicts[task.event.row]) for task in tasks])


def refuse_for(model: ImagePipeline, params: PictureParams) -> None:
    """Raise what `run` raises for the prompt and its items, by the tokenizers alone."""
    refuse_prompt(model.pipeline, params)


def _read(model: ImagePipeline, params: PictureParams) -> PromptAnalysis:
    text = read_text(params.prompt)
    adapter = conditioning.open_pipeline(model)
    refuse_undrawable(model.pipeline, size=params.size, steps=params.steps)
    refuse_special_tokens(model.pipeline, text)
    items = read_items(text, params.items, params.item)
    return PromptAnalysis(
        text,
        adapter,
        conditioning.encode(adapter, text),
        conditioning.tokens(adapter, text),
        items,
        [judge.wanted(item.phrase) for item in items],
        (params.item or len(items)) - 1,
    )


def _prompt_event(reading: PromptAnalysis, model: ImagePipeline, *, judged: bool) -> Prompt:
    return Prompt(
        tokens=[
            PromptToken(
                position=token.position,
                text=reading.text[token.start : token.end],
                word=_word_of(reading, token),
                item=_item_of(reading, token),
            )
            for token in reading.shown
        ],
        items=[
            Item(phrase=item.phrase, colour=meant.colour, shape=meant.shape)
            for item, meant in zip(reading.items, reading.wanted, strict=True)
        ],
        chosen=reading.chosen,
        positions=reading.adapter.positions,
        judge=_judge(model) if judged else None,
    )


def _item_of(reading: PromptAnalysis, token: TokenSpan) -> int | None:
    found = (
        n for n, it in enumerate(reading.items) if it.start < token.end and it.end > token.start
    )
    return next(found, None)


def _judge(model: ImagePipeline) -> Judge:
    known = judge.accuracy(model.path)
    return Judge(
        name="the bundled judge of coloured shapes",
        accuracy=known.share if known else None,
        pictures=known.pictures if known else None,
    )


def _flow(reading: PromptAnalysis, params: PictureParams) -> Iterator[Event]:
    """The matrix of words, and each word's shift from its encoding in isolation."""
    groups = _words(reading)
    span = reading.adapter.spans[-1]
    text = conditioning.encoded(reading.adapter, reading.text)
    positions = [tuple(reading.shown[n].position - span.start for n in own) for own in groups]
    found = yield from encoder_flow(
        span.encoder,
        text,
        positions,
        pad=span.tokenizer.pad_token_id,
        by_layer=params.encoder_flow_layers,
    )
    ends = [(reading.shown[own[0]].start, reading.shown[own[-1]].end) for own in groups]
    yield EncoderFlow(
        words=[reading.text[start:end] for start, end in ends],
        tokens=[list(own) for own in groups],
        flow=found.flow_WAB.float().numpy(),
        total=found.total_WA.float().numpy(),
        alone=found.alone_A.float().numpy(),
        blocks=found.blocks_A.float().numpy(),
    )


def _words(reading: PromptAnalysis) -> list[list[int]]:
    """Indices of the shown tokens, word by word."""
    words: dict[int, list[int]] = {}
    for n, token in enumerate(reading.shown):
        words.setdefault(_word_of(reading, token), []).append(n)
    return list(words.values())


def _word_of(reading: PromptAnalysis, token: TokenSpan) -> int:
    return len(reading.text[: token.end].split()) - 1


def _tasks(reading: PromptAnalysis, params: PictureParams) -> list[RowTask]:
    """All rows, in the order in which they are drawn."""
    plans = [*_whole_rows(reading, params)]
    if params.leak and len(reading.items) > 1:
        plans += _leak_rows(reading, params)
    if params.tokens:
        plans += _token_rows(reading, params)
    if params.layer_row:
        plans += _layer_rows(reading)
    return _numbered(plans, first=0)


def _numbered(plans: Sequence[Plan], *, first: int) -> list[RowTask]:
    return [
        RowTask(Row(row=row, shows=kind, item=item, label=label, kept=list(kept)), given)
        for row, (kind, item, label, kept, given) in enumerate(plans, first)
    ]


def _layer_rows(reading: PromptAnalysis) -> Iterator[Plan]:
    """The whole prompt, its last text encoder ending after each layer; 0: the embeddings."""
    for layer in range(len(encoder_parts(reading.adapter.spans[-1].encoder).blocks)):
        given = conditioning.encode_layer(reading.adapter, reading.text, layer)
        yield "layer", None, f"Layer {layer}", range(len(reading.shown)), given


def _removal(
    reading: PromptAnalysis,
    params: PictureParams,
    tasks: Sequence[RowTask],
    verdicts: dict[int, list[Verdict | None]],
) -> list[RowTask]:
    """The whole prompt without the chosen item's tokens that do not represent it, if any does."""
    rows = [task.event for task in tasks if task.event.shows == "token"]
    stand = {row.row: _finding(reading, row, verdicts[row.row]).representative for row in rows}
    dropped = [n for row in rows if not stand[row.row] for n in row.kept]
    if not dropped or not any(stand.values()):
        return []
    away: set[int] = set()
    for token in (reading.shown[n] for n in dropped):
        away |= set(conditioning.positions_of(reading.tokens, token.start, token.end))
    kept = [n for n in range(reading.adapter.positions) if n not in away]
    given = conditioning.keep(
        reading.prompt, reading.adapter.empty, kept, keep_pooled=params.keep_pooled
    )
    shown = [n for n in range(len(reading.shown)) if n not in dropped]
    plan: Plan = ("removed", reading.chosen, "Without the non-representative tokens", shown, given)
    return _numbered([plan], first=len(tasks))


def _whole_rows(reading: PromptAnalysis, params: PictureParams) -> Iterator[Plan]:
    """The whole prompt, and each item with only its tokens kept."""
    yield "whole", None, "Whole prompt", range(len(reading.shown)), reading.prompt
    for number, item in enumerate(reading.items):
        yield "item", number, item.phrase, *_kept(reading, params, item.start, item.end)


def _leak_rows(reading: PromptAnalysis, params: PictureParams) -> Iterator[Plan]:
    """The chosen item encoded in isolation, alone and inserted into the whole prompt."""
    item = reading.items[reading.chosen]
    fixed = _fixed(reading, item)
    kept = _kept(reading, params, item.start, item.end, fixed)
    yield "alone", reading.chosen, f"{item.phrase}, encoded by itself", *kept
    yield "fixed", reading.chosen, "Whole prompt, fixed", range(len(reading.shown)), fixed


def _token_rows(reading: PromptAnalysis, params: PictureParams) -> Iterator[Plan]:
    """Each token of the chosen item, only this token kept."""
    item = reading.items[reading.chosen]
    for token in (reading.shown[n] for n in reading.kept(item.start, item.end)):
        label = reading.text[token.start : token.end]
        yield "token", reading.chosen, label, *_kept(reading, params, token.start, token.end)


def _kept(
    reading: PromptAnalysis,
    params: PictureParams,
    start: int,
    end: int,
    prompt: Conditioning | None = None,
) -> tuple[list[int], Conditioning]:
    """The shown tokens of characters `start:end`, and the conditioning that keeps only these."""
    given = prompt or reading.prompt
    positions = conditioning.positions_of(reading.tokens, start, end)
    kept = conditioning.keep(
        given, reading.adapter.empty, positions, keep_pooled=params.keep_pooled
    )
    return reading.kept(start, end), kept


def _fixed(reading: PromptAnalysis, item: PromptItem) -> Conditioning:
    """The whole prompt with the states of one item from its phrase encoded in isolation."""
    alone = conditioning.encode(reading.adapter, item.phrase)
    places = places_of(reading.adapter, reading.tokens, item)
    return conditioning.put(reading.prompt, alone, places)


def _pictures(
    model: ImagePipeline,
    reading: PromptAnalysis,
    params: PictureParams,
    tasks: list[RowTask],
    *,
    judged: bool,
    stage: str = "drawing",
) -> Generator[Event, None, dict[int, list[Verdict | None]]]:
    """Announce all rows, then draw them in batches; return the verdicts by row."""
    for task in tasks:
        yield task.event
    if not tasks:
        return {}
    places = [(task, column) for task in tasks for column in range(params.pictures)]
    size = conditioning.pictures_per_batch(
        reading.adapter, _sampling(params), params.rows_per_batch
    )
    verdicts: dict[int, list[Verdict | None]] = {task.event.row: [] for task in tasks}
    for at in range(0, len(places), size):
        yield Progress(stage=stage, done=at, total=len(places), unit="pictures")
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
    yield Progress(stage=stage, done=len(places), total=len(places), unit="pictures")
    return verdicts


def _draw(
    reading: PromptAnalysis, params: PictureParams, batch: list[tuple[RowTask, int]]
) -> np.ndarray:
    given = [task.given for task, _ in batch]
    seeds = [params.seed + column for _, column in batch]
    return conditioning.draw(reading.adapter, given, seeds, _sampling(params))


def _sampling(params: PictureParams) -> DrawingSettings:
    return DrawingSettings(params.steps, params.guidance, params.size)


def _verdict(reading: PromptAnalysis, row: Row, picture: np.ndarray) -> Verdict:
    seen = judge.detect(picture)
    about = reading.chosen if row.item is None else row.item
    others = [item for n, item in enumerate(reading.wanted) if n != about]
    test = judge.borrows if row.shows in ("whole", "fixed", "removed", "layer") else judge.leaks
    return Verdict(
        seen=[" ".join(look) for look in seen],
        shown=[judge.shows(seen, item) for item in reading.wanted],
        leak=test(seen, reading.wanted[about], others),
    )


def _finding(reading: PromptAnalysis, row: Row, verdicts: list[Verdict | None]) -> Finding:
    known = [verdict for verdict in verdicts if verdict]
    shown = [_count([verdict.shown[n] for verdict in known]) for n in range(len(reading.items))]
    own = shown[row.item] if row.shows == "token" and row.item is not None else None
    return Finding(
        row=row.row,
        pictures=len(verdicts),
        shown=shown,
        leaks=_count([verdict.leak for verdict in known]),
        representative=None if own is None else own >= REPRESENTATIVE_SHARE * len(verdicts),
    )


def _count(flags: list[bool | None]) -> int | None:
    known = [one for one in flags if one is not None]
    return sum(known) if known else None
