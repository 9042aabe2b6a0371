"""<SEG> similarity: the segmented region, and how much the answer depends on its patches."""

from collections.abc import Iterator

from analysis.findings import Recorded, number, quote


def tokens(run: Recorded) -> list[str]:
    """Texts by position; image tokens have no text."""
    found = run.last("tokens")
    named = {token["position"]: token["text"] for token in found["tokens"]} if found else {}
    return [str(named.get(at, "")) for at in range(max(named, default=-1) + 1)]


def model_output(run: Recorded) -> str | None:
    found = run.last("tokens")
    return str(found["answer"]) if found else None


def asked(run: Recorded) -> str | None:
    found = run.last("scene")
    return str(found["question"]) if found else None


MASKS = {
    "mask_decoder": "mask prompted by the token",
    "points": "mask prompted by the map's points",
    "both": "mask prompted by the token and the points",
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
            yield f"The {name} has an IoU of {number(mask['iou'])} with the ground truth."
    changes = {control: list(_changes(run, control=control)) for control in (False, True)}
    if changes[False]:
        control = (
            f", masking random patches by {number(sum(changes[True]) / len(changes[True]), 'nats')}"
            if changes[True]
            else ""
        )
        yield (
            "Masking the region changes the answer's ln p by "
            f"{number(changes[False][-1], 'nats')}{control}."
        )


def _changes(run: Recorded, *, control: bool) -> Iterator[float]:
    return (e["answer_change"] for e in run.all("blanked") if e["control"] is control)
