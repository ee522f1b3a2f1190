from types import SimpleNamespace

import pytest

from benchmarks import stopwatch
from benchmarks.stopwatch import Stopwatch


@pytest.fixture
def sleep(monkeypatch):
    """Replace the clock by one that moves only when told to."""
    clock = [100.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: clock[0])
    return lambda seconds: clock.__setitem__(0, clock[0] + seconds)


def test_the_outer_clock_stands_still_while_an_inner_phase_runs(sleep):
    watch = Stopwatch()
    with watch.phase("outer"):
        sleep(1.0)
        with watch.phase("inner"):
            sleep(5.0)
        sleep(2.0)
    sleep(50.0)
    with watch.phase("inner"):
        sleep(0.5)
    assert watch.seconds == {"outer": 3.0, "inner": 5.5}


def test_a_phase_that_fails_is_charged_and_left(sleep):
    def failing():
        sleep(4.0)
        raise KeyError

    watch = Stopwatch()
    with watch.phase("outer"):
        with pytest.raises(KeyError):
            watch.timed(failing, "inner")()
        sleep(1.0)
    assert watch.seconds == {"outer": 1.0, "inner": 4.0}


def test_a_watched_function_keeps_its_arguments_and_result(sleep):
    module = SimpleNamespace(work=lambda seconds, twice: sleep(seconds) or 2 * twice)
    watch = Stopwatch()
    watch.watch(module, "work", "work")
    assert module.work(3.0, twice=21) == 42
    assert watch.seconds == {"work": 3.0}
