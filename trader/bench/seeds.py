"""What several seeds cost beside one, in one program or one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from trader.bench.chunks import Clock

# Trains a number of seeds by n iterations each and waits for the device.
Group = Callable[[int], object]

_REPEATS = 2


class SeedCost(NamedTuple):
    """Time of training `seeds` seeds by the same number of iterations.

    Attributes:
        seeds: how many.
        seconds: shortest of two.
        relative: to the time of one seed.
        env_steps_per_s: of all seeds together.
    """

    seeds: int
    seconds: float
    relative: float
    env_steps_per_s: float


def time_seeds(
    group_of: Callable[[int], Group],
    counts: Sequence[int],
    warm_up: int,
    iterations: int,
    steps_per_iteration: int,
    clock: Clock = time.perf_counter,
) -> list[SeedCost]:
    """Return the cost of each number of seeds.

    Args:
        group_of: number of seeds -> what trains them.
        counts: ascending, beginning with 1.
        warm_up: iterations before the timed ones (compilation, first update).
        iterations: timed ones, of every seed.
        steps_per_iteration: environment steps of one seed.
        clock: seconds.
    """
    costs: list[SeedCost] = []
    for count in counts:
        seconds = _shortest(group_of(count), warm_up, iterations, clock)
        relative = seconds / costs[0].seconds if costs else 1.0
        costs.append(SeedCost(count, seconds, relative, count * iterations * steps_per_iteration / seconds))
    return costs


def _shortest(group: Group, warm_up: int, iterations: int, clock: Clock) -> float:
    group(warm_up)
    shortest = float("inf")
    for _ in range(_REPEATS):
        began = clock()
        group(iterations)
        shortest = min(shortest, clock() - began)
    return shortest


def one_after_the_other(group: Group) -> Callable[[int], Group]:
    """Return groups that call the group of one seed again and again."""

    def group_of(count: int) -> Group:
        return lambda n: [group(n) for _ in range(count)]

    return group_of
