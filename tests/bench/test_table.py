"""What a line of the benchmark says."""

import pytest

from bench.table import Line, table


@pytest.mark.parametrize(
    ("line", "ratio", "goal", "verdict"),
    [
        (Line("a", "s", 2.0, "peer", 9.0, at_least_times=4), 4.5, "≥ 4 ×", "met"),
        (Line("a", "s", 3.0, "peer", 9.0, at_least_times=4), 3.0, "≥ 4 ×", "not met"),
        (Line("a", "ms", 250.0, at_most=250), None, "≤ 250 ms", "met"),
        (Line("a", "ms", 251.0, at_most=250), None, "≤ 250 ms", "not met"),
        (Line("a", "ms", 1.0, "peer", 2.0), 2.0, "none", "-"),
        (Line("a", "ms", 1.0, at_most=250, refused="maps differ"), None, "≤ 250 ms", "refused"),
    ],
)
def test_verdicts(line: Line, ratio: float | None, goal: str, verdict: str) -> None:
    assert (line.ratio, line.goal, line.verdict) == (ratio, goal, verdict)


def test_a_refusal_shows_why_and_no_time() -> None:
    shown = table([Line("a", "s", 2.0, "peer", 9.0, at_least_times=4, refused="maps differ")])
    assert "maps differ" in shown
    assert "4.5" not in shown
    assert "9" not in shown
