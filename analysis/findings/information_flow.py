"""Information flow: the cut that changes the output most; for pictures, what each token shows."""

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.findings import Recorded, number, quote, texts


def tokens(run: Recorded) -> list[str]:
    prompt = run.last("prompt")
    listed = [prompt] if prompt else run.all("tokens")
    return [text for event in listed for text in texts(event["tokens"])]


def model_output(run: Recorded) -> str | None:
    first = next(run.all("tokens"), None)
    return "".join(tokens(run)[first["prompt_length"] :]) if first else None


def findings(run: Recorded) -> Iterator[str]:
    yield from _strongest(run)
    yield from _edit(run)
    yield from _pictures(run)


def _strongest(run: Recorded) -> Iterator[str]:
    flow, groups = run.last("flow"), run.last("groups")
    if not flow or not groups or not flow["strongest"]:
        return
    edge, names = flow["strongest"][0], texts(groups["groups"])
    yield (
        f"Cutting the attention of {quote(names[edge['query']])} to {quote(names[edge['key']])} in "
        f"all layers changes ln p of {quote(groups['target_text'])} by "
        f"{number(edge['delta_logprob'], 'nats')}, more than any other edge{_among(flow)}; random "
        f"cuts change it by {number(flow['control']['mean'], 'nats')} on average."
    )


def _among(flow: Mapping[str, Any]) -> str:
    """Of which edges, and how well the others are known; empty where all were cut."""
    found = flow.get("estimates")
    if not found:
        return ""
    rank = found["spearman"]
    agree = "" if rank is None else f", rank correlation with cuts {rank:.2f}"
    return (
        f" of {found['cut']} that were cut, {found['edges']} in all (the others estimated{agree})"
    )


def _edit(run: Recorded) -> Iterator[str]:
    edit = run.last("edit")
    if edit is None:
        return
    now = edit["first"][0]["text"]
    yield (
        f"The {edit['count']} chosen cuts change ln p of the output by "
        f"{number(edit['delta_logprob'], 'nats')}; the most probable next token is then "
        f"{quote(now)}."
    )


def _pictures(run: Recorded) -> Iterator[str]:
    found, prompt = run.last("findings"), run.last("prompt")
    if found is None or prompt is None:
        return
    for row in found["rows"]:
        if row["representative"]:
            label = next((e["label"] for e in run.all("row") if e["row"] == row["row"]), "")
            seen = max(count or 0 for count in row["shown"])
            yield (
                f"The token {quote(label)} alone shows its item in {seen} of {row['pictures']} "
                "pictures."
            )
    leaks = sum(row["leaks"] or 0 for row in found["rows"])
    pictures = sum(row["pictures"] for row in found["rows"] if row["leaks"] is not None)
    if pictures:
        yield f"Attributes leak to the other item in {leaks} of {pictures} judged pictures."
