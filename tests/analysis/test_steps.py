from collections.abc import Generator

from analysis.events import Progress
from analysis.steps import follow
from tests.drain import drain


def progress(step: int) -> Progress | None:
    return Progress(stage="a", done=step, total=3, unit="rows") if step % 2 else None


def test_steps_become_events_and_the_result_is_returned() -> None:
    def counting() -> Generator[int, None, str]:
        yield from range(4)
        return "end"

    assert drain(follow(counting(), progress)) == ([progress(1), progress(3)], "end")


def test_closing_closes_what_is_followed() -> None:
    closed = []

    def counting() -> Generator[int, None, None]:
        try:
            yield from range(1, 4)
        finally:
            closed.append(True)

    events = follow(counting(), progress)
    next(events)
    events.close()
    assert closed == [True]
