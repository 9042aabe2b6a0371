"""<SEG> similarity: what the answer names, and how far the patches matter to it."""

from collections.abc import Iterator

from analysis.findings import Recorded, number, quote


def tokens(run: Recorded) -> list[str]:
    """By position; those of the picture's patches have no text."""
    found = run.last("tokens")
    named = {token["position"]: token["text"] for token in found["tokens"]} if found else {}
    return [str(named.get(at, "")) for at in range(max(named, default=-1) + 1)]


def said(run: Recorded) -> str | None:
    found = run.last("tokens")
    return str(found["answer"]) if found else None


def asked(run: Recorded) -> str | None:
    found = run.last("scene")
    return str(found["question"]) if found else None


MASKS = {
    "mask_decoder": "mask that the token prompts",
    "points": "mask that the map's points prompt",
    "both": "mask that the token and the points prompt",
    "map": "thresholded map",
}


def findings(run: Recorded) -> Iterator[str]:
    found = run.last("tokens")
    if found is None:
        return
    names = tokens(run)
    query = found["query"]
    if query is not None and query < len(names):
        yield f"The map compares the picture's patches with {quote(names[query])}."
    if found["right"] is not None:
        yield f"The answer is {'right' if found['right'] else 'wrong'}."
    for mask in run.all("mask"):
        if mask["iou"] is not None and mask["source"] in MASKS:
            name = MASKS[mask["source"]]
            yield f"The {name} overlaps with the true one by an IoU of {number(mask['iou'])}."
    changes = {control: list(_changes(run, control=control)) for control in (False, True)}
    if changes[False]:
        beside = (
            f", patches drawn at random {number(sum(changes[True]) / len(changes[True]), 'nats')}"
            if changes[True]
            else ""
        )
        yield (
            f"Blanking the region changes the answer's ln p by {number(changes[False][-1], 'nats')}"
            f"{beside}."
        )


def _changes(run: Recorded, *, control: bool) -> Iterator[float]:
    return (e["answer_change"] for e in run.all("blanked") if e["control"] is control)
