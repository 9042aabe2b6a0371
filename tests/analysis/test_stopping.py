"""A request stops the run it names, and no other."""

import pytest

from analysis import stopping
from analysis.stopping import RunStopped, stoppable


def test_only_the_named_run_is_stopped_and_only_while_it_runs() -> None:
    stopping.check()
    stopping.request("one")
    stopping.check()
    with stoppable("two"):
        stopping.request("one")  # its end came first
        stopping.check()
        stopping.request("two")
        with pytest.raises(RunStopped):
            stopping.check()
    stopping.check()
    with stoppable("three"):
        stopping.check()


def test_no_library_can_catch_it() -> None:
    assert not issubclass(RunStopped, Exception)
