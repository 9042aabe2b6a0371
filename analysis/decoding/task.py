"""Shared by all traces of a run: the model, the prompt, the seed, and the first and last events."""

import hashlib
import json
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from analysis.decoding.answers import AnswerPattern, is_right
from analysis.decoding.events import (
    TOKENS_PER_EVENT,
    Family,
    Forced,
    OutputTokens,
    PromptTokens,
    TraceEnd,
    TraceStart,
    TraceStop,
)
from analysis.decoding.meter import TraceMeter
from analysis.decoding.params import PromptParams
from analysis.events import Event, Progress
from analysis.model import Model
from analysis.text import tokenization as texts

SECONDS_PER_PROGRESS = 0.1


@dataclass(frozen=True)
class DecodingTask:
    """A model and the encoded prompt."""

    model: Model
    prompt: list[int]
    seed: int
    eos: tuple[int, ...]
    answer: AnswerPattern
    length: int  # maximum number of output tokens
    known: str = ""  # the correct answer; empty: unknown

    def prompt_events(self) -> Iterator[PromptTokens]:
        shown = texts.display_texts(self.model.tokenizer, self.prompt)
        for start in range(0, len(shown), TOKENS_PER_EVENT):
            part = slice(start, start + TOKENS_PER_EVENT)
            yield PromptTokens(
                start=start, total=len(shown), ids=self.prompt[part], texts=shown[part]
            )

    def text(self, output: list[int]) -> str:
        """The output as text, without special tokens."""
        return str(self.model.tokenizer.decode(output, skip_special_tokens=True))

    def read_answer(self, output: list[int]) -> str | None:
        return self.answer.read(self.text(output))


@dataclass(frozen=True)
class DecoderSetup:
    """A decoder: its name, its label, and all parameters that affect it."""

    decoder: str
    label: str
    family: Family
    settings: dict[str, int | float | str | bool]
    stop_rule: str
    forced: tuple[Forced, ...] = ()
    approximation: str = ""
    mask_id: int | None = None
    block: int | None = None
    applied: dict[str, Any] = field(default_factory=dict)
    not_applied: dict[str, Any] = field(default_factory=dict)
    samples_of: int | None = None


def read_task(
    model: Model, params: PromptParams, *, length: int, eos: tuple[int, ...], context: int
) -> DecodingTask:
    """Encode the prompt. Raises PromptEmpty, PromptTooLong, SpecialTokenInText, InvalidText."""
    answer = AnswerPattern(params.answer_pattern)
    answer.read("")  # refuses an invalid pattern before any work
    prompt = texts.encode_prompt(
        model.tokenizer, params.prompt, chat=params.chat, special=params.special_tokens
    )
    ids = _open_ended(model, prompt.ids, eos)
    texts.check_length(len(ids), output=length, context=context)
    return DecodingTask(model, ids, params.seed, eos, answer, length, params.right_answer)


def _open_ended(model: Model, ids: list[int], eos: tuple[int, ...]) -> list[int]:
    """Remove the token that the tokenizer appends to every text, as BERT's does."""
    closes = model.tokenizer("a").input_ids[-1] in eos
    return ids[:-1] if closes and len(ids) > 1 and ids[-1] in eos else ids


def start_event(task: DecodingTask, plan: DecoderSetup, trace: int) -> TraceStart:
    info = task.model.info
    return TraceStart(
        trace=trace,
        decoder=plan.decoder,
        label=plan.label,
        family=plan.family,
        main=trace == 0,
        approximation=plan.approximation,
        model=info.id,
        revision=info.revision,
        dtype=info.dtype,
        tokenizer=tokenizer_hash(task.model),
        seed=task.seed,
        settings=plan.settings,
        stop_rule=plan.stop_rule,
        eos_ids=list(task.eos),
        mask_id=plan.mask_id,
        length=task.length,
        block=plan.block,
        forced=list(plan.forced),
        applied=plan.applied,
        not_applied=plan.not_applied,
        samples_of=plan.samples_of,
    )


def end_events(
    task: DecodingTask,
    trace: int,
    output: list[int],
    *,
    stop: TraceStop,
    steps: int,
    meter: TraceMeter,
) -> Iterator[OutputTokens | TraceEnd]:
    """Yield the final output, then its cost."""
    cost = meter.cost(kept=len(output))
    answer = task.read_answer(output)
    shown = texts.display_continued(task.model.tokenizer, output, before=task.prompt)
    for start in range(0, len(output), TOKENS_PER_EVENT):
        part = slice(start, start + TOKENS_PER_EVENT)
        yield OutputTokens(
            trace=trace, start=start, total=len(output), ids=output[part], texts=shown[part]
        )
    yield TraceEnd(
        trace=trace,
        stop=stop,
        steps=steps,
        length=len(output),
        answer=answer,
        right=is_right(answer, task.known),
        cost=cost,
    )


def tokenizer_hash(model: Model) -> str:
    """sha256 of the tokenizer: of the whole definition of a fast one, else of the vocabulary."""
    backend: Any = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is not None:
        content = backend.to_str()
    else:
        content = json.dumps(model.tokenizer.get_vocab(), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def paced(events: Generator[Event, None, Any]) -> Iterator[Event]:
    """The events, with at most one progress event per SECONDS_PER_PROGRESS."""
    sent = 0.0
    for event in events:
        now = time.perf_counter()
        if isinstance(event, Progress):
            if now - sent < SECONDS_PER_PROGRESS:
                continue
            sent = now
        yield event
