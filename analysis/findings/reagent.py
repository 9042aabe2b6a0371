"""ReAGent: the input token that the output depends on most."""

from collections.abc import Iterator

from analysis.findings import Recorded, number, quote, texts

ROWS_NAMED = 3


def tokens(run: Recorded) -> list[str]:
    return [text for event in run.all("tokens") for text in texts(event["tokens"])]


def model_output(run: Recorded) -> str | None:
    first = next(run.all("tokens"), None)
    return "".join(tokens(run)[first["prompt_length"] :]) if first else None


def findings(run: Recorded) -> Iterator[str]:
    scores, output = run.last("scores"), run.last("output")
    if scores is None or output is None:
        return
    names, mean = tokens(run), run.array(scores["mean"])
    error = run.array(scores["standard_error"])
    first = len(names) - len(output["steps"])
    start = first + output["target_start"]
    target = "".join(names[start : start + output["target_length"]])
    # Row 0 is the target; each other row is an output token.
    shown = [target, *names[first:]]
    for row, text in enumerate(shown[:ROWS_NAMED]):
        if row and text == target:
            continue  # already included
        count = scores["valid"][row]
        best = max(range(count), key=lambda at: abs(mean[row, at]))
        score = number(mean[row, best], scores["unit"], error=error[row, best])
        yield (
            f"Of {count} input tokens, the output {quote(text)} depends most on "
            f"{quote(names[best])} (token {best + 1}): {score}, from {scores['probes']} probes."
        )
