"""Timing whole chunks of a compiled program that counts its own steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

CHUNK_SECONDS = 0.5
WARM_UP_SECONDS = 1.5

Clock = Callable[[], float]


class Counts(NamedTuple):
    """What a program has done since its beginning."""

    env_steps: int
    updates: float


class Pace(NamedTuple):
    """What a program did while it was timed.

    Attributes:
        env_steps, updates: done while timed.
        seconds: timed, compilation and warm-up left out.
        compile_s: first call less a second one of the same length.
        iterations: of the last chunk.
    """

    env_steps: int
    updates: float
    seconds: float
    compile_s: float
    iterations: int


# Moves a run on by n iterations, waits for the device and tells what was done since the beginning.
Advance = Callable[[int], Counts]


def time_chunks(advance: Advance, seconds: float, clock: Clock = time.perf_counter) -> Pace:
    """Compile, warm up and time a program for at least `seconds`.

    Chunks grow until one takes half a second (or `seconds`, when that is less), so that calling costs next to nothing,
    and warming up lasts until the program has learnt at least once.
    """
    began = clock()
    advance(1)
    compiled = clock()
    counts = advance(1)
    compile_s = max(0.0, (compiled - began) - (clock() - compiled))
    n = _warmed_up(advance, counts, min(seconds, CHUNK_SECONDS), min(seconds, WARM_UP_SECONDS), clock)
    first, begun = advance(n), clock()
    last, now = first, begun
    while now - begun < seconds:
        last, now = advance(n), clock()
    return Pace(last.env_steps - first.env_steps, last.updates - first.updates, now - begun, compile_s, n)


def _warmed_up(advance: Advance, counts: Counts, chunk_seconds: float, seconds: float, clock: Clock) -> int:
    """Return how many iterations take about `chunk_seconds`."""
    n, chunk, begun = 1, 0.0, clock()
    while counts.updates < 1 or clock() - begun < seconds or chunk < chunk_seconds / 2:
        began = clock()
        counts = advance(n)
        chunk = clock() - began
        n = min(4 * n, max(1, int(n * chunk_seconds / max(chunk, 1e-6))))
    return n
