"""CNTP: the outputs of the decoders and their cost."""

from collections.abc import Iterator

from analysis.findings import Recorded, quote
from analysis.findings._traces import asked_line, cost_line, decoders, main_text, main_tokens


def tokens(run: Recorded) -> list[str]:
    return main_tokens(run)


def model_output(run: Recorded) -> str | None:
    return main_text(run)


def findings(run: Recorded) -> Iterator[str]:
    for decoder in decoders(run):
        yield cost_line(decoder)
        asked = asked_line(decoder) if decoder.start["main"] else None
        if asked:
            yield asked
        votes = decoder.answers
        if votes:
            yield f"Its branches gave: {', '.join(f'{quote(a)} × {n}' for a, n in votes)}."
