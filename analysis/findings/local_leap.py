"""LocalLeap: the steps and the output of each decoder."""

from collections.abc import Iterator

from analysis.findings import Recorded, number
from analysis.findings._traces import cost_line, decoders, main_text, main_tokens

LIMITS = (
    "This is one prompt without its end-of-text positions. Evaluations of one position are "
    "correlated, so that the interval is too narrow; final means the output of this run, not "
    "right."
)


def tokens(run: Recorded) -> list[str]:
    return main_tokens(run)


def model_output(run: Recorded) -> str | None:
    return main_text(run)


def findings(run: Recorded) -> Iterator[str]:
    for decoder in decoders(run):
        yield cost_line(decoder)
    delays = run.last("delays")
    if delays is not None:
        share = delays["redundancy"]["share"]
        yield (
            f"Averaged over positions, {number(100 * share, '%')} of the evaluations of a position "
            "came after its prediction was final."
        )
        proposal = delays.get("proposal")
        if proposal is not None:
            yield f"{proposal['sentence']} {LIMITS}"
