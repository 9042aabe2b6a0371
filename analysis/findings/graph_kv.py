"""Graph-KV: the mode in which the answer is most probable."""

from collections.abc import Iterator

from analysis.findings import Recorded, number, quote


def tokens(run: Recorded) -> list[str]:
    """Comments name segments and blocks, not tokens."""
    return []


def model_output(run: Recorded) -> str | None:
    best = _best(run)
    return str(best["text"]) if best else None


def findings(run: Recorded) -> Iterator[str]:
    found = sorted(run.all("arrangement"), key=lambda event: -event["logprob"])
    answer = run.last("answer")
    if not found or answer is None:
        return
    best, worst = found[0], found[-1]
    yield (
        f"Of {len(found)} modes, {_name(best)} makes the answer {quote(answer['text'])} most "
        f"probable: ln p {number(best['logprob'], 'nats')}; {_name(worst)} least: "
        f"{number(worst['logprob'], 'nats')}."
    )
    cut = min(run.all("knock_out"), key=lambda event: event["delta"], default=None)
    if cut is not None:
        yield (
            f"The edge on which the answer depends most is {_edge(run, cut['edge'])}: without it "
            f"ln p changes by {number(cut['delta'], 'nats')}."
        )
    wide = max(run.all("spread"), key=lambda event: event["range"], default=None)
    if wide is not None:
        yield (
            f"Over {wide['orders']} orders of the segments, ln p varies most in {_name(wide)}: by "
            f"{number(wide['range'], 'nats')}."
        )


def _edge(run: Recorded, index: int) -> str:
    """The target segment and the source segment, by name."""
    found = run.last("segments")
    if found is None:
        return f"edge {index + 1}"
    edge, segments = found["edges"][index], found["segments"]
    reader, source = (str(segments[edge[end]]["id"]) for end in ("target", "source"))
    return f"{quote(reader)} attending to {quote(source)}"


def _best(run: Recorded) -> dict[str, object] | None:
    found = max(run.all("arrangement"), key=lambda event: event["logprob"], default=None)
    return dict(found) if found else None


def _name(event: object) -> str:
    assert isinstance(event, dict)
    return str(event["mode"]).replace("_", " ")
