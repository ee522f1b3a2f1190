"""A run is one value: chunks, resuming and seeds change none of its bytes; events come at fixed steps."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from tests.agents.markets import ar1_market, market_env, on_device, segment_of, small_agent
from tests.agents.plain_loops import use_plain_loops
from trader import training
from trader.agents.agent import Agent, Carry, no_stats
from trader.lanes import Lanes, Trainer, build_trainer, lane_of, on_host, restore, snapshot
from trader.rollout import GreedyPass
from trader.training import Plan, Progress, Task

OPTIONS: dict[str, dict[str, Any]] = {
    "dqn": {"buffer_size": 128, "learning_starts": 40, "train_freq": 8, "gradient_steps": 2, "batch_size": 16},
    "a2c": {"n_steps": 2},
    "reinforce": {},
}
# Not a divisor of the episodes' ten bars: runs are cut mid-episode.
HALF = {"dqn": 248, "a2c": 248, "reinforce": 240}
PERIODS = 8760.0

Scores = Sequence[Sequence[float]]  # of each seed, one after the other


def agent_of(name: str) -> Agent:
    env = market_env(positions=[-1.0, 0.0, 1.0], max_episode_duration=10, trading_fees=0.001)
    return small_agent(name, env, num_envs=4, total=1_000, **OPTIONS[name])


def judged_by_weights(trainer: Trainer) -> Trainer:
    """Spare the compilation of the greedy pass: a validation's score follows from the present weights."""
    weights = trainer.agent.policy
    return trainer._replace(greedy=lambda *_: [greedy_of(float(sum(np.abs(w).sum() for w in weights.get_weights())))])


@pytest.fixture(scope="module", params=OPTIONS)
def trainer(request: pytest.FixtureRequest) -> Trainer:
    return judged_by_weights(build_trainer(agent_of(request.param)))


@pytest.fixture(scope="module")
def task() -> Task:
    market, train = on_device(ar1_market(300, seed=1, num_assets=2), segment_of((2, 200), (5, 180)))
    return Task(market, train, segment_of((210, 217), (210, 216)), PERIODS)


def played_through(trainer: Trainer, task: Task, total: int, lanes: Lanes, progress: Any) -> tuple[Any, ...]:
    """Run to `total` steps; return the events and the bytes of the value."""
    events = list(training.train(trainer, task, Plan(total, 48, 96, None), lanes, progress))
    arrays = snapshot(trainer, events[-1].lanes)
    return events, {name: array.tobytes() for name, array in arrays.items()}


def whole_run(trainer: Trainer, task: Task, seed: int, total: int) -> tuple[Any, ...]:
    return played_through(trainer, task, total, *training.start(trainer, task, [seed]))


def rows(events: list[training.Event]) -> list[tuple[int, dict[str, float]]]:
    return [(e.step, e.reports[0].metrics) for e in events if e.reports[0].metrics is not None]


def same_rows(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # NaN (no update yet) equals NaN


def test_chunk_lengths_change_nothing(trainer, task, monkeypatch):
    total = 2 * HALF[trainer.agent.name]
    monkeypatch.setattr(training, "_longer", lambda *_: 1)
    short, short_bytes = whole_run(trainer, task, 3, total)
    monkeypatch.setattr(training, "_longer", lambda *_: 1_000)
    long, long_bytes = whole_run(trainer, task, 3, total)
    assert len(short) > len(long)
    assert short_bytes == long_bytes
    assert same_rows(rows(short), rows(long))


def test_seeds_through_one_trainer_equal_each_alone_and_differ(trainer, task):
    total = HALF[trainer.agent.name]
    alone = [whole_run(trainer, task, seed, total)[1] for seed in (7, 8)]
    again = [whole_run(trainer, task, seed, total)[1] for seed in (8, 7)]
    assert alone == again[::-1]
    weights = [name for name in alone[0] if name == "variable/000"]
    assert all(alone[0][name] != alone[1][name] for name in weights)


def test_resuming_in_a_new_trainer_is_exact(trainer, task):
    name = trainer.agent.name
    half, total = HALF[name], 2 * HALF[name]
    uninterrupted, expected = whole_run(trainer, task, 5, total)
    lanes, progress = training.start(trainer, task, [5])
    for event in training.train(trainer, task, Plan(total, 48, 96, None), lanes, progress):
        if event.step >= half:
            break
    if name != "reinforce":
        assert (lane_of(trainer, on_host(trainer, event.lanes).carry, 0).env.elapsed > 0).any()
    saved = snapshot(trainer, event.lanes)
    fresh = judged_by_weights(build_trainer(agent_of(name)))
    template, _ = training.start(fresh, task, [99])
    restored = restore(fresh, template, [saved])
    resumed, found = played_through(fresh, task, total, restored, (event.reports[0].progress,))
    assert found == expected
    assert same_rows(rows(resumed), [row for row in rows(uninterrupted) if row[0] > event.step])


def test_a_snapshot_of_another_shape_is_refused(trainer, task):
    lanes, _ = training.start(trainer, task, [0])
    arrays = snapshot(trainer, lanes)
    with pytest.raises(KeyError):
        restore(trainer, lanes, [{k: v for k, v in arrays.items() if k != "carry/env/account/cash"}])
    for name in ("carry/env/account/cash", "variable/000"):
        with pytest.raises(ValueError, match="shape"):
            restore(trainer, lanes, [arrays | {name: arrays[name][:-1]}])


def test_eager_and_compiled_iterations_agree(trainer, task, monkeypatch):
    agent = trainer.agent
    compiled, _ = training.start(trainer, task, [11])
    num = 2 if agent.name == "reinforce" else 8
    compiled = trainer.chunk(task.market, task.train, compiled, np.int32(num))
    ours = snapshot(trainer, compiled)
    use_plain_loops(monkeypatch)
    eager = training.start(trainer, task, [11])[0].carry
    for _ in range(num):
        eager = agent.iterate(task.market, task.train, eager)
    for name, array in snapshot(trainer, Lanes(None, eager)).items():
        np.testing.assert_allclose(array, ours[name], rtol=2e-3, atol=2e-3, err_msg=name)


def greedy_of(growth: float) -> GreedyPass:
    """One asset, one bar, whose validation score is `growth`."""
    one = np.ones((1, 1))
    return GreedyPass(one.astype(np.int32), one, one * np.exp(growth), one.astype(bool))


def counting(scores: Scores, size: int = 10) -> Trainer:
    """A trainer that only counts steps, `size` an iteration; each of its seeds is given its validation scores."""
    unused: Any = None
    agent = Agent("counting", unused, unused, [], size, unused, unused, unused, unused, lambda step: 0.5)

    def chunk(market: Any, segment: Any, lanes: Lanes, n: Any) -> Lanes:
        stats = lanes.carry.stats._replace(steps=lanes.carry.stats.steps + size * int(n))
        return lanes._replace(carry=lanes.carry._replace(step=lanes.carry.step + size * int(n), stats=stats))

    given: Iterator[tuple[float, ...]] = iter(zip(*scores, strict=True))
    grid = None if len(scores) == 1 else "unused"
    return Trainer(agent, len(scores), grid, chunk, lambda *_: [greedy_of(score) for score in next(given)], {})


def counted_from(step: int, num_lanes: int) -> Lanes:
    axis = (num_lanes,) if num_lanes > 1 else ()
    stats = type(no_stats())(*(np.zeros(axis, np.float32) for _ in no_stats()))
    return Lanes(None, Carry((), (), np.zeros((*axis, 2), np.int32), np.int32(step), stats))


def heard_together(scores: Scores, plan: Plan, size: int = 10) -> list[training.Event]:
    lanes, progress = counted_from(0, len(scores)), (Progress(),) * len(scores)
    return list(training.train(counting(scores, size), Task(None, None, None, 1.0), plan, lanes, progress))


def heard(scores: list[float], plan: Plan, size: int = 10) -> list[training.Event]:
    return heard_together([scores], plan, size)


def told(events: list[training.Event], seed: int = 0) -> list[training.Report]:
    return [event.reports[seed] for event in events]


def test_sums_begin_anew_after_each_row():
    events = heard([0.0] * 4, Plan(80, 30, 20, None))
    sums = [(e.step, float(np.asarray(e.lanes.carry.stats.steps)), e.reports[0].metrics is not None) for e in events]
    assert [(step, steps) for step, steps, is_row in sums if is_row] == [(30, 0.0), (60, 0.0), (80, 0.0)]
    assert (40, 10.0, False) in sums


@pytest.mark.parametrize(
    ("size", "eval_freq", "save_freq", "total", "evals", "saves"),
    [
        (10, 30, 50, 100, [30, 60, 90, 100], [50, 100]),
        (10, 25, 45, 95, [30, 50, 80, 100], [50, 90, 100]),
        (64, 50, 100, 300, [64, 128, 192, 256, 320], [128, 256, 320]),
        (10, 1_000, 1_000, 20, [20], [20]),
    ],
)
def test_rows_and_saves_come_at_the_first_iteration_past_each_multiple(size, eval_freq, save_freq, total, evals, saves):
    events = heard([0.0] * 20, Plan(total, eval_freq, save_freq, None), size)
    assert [e.step for e in events if e.reports[0].metrics] == evals
    assert [e.step for e in events if e.save_due] == saves
    assert [e.finished for e in events] == [False] * (len(events) - 1) + [True]


def test_the_best_validation_is_the_earliest_of_ties():
    reports = told(heard([0.1, 0.3, 0.3, 0.2], Plan(40, 10, 100, None)))
    assert [report.is_best for report in reports] == [True, True, False, False]
    assert (reports[-1].progress.best_step, reports[-1].progress.stale) == (20, 2)
    assert reports[-1].progress.best_score == pytest.approx(0.3)


def test_training_stops_after_as_many_stale_validations_as_patience():
    events = heard([0.1, 0.3, 0.3, 0.4, 0.2, 0.1, 0.9], Plan(1_000, 10, 100, 2))
    assert [e.step for e in events if e.reports[0].metrics] == [10, 20, 30, 40, 50, 60]
    assert events[-1].finished
    assert events[-1].save_due
    assert events[-1].reports[0].progress.best_step == 40


def test_a_seed_that_stops_early_is_saved_and_left_alone_while_the_others_go_on():
    stops, goes_on = [0.3, 0.2, 0.1, 9.0, 9.0], [0.1, 0.2, 0.3, 0.2, 0.4]
    events = heard_together([stops, goes_on], Plan(50, 10, 1_000, 2))
    assert [e.step for e in events if e.save_due] == [30, 50]
    assert [e.finished for e in events] == [e.step == 50 for e in events]
    first, second = told(events, 0), told(events, 1)
    assert [r.ran for r in first if r.metrics or not r.ran] == [True, True, True, False, False]
    assert all(r == training.Report(first[2].progress, None, False, False) for r in first if not r.ran)
    assert first[-1].progress == Progress(pytest.approx(0.3), 10, 2, True)
    assert [r.is_best for r in second if r.metrics] == [True, True, True, False, True]
    assert second[-1].progress == Progress(pytest.approx(0.4), 50, 0, True)


def test_each_seed_hears_its_own_scores_and_all_their_sums_begin_anew():
    events = heard_together([[0.1, 0.2], [0.4, 0.3], [-1.0, -2.0]], Plan(20, 10, 5, None))
    scores = [[r.metrics["valid/log_growth"] for r in told(events, seed) if r.metrics] for seed in range(3)]
    assert scores == [pytest.approx([0.1, 0.2]), pytest.approx([0.4, 0.3]), pytest.approx([-1.0, -2.0])]
    assert [[r.is_best for r in told(events, seed)] for seed in range(3)] == [
        [True, True],
        [True, False],
        [True, False],
    ]
    assert np.asarray(events[-1].lanes.carry.stats.steps).tolist() == [0.0] * 3


def test_a_finished_run_does_nothing_more():
    for num_lanes in (1, 2):
        idle, done = counting([[]] * num_lanes), (Progress(finished=True),) * num_lanes
        lanes = counted_from(40, num_lanes)
        assert list(training.train(idle, Task(None, None, None, 1.0), Plan(80, 10, 10, 1), lanes, done)) == []


def test_the_first_losing_score_is_still_a_best():
    assert heard([-5.0], Plan(10, 10, 10, None))[0].reports[0].is_best


def test_chunks_grow_up_to_a_tick_and_only_after_a_full_one():
    assert training._longer(8, 3, 0.001) == 8
    assert training._longer(8, 8, 0.001) == 32
    assert training._longer(8, 8, 0.25) == 16
    assert training._longer(8, 8, 100.0) == 1


def test_train_metrics_are_means_since_the_last_row():
    stats = no_stats()._replace(reward=6.0, steps=4.0, loss=3.0, updates=2.0, entropy=1.0)
    sampled = counting([[]]).agent._replace(exploration=lambda step: None)
    assert training._train_metrics(sampled, 0, stats) == {"train/reward": 1.5, "train/loss": 1.5, "train/entropy": 0.5}
    assert training._train_metrics(counting([[]]).agent, 0, stats)["train/exploration_rate"] == 0.5
    assert np.isnan(training._train_metrics(sampled, 0, no_stats())["train/loss"])
