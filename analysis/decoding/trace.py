"""Trace files: written from events, read with full validation, without a model."""

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from analysis.decoding.delay_events import Delays
from analysis.decoding.events import (
    VERSION,
    CanvasStep,
    Fork,
    OutputTokens,
    PromptTokens,
    TokenStep,
    TraceEnd,
    TraceEvent,
    TraceStart,
    TrialTokens,
)
from analysis.errors import GlassbenchError, shortened
from analysis.events import Event

FORMAT = "glassbench.trace"
LONGEST_FILE = 256 * 2**20  # characters
ADAPTER: TypeAdapter[Any] = TypeAdapter(TraceEvent)
KINDS = frozenset(ADAPTER.json_schema()["discriminator"]["mapping"])
OTHER_KINDS = frozenset({"progress", "model"})  # events of a run that are not part of its traces


class InvalidTrace(GlassbenchError):
    """A trace file cannot be read or is inconsistent."""

    code = "invalid_trace"


@dataclass
class Fan:
    """A branch point with its trials' tokens, by trial."""

    fork: Fork | None = None
    tokens: dict[int, list[TrialTokens]] = field(default_factory=dict)

    def events(self) -> Iterator[Event]:
        for parts in self.tokens.values():
            yield from parts
        if self.fork is not None:
            yield self.fork

    def ids(self, trial: int) -> list[int]:
        return [token for part in self.tokens.get(trial, []) for token in part.ids]


@dataclass
class DecoderTrace:
    """One decoder's trace; `end` is None while it is not finished."""

    start: TraceStart
    steps: list[TokenStep | CanvasStep] = field(default_factory=list)
    fans: dict[int, Fan] = field(default_factory=dict)
    output: list[OutputTokens] = field(default_factory=list)
    delays: Delays | None = None
    end: TraceEnd | None = None

    @property
    def ids(self) -> list[int]:
        """Output tokens."""
        return [token for part in self.output for token in part.ids]

    @property
    def text(self) -> str:
        return "".join(text for part in self.output for text in part.texts)

    def events(self) -> Iterator[Event]:
        yield self.start
        for step in self.steps:
            yield step
            if step.index in self.fans:
                yield from self.fans[step.index].events()
        if self.delays is not None:
            yield self.delays
        yield from self.output
        if self.end is not None:
            yield self.end

    def fan(self, index: int) -> Fan:
        return self.fans.setdefault(index, Fan())


@dataclass
class TraceFile:
    """The traces of one prompt, by number."""

    prompt: list[PromptTokens] = field(default_factory=list)
    traces: OrderedDict[int, DecoderTrace] = field(default_factory=OrderedDict)

    def events(self) -> Iterator[Event]:
        """The events of the file, in the order of the run."""
        yield from self.prompt
        for trace in self.traces.values():
            yield from trace.events()

    @property
    def prompt_ids(self) -> list[int]:
        return [token for part in self.prompt for token in part.ids]

    @property
    def prompt_text(self) -> str:
        return "".join(text for part in self.prompt for text in part.texts)


def schema() -> dict[str, Any]:
    """JSON schema of a trace file."""
    events = ADAPTER.json_schema(mode="serialization")
    definitions = events.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A trace file",
        "type": "object",
        "properties": {
            "format": {"const": FORMAT},
            "version": {"const": VERSION},
            "events": {"type": "array", "items": events},
        },
        "required": ["format", "version", "events"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def dump(events: Iterable[Event]) -> str:
    """The traces among the events as one JSON document."""
    kept = [event.model_dump(mode="json") for event in events if _kind(event) in KINDS]
    return json.dumps({"format": FORMAT, "version": VERSION, "events": kept}, ensure_ascii=False)


def load(text: str) -> TraceFile:
    """A document of `dump`, or the events of a run, one JSON object per line.

    Raises InvalidTrace naming the event and what is wrong with it.
    """
    if len(text) > LONGEST_FILE:
        raise InvalidTrace(
            f"The file has {len(text)} characters; the limit is {LONGEST_FILE}.",
            remedy="Export fewer traces into one file.",
        )
    return assemble(_parsed(text))


def assemble(events: Iterable[Event]) -> TraceFile:
    """The traces of these events. Raises InvalidTrace if they are inconsistent."""
    file = TraceFile()
    for number, event in enumerate(events):
        try:
            _take(file, event)
        except _Contradiction as error:
            raise InvalidTrace(
                f"Event {number} ({_kind(event)}): {error}.", remedy=EXPORT_AGAIN
            ) from None
    return file


EXPORT_AGAIN = "Export the trace again; do not edit it by hand."


class _Contradiction(Exception):
    """An inconsistency, as the end of a sentence."""


def _parsed(text: str) -> Iterator[Event]:
    for number, raw in enumerate(_objects(text)):
        kind = raw.get("kind") if isinstance(raw, dict) else None
        if kind in OTHER_KINDS:
            continue
        try:
            event: Event = ADAPTER.validate_python(raw)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "event"
            raise InvalidTrace(
                f"Event {number}: {where}: {first['msg']}. Given: {shortened(first['input'])}.",
                remedy=EXPORT_AGAIN,
            ) from None
        yield event


def _objects(text: str) -> list[Any]:
    """The events of either form of file, unchecked."""
    try:
        lines = [line for line in text.splitlines() if line.strip()]
        first = json.loads(lines[0]) if lines else None
        if isinstance(first, dict) and "kind" in first:
            return [json.loads(line) for line in lines]
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidTrace(
            f"The file is not JSON: {str(error)[:200]}.", remedy="Choose an exported trace."
        ) from None
    return _events_of(whole)


def _events_of(document: Any) -> list[Any]:
    found = document if isinstance(document, dict) else {}
    if found.get("format") != FORMAT or not isinstance(found.get("events"), list):
        raise InvalidTrace(
            f"The file's format is {shortened(found.get('format'))}; {FORMAT} is required.",
            remedy="Choose an exported trace, or the events.jsonl of a run.",
        )
    if found.get("version") != VERSION:
        raise InvalidTrace(
            f"The trace's version is {shortened(found.get('version'))}; this program reads "
            f"version {VERSION}.",
            remedy="Open it with the version of Glassbench that wrote it.",
        )
    events: list[Any] = found["events"]
    return events


def _take(file: TraceFile, event: Event) -> None:
    """Add an event to the file after validating it against the events before it."""
    match event:
        case PromptTokens():
            _follows(len(file.prompt_ids), event.start, event.total, event.ids, event.texts)
            file.prompt.append(event)
        case TraceStart():
            _claim(event.trace == len(file.traces), "traces are not numbered in their order")
            file.traces[event.trace] = DecoderTrace(event)
        case TokenStep() | CanvasStep():
            _take_step(_open(file, event.trace), event)
        case TrialTokens():
            _take_trial(_open(file, event.trace), event)
        case Fork():
            _take_fork(_open(file, event.trace), event)
        case OutputTokens():
            trace = _open(file, event.trace)
            _follows(len(trace.ids), event.start, event.total, event.ids, event.texts)
            trace.output.append(event)
        case Delays():
            _open(file, event.trace).delays = event
        case TraceEnd():
            trace = _open(file, event.trace)
            _check_end(trace, event)
            trace.end = event


def _open(file: TraceFile, number: int) -> DecoderTrace:
    _claim(number in file.traces, f"trace {number} has not begun")
    trace = file.traces[number]
    _claim(trace.end is None, f"trace {number} has ended already")
    return trace


def _follows(done: int, start: int, total: int, ids: list[int], texts: list[str]) -> None:
    _claim(start == done, f"it starts at {start}, but {done} tokens came before")
    _claim(len(ids) == len(texts), f"it has {len(ids)} ids and {len(texts)} texts")
    _claim(start + len(ids) <= total, f"its tokens reach beyond the {total} there are")


def _take_step(trace: DecoderTrace, step: TokenStep | CanvasStep) -> None:
    family = "diffusion" if isinstance(step, CanvasStep) else "autoregressive"
    _claim(trace.start.family == family, f"a step of a trace that is not {family}")
    _claim(step.index == len(trace.steps), f"step {step.index} follows {len(trace.steps)} steps")
    if isinstance(step, CanvasStep):
        columns: tuple[list[Any], ...] = (
            step.ids, step.texts, step.confidences, step.entropies, step.gaps, step.alternatives,
        )  # fmt: skip
        rows = len(step.positions)
        columns += () if step.doubts is None else (step.doubts,)
        _claim(all(len(c) == rows for c in columns), "its columns differ in length")
    else:
        single = step.decision == "single"
        _claim(
            single == (step.chosen is not None),
            "a single step must have a token and a branch point must not",
        )
    trace.steps.append(step)


def _take_trial(trace: DecoderTrace, part: TrialTokens) -> None:
    fan = trace.fan(part.index)
    done = len(fan.ids(part.trial))
    _claim(part.start == done, f"it starts at {part.start}, but {done} tokens came before")
    columns: tuple[list[Any], ...] = (
        part.texts, part.logprobs, part.logprobs_raw, part.entropies, part.ranks,
    )  # fmt: skip
    _claim(all(len(c) == len(part.ids) for c in columns), "its columns differ in length")
    fan.tokens.setdefault(part.trial, []).append(part)


def _take_fork(trace: DecoderTrace, fork: Fork) -> None:
    fan = trace.fan(fork.index)
    for number, trial in enumerate(fork.trials):
        found = len(fan.ids(number))
        _claim(found == trial.length, f"trial {number} has {found} tokens, not {trial.length}")
    _claim(0 <= fork.winner < len(fork.trials), f"there is no trial {fork.winner}")
    paths = {tuple(fan.ids(t)[:n]) for t, trial in enumerate(fork.trials) for n in _depths(trial)}
    _claim(len(paths) == fork.nodes, f"its trials have {len(paths)} nodes, not {fork.nodes}")
    fan.fork = fork


def _depths(trial: Any) -> range:
    return range(1, trial.length + 1)


def _check_end(trace: DecoderTrace, end: TraceEnd) -> None:
    _claim(end.steps == len(trace.steps), f"it counts {end.steps} steps of {len(trace.steps)}")
    _claim(end.length == len(trace.ids), f"it counts {end.length} tokens of {len(trace.ids)}")
    written = _written(trace)
    _claim(written == trace.ids, "the steps do not write the output")


def _written(trace: DecoderTrace) -> list[int]:
    """Output tokens, from the steps alone."""
    if trace.start.family == "diffusion":
        commits = [c for step in trace.steps if isinstance(step, CanvasStep) for c in step.commits]
        _claim(len({c.position for c in commits}) == len(commits), "a position is written twice")
        return [commit.id for commit in sorted(commits, key=lambda commit: commit.position)]
    ids: list[int] = []
    for step in trace.steps:
        assert isinstance(step, TokenStep)
        _claim(step.position == len(ids), f"step {step.index} is not at position {len(ids)}")
        ids += [step.chosen.id] if step.chosen else _winner(trace, step.index)
    return ids


def _winner(trace: DecoderTrace, index: int) -> list[int]:
    fan = trace.fans.get(index)
    if fan is None or fan.fork is None:
        raise _Contradiction(f"step {index} is a branch point without trials")
    return fan.ids(fan.fork.winner)[: fan.fork.kept]


def _claim(holds: bool, otherwise: str) -> None:  # noqa: FBT001
    if not holds:
        raise _Contradiction(otherwise)


def _kind(event: Event) -> str:
    return str(getattr(event, "kind", ""))
