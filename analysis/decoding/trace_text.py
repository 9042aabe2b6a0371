"""A trace as lines of text."""

from collections.abc import Iterator

from analysis.decoding.events import CanvasStep, Fork, TokenStep
from analysis.decoding.trace import DecoderTrace, TraceFile

SHOWN = 60  # characters of a text


def lines(file: TraceFile) -> Iterator[str]:
    """The prompt, then each trace: its steps, its output and its cost."""
    yield f"prompt  {file.prompt_text!r}"
    for trace in file.traces.values():
        yield ""
        yield from _trace_lines(trace)


def _trace_lines(trace: DecoderTrace) -> Iterator[str]:
    start = trace.start
    approximate = f" (approximate: {start.approximation})" if start.approximation else ""
    yield f"trace {start.trace}  {start.label}  [{start.model}, seed {start.seed}]{approximate}"
    for step in trace.steps:
        yield f"  {_step_line(step)}"
        fan = trace.fans.get(step.index)
        if fan is not None and fan.fork is not None:
            texts = {
                n: "".join(t for p in parts for t in p.texts) for n, parts in fan.tokens.items()
            }
            yield from (f"    {line}" for line in _fork_lines(fan.fork, texts))
    yield f"  output  {trace.text!r}"
    if trace.delays is not None and trace.delays.proposal is not None:
        yield f"  {trace.delays.proposal.sentence}"
    yield f"  {_end_line(trace)}"


def _step_line(step: TokenStep | CanvasStep) -> str:
    if isinstance(step, CanvasStep):
        commits = ", ".join(f"{c.position}:{c.text!r} {c.reason}" for c in step.commits)
        return f"{step.index:4}  block {step.block}, {len(step.positions)} masks  {commits}"
    what = f"{step.trials} trials" if step.chosen is None else repr(step.chosen.text)
    return f"{step.index:4}  at {step.position}, H {step.entropy:.3f}  {what} ({step.reason})"


def _fork_lines(fork: Fork, texts: dict[int, str]) -> Iterator[str]:
    for number, trial in enumerate(fork.trials):
        mark = "*" if number == fork.winner else " "
        text = texts.get(number, "")
        short = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
        yield f"{mark} {number:2}  {trial.score:9.4f}  {trial.end:6}  {short!r}"


def _end_line(trace: DecoderTrace) -> str:
    if trace.end is None:
        return "incomplete: the run was stopped"
    end, cost = trace.end, trace.end.cost
    verdict = "" if end.right is None else f" ({'right' if end.right else 'wrong'})"
    answer = "" if end.answer is None else f", answer {end.answer!r}{verdict}"
    return (
        f"{end.length} tokens, {cost.main_forwards} + {cost.trial_forwards} forward passes, "
        f"{cost.tokens_wasted} tokens wasted, {cost.seconds:.2f} s, ended by {end.stop}{answer}"
    )
