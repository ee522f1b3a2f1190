"""A run is one value: chunks, resuming and seeds change none of its bytes; events come at fixed steps."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.agents.markets import ar1_market, market_env, on_device, segment_of, small_agent
from trader import training
from trader.agents.agent import Agent, Carry, no_stats
from trader.rollout import GreedyPass
from trader.training import Plan, Progress, Task, Trainer

OPTIONS: dict[str, dict[str, Any]] = {
    "dqn": {"buffer_size": 128, "learning_starts": 40, "train_freq": 8, "gradient_steps": 2, "batch_size": 16},
    "a2c": {"n_steps": 2},
    "reinforce": {},
}
# Not a divisor of the episodes' ten bars: runs are cut mid-episode.
HALF = {"dqn": 248, "a2c": 248, "reinforce": 240}
PERIODS = 8760.0


def agent_of(name: str) -> Agent:
    env = market_env(positions=[-1.0, 0.0, 1.0], max_episode_duration=10, trading_fees=0.001)
    return small_agent(name, env, num_envs=4, total=1_000, **OPTIONS[name])


def judged_by_weights(trainer: Trainer) -> Trainer:
    """Spare the compilation of the greedy pass: a validation's score follows from the present weights."""
    weights = trainer.agent.policy
    return trainer._replace(greedy=lambda *_: greedy_of(float(sum(np.abs(w).sum() for w in weights.get_weights()))))


@pytest.fixture(scope="module", params=OPTIONS)
def trainer(request: pytest.FixtureRequest) -> Trainer:
    return judged_by_weights(training.build_trainer(agent_of(request.param)))


@pytest.fixture(scope="module")
def task() -> Task:
    market, train = on_device(ar1_market(300, seed=1, num_assets=2), segment_of((2, 200), (5, 180)))
    return Task(market, train, segment_of((210, 217), (210, 216)), PERIODS)


def played_through(trainer: Trainer, task: Task, total: int, carry: Carry, progress: Progress) -> tuple[Any, ...]:
    """Run to `total` steps; return the value, the events and the bytes of the value."""
    events = list(training.train(trainer, task, Plan(total, 48, 96, None), carry, progress))
    arrays = training.snapshot(trainer.agent, events[-1].carry)
    return events, {name: array.tobytes() for name, array in arrays.items()}


def whole_run(trainer: Trainer, task: Task, seed: int, total: int) -> tuple[Any, ...]:
    return played_through(trainer, task, total, *training.start(trainer, task, seed))


def rows(events: list[training.Event]) -> list[tuple[int, dict[str, float]]]:
    return [(e.step, e.metrics) for e in events if e.metrics is not None]


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
    carry, progress = training.start(trainer, task, 5)
    for event in training.train(trainer, task, Plan(total, 48, 96, None), carry, progress):
        if event.step >= half:
            break
    if name != "reinforce":
        assert (np.asarray(event.carry.env.elapsed) > 0).any()
    saved = training.snapshot(trainer.agent, event.carry)
    fresh = judged_by_weights(training.build_trainer(agent_of(name)))
    template, _ = training.start(fresh, task, 99)
    restored = training.restore(fresh.agent, template, saved)
    resumed, found = played_through(fresh, task, total, restored, event.progress)
    assert found == expected
    assert same_rows(rows(resumed), [row for row in rows(uninterrupted) if row[0] > event.step])


def test_a_snapshot_of_another_shape_is_refused(trainer, task):
    carry, _ = training.start(trainer, task, 0)
    arrays = training.snapshot(trainer.agent, carry)
    with pytest.raises(KeyError):
        training.restore(trainer.agent, carry, {k: v for k, v in arrays.items() if k != "carry/env/account/cash"})
    for name in ("carry/env/account/cash", "variable/000"):
        with pytest.raises(ValueError, match="shape"):
            training.restore(trainer.agent, carry, arrays | {name: arrays[name][:-1]})


def test_eager_and_compiled_iterations_agree(trainer, task):
    agent = trainer.agent
    compiled, _ = training.start(trainer, task, 11)
    num = 2 if agent.name == "reinforce" else 8
    compiled = trainer.chunk(task.market, task.train, compiled, np.int32(num))
    ours = training.snapshot(agent, compiled)
    eager, _ = training.start(trainer, task, 11)
    for _ in range(num):
        eager = agent.iterate(task.market, task.train, eager)
    for name, array in training.snapshot(agent, eager).items():
        np.testing.assert_allclose(array, ours[name], rtol=2e-3, atol=2e-3, err_msg=name)


def greedy_of(growth: float) -> GreedyPass:
    """One asset, one bar, whose validation score is `growth`."""
    one = np.ones((1, 1))
    return GreedyPass(one.astype(np.int32), one, one * np.exp(growth), one.astype(bool))


def counting(scores: list[float], size: int = 10) -> Trainer:
    """A trainer that only counts steps, `size` an iteration, and is given its validation scores."""
    agent = Agent("counting", None, None, [], size, lambda seed: None, None, None, None, lambda step: 0.5)

    def chunk(market: Any, segment: Any, carry: Carry, n: Any) -> Carry:
        stats = carry.stats._replace(steps=carry.stats.steps + size * int(n))
        return carry._replace(step=carry.step + size * int(n), stats=stats)

    given: Iterator[float] = iter(scores)
    return Trainer(agent, chunk, lambda market, segment: greedy_of(next(given)))


def heard(scores: list[float], plan: Plan, size: int = 10) -> list[training.Event]:
    start = Carry(None, (), None, 0, no_stats())
    return list(training.train(counting(scores, size), Task(None, None, None, 1.0), plan, start, Progress()))


def test_sums_begin_anew_after_each_row():
    events = heard([0.0] * 4, Plan(80, 30, 20, None))
    assert [(e.step, float(e.carry.stats.steps)) for e in events if e.metrics] == [(30, 0), (60, 0), (80, 0)]
    assert (40, 10.0) in [(e.step, float(e.carry.stats.steps)) for e in events]


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
    assert [e.step for e in events if e.metrics] == evals
    assert [e.step for e in events if e.save_due] == saves
    assert [e.progress.finished for e in events] == [False] * (len(events) - 1) + [True]


def test_the_best_validation_is_the_earliest_of_ties():
    events = heard([0.1, 0.3, 0.3, 0.2], Plan(40, 10, 100, None))
    assert [e.is_best for e in events] == [True, True, False, False]
    assert (events[-1].progress.best_step, events[-1].progress.stale) == (20, 2)
    assert events[-1].progress.best_score == pytest.approx(0.3)


def test_training_stops_after_as_many_stale_validations_as_patience():
    events = heard([0.1, 0.3, 0.3, 0.4, 0.2, 0.1, 0.9], Plan(1_000, 10, 100, 2))
    assert [e.step for e in events if e.metrics] == [10, 20, 30, 40, 50, 60]
    assert events[-1].progress.finished
    assert events[-1].save_due
    assert events[-1].progress.best_step == 40


def test_a_finished_run_does_nothing_more():
    start = Carry(None, (), None, 40, no_stats())
    again = training.train(
        counting([]), Task(None, None, None, 1.0), Plan(80, 10, 10, 1), start, Progress(finished=True)
    )
    assert list(again) == []


def test_the_first_losing_score_is_still_a_best():
    assert heard([-5.0], Plan(10, 10, 10, None))[0].is_best


def test_chunks_grow_up_to_a_tick_and_only_after_a_full_one():
    assert training._longer(8, 3, 0.001) == 8
    assert training._longer(8, 8, 0.001) == 32
    assert training._longer(8, 8, 0.25) == 16
    assert training._longer(8, 8, 100.0) == 1


def test_train_metrics_are_means_since_the_last_row():
    stats = no_stats()._replace(reward=6.0, steps=4.0, loss=3.0, updates=2.0, entropy=1.0)
    carry = Carry(None, (), None, 0, stats)
    sampled = counting([]).agent._replace(exploration=lambda step: None)
    assert training._train_metrics(sampled, carry) == {"train/reward": 1.5, "train/loss": 1.5, "train/entropy": 0.5}
    assert training._train_metrics(counting([]).agent, carry)["train/exploration_rate"] == 0.5
    assert np.isnan(training._train_metrics(sampled, carry._replace(stats=no_stats()))["train/loss"])
