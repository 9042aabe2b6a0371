"""Shared by runs of several decoders: one trace per decoder, the main one being the method's
own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from analysis.findings import Event, Recorded, number, quote

REPEATS = 4  # minimum repetitions of the last token to be counted


@dataclass(frozen=True)
class DecoderRun:
    """A decoder's trace: its first and last event, and the text between them."""

    start: Event
    end: Event
    text: str
    answers: list[tuple[str, int]]


def decoders(run: Recorded) -> Iterator[DecoderRun]:
    """In the order in which they ran."""
    ends = {event["trace"]: event for event in run.all("trace_end")}
    for start in run.all("trace_start"):
        number_ = start["trace"]
        if number_ in ends:
            yield DecoderRun(
                start, ends[number_], "".join(_texts(run, number_)), _votes(run, number_)
            )


def main_text(run: Recorded) -> str | None:
    found = _main(run)
    return _written(_texts(run, found)) if found is not None else None


def _written(texts: list[str]) -> str:
    """The text; a token repeated at the end is written once, with its count."""
    again = 0
    while again < len(texts) and texts[-1 - again] == texts[-1]:
        again += 1
    if again < REPEATS:
        return "".join(texts)
    return f"{''.join(texts[: len(texts) - again + 1])} (× {again})"


def main_tokens(run: Recorded) -> list[str]:
    prompt = run.last("prompt_tokens")
    written = _main(run)
    return [
        *(prompt["texts"] if prompt else []),
        *(_texts(run, written) if written is not None else []),
    ]


def cost_line(decoder: DecoderRun) -> str:
    """A decoder's output, its steps and its forward passes."""
    start, end = decoder.start, decoder.end
    cost: dict[str, Any] = end["cost"]
    passes = cost["main_forwards"] + cost["trial_forwards"]
    answer = f"answers {quote(end['answer'])}" if end["answer"] else f"writes {quote(decoder.text)}"
    right = end.get("right")
    if right is not None:
        answer += " (right)" if right else " (wrong)"
    label, steps = str(start["label"]), _counted(end["steps"], "step")
    return (
        f"{label[:1].upper()}{label[1:]} {answer} in {steps}, "
        f"{_counted(passes, 'forward pass', 'forward passes')} and {cost['tokens_computed']} "
        f"computed tokens ({number(cost['seconds'], 's')})."
    )


def asked_line(decoder: DecoderRun) -> str | None:
    """Settings that the checkpoint gives for `generate` and this decoder did not apply; None:
    nothing.
    """
    left = decoder.start.get("not_applied") or {}
    if not left:
        return None
    settings = ", ".join(f"{name} {value}" for name, value in left.items())
    return f"The checkpoint's generation_config.json sets {settings[:200]}; this was not applied."


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _main(run: Recorded) -> int | None:
    starts = list(run.all("trace_start"))
    found = next((start for start in starts if start["main"]), starts[0] if starts else None)
    return int(found["trace"]) if found else None


def _texts(run: Recorded, trace: int) -> list[str]:
    written = [event for event in run.all("output_tokens") if event["trace"] == trace]
    return list(written[-1]["texts"]) if written else []


def _votes(run: Recorded, trace: int) -> list[tuple[str, int]]:
    found = [event for event in run.all("fork") if event["trace"] == trace]
    listed = found[-1]["votes"] if found else []
    return [(str(vote["answer"]), len(vote["trials"])) for vote in listed]
