"""What is counted while a program is timed, by a clock and programs of our own."""

import pytest

from trader.bench.chunks import Counts, time_chunks
from trader.bench.roof import best_gflops
from trader.bench.seeds import one_after_the_other, time_seeds


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Program:
    """Takes 3 s to compile and 0.01 s an iteration of 40 steps; learns once an iteration after the first ten."""

    def __init__(self, clock: Clock, late: int = 10) -> None:
        self.clock, self.late, self.done = clock, late, 0
        self.chunks: list[int] = []

    def __call__(self, n: int) -> Counts:
        self.clock.now += 0.01 * n + (3.0 if not self.chunks else 0.0)
        self.chunks.append(n)
        self.done += n
        return Counts(40 * self.done, float(max(0, self.done - self.late)))


def test_speed_is_that_of_whole_chunks_without_compilation_and_warm_up():
    clock = Clock()
    program = Program(clock)
    pace = time_chunks(program, 2.0, clock)
    assert pace.compile_s == pytest.approx(3.0)
    assert pace.iterations == 50  # half a second each
    assert pace.env_steps / pace.seconds == pytest.approx(4000.0)
    assert pace.updates / pace.seconds == pytest.approx(100.0)
    assert 2.0 <= pace.seconds <= 2.5
    timed = round(pace.env_steps / 40 / 50)
    assert program.chunks[-timed:] == [50] * timed


def test_timing_begins_only_once_the_program_learns():
    clock = Clock()
    program = Program(clock, late=5_000)
    pace = time_chunks(program, 0.1, clock)
    assert pace.updates == pace.env_steps / 40


def test_a_short_timing_times_at_least_one_chunk_of_its_own_length():
    clock = Clock()
    pace = time_chunks(Program(clock), 0.05, clock)
    assert pace.iterations in (4, 5)  # 0.05 s of 0.01 s each, by a clock of floating point
    assert pace.seconds >= 0.05 - 1e-9


def test_the_roof_is_the_fastest_of_several_products_without_the_first():
    clock = Clock()
    spans = iter([0.0001, 4.0, 2.0, 1.0, *[2.0] * 7])

    def product() -> None:
        clock.now += next(spans)

    assert best_gflops(product, 1000, clock) == pytest.approx(2.0)


def test_seeds_are_compared_with_one_after_a_warm_up_that_is_not_timed():
    clock, called = Clock(), []

    def group_of(count: int):
        def train(n: int) -> None:
            called.append((count, n))
            clock.now += n * (1 + count)

        return train

    costs = time_seeds(group_of, (1, 2, 8), warm_up=7, iterations=10, steps_per_iteration=4, clock=clock)
    assert [cost.relative for cost in costs] == pytest.approx([1.0, 1.5, 4.5])
    assert [cost.seconds for cost in costs] == pytest.approx([20.0, 30.0, 90.0])
    assert costs[2].env_steps_per_s == pytest.approx(8 * 10 * 4 / 90)
    assert called[:3] == [(1, 7), (1, 10), (1, 10)]


def test_seeds_one_after_the_other_cost_as_many_calls():
    called = []
    one_after_the_other(called.append)(3)(5)
    assert called == [5, 5, 5]
