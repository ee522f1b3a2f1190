"""Runs as values, moved on in compiled chunks.

The value of a seed is its variables and `Carry` (`Lanes`, on the device) + `Progress`. `train` yields an event at every
validation, save and tick; between two events the values are whole, so whoever saves them there can resume bit for bit.
Chunk lengths change nothing but how often the caller is heard: rows and validations stand at fixed steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from trader.agents.agent import Agent, Stats
from trader.data.market import Market, Segment
from trader.lanes import Lanes, Trainer, begin, stats_of, without_stats
from trader.rollout import GreedyPass, log_growth

_TICK_SECONDS = 0.5


class Progress(NamedTuple):
    """The host's part of a run's value.

    Attributes:
        best_score: highest validation log growth so far.
        best_step: environment step at which it was reached.
        stale: validations since then.
        finished: whether nothing is left to do.
    """

    best_score: float = -np.inf
    best_step: int = 0
    stale: int = 0
    finished: bool = False


class Plan(NamedTuple):
    """How long, and how often to look and save (environment steps); `patience` None never stops early."""

    total_timesteps: int
    eval_freq: int
    save_freq: int
    patience: int | None


class Report(NamedTuple):
    """What an event says of one seed.

    Attributes:
        progress: the host's part of its value.
        metrics: train and valid figures when a validation was due, else None.
        is_best: the validation was its best so far.
        ran: it had not finished before; once it has, its lane is computed on and means nothing.
    """

    progress: Progress
    metrics: dict[str, float] | None
    is_best: bool
    ran: bool


class Event(NamedTuple):
    """The runs' values between two chunks and what is due there.

    Attributes:
        step: environment steps of each seed so far.
        lanes: the device part of the values.
        reports: one for each seed.
        save_due: a periodic checkpoint is due, or a seed has finished.
    """

    step: int
    lanes: Lanes
    reports: tuple[Report, ...]
    save_due: bool

    @property
    def finished(self) -> bool:
        """Whether no seed has anything left to do."""
        return all(report.progress.finished for report in self.reports)


class Task(NamedTuple):
    """What a trainer works on: device arrays, decision rows, the bars per year of the validation's Sharpe ratio."""

    market: Market
    train: Segment
    valid: Segment
    periods_per_year: float


def to_device(arrays: Any) -> Any:
    """Return a record of NumPy arrays (`Market`, `Segment`) as tensors."""
    return type(arrays)(*(ops.convert_to_tensor(x) for x in arrays))


def start(trainer: Trainer, task: Task, seeds: Sequence[int]) -> tuple[Lanes, tuple[Progress, ...]]:
    """Return the values of new runs, one for each lane of the trainer."""
    return begin(trainer, task.market, task.train, seeds), (Progress(),) * len(seeds)


def train(trainer: Trainer, task: Task, plan: Plan, lanes: Lanes, progress: tuple[Progress, ...]) -> Iterator[Event]:
    """Move runs on to their ends, yielding between chunks; resuming is calling this with loaded values.

    Args:
        trainer: of as many seeds as `progress` has parts.
        task: what it works on.
        plan: how long, and how often to look and save.
        lanes: the values; seeds that have finished may hold anything.
        progress: of each seed.
    """
    size = trainer.agent.steps_per_iteration
    last = -(-plan.total_timesteps // size)
    done, length = int(lanes.carry.step) // size, 1
    while not all(one.finished for one in progress):
        stop = min(_next_due(done, plan.eval_freq, size), _next_due(done, plan.save_freq, size), last)
        n = min(length, stop - done)
        began = time.perf_counter()
        lanes = trainer.chunk(task.market, task.train, lanes, ops.convert_to_tensor(n, "int32"))
        done = int(lanes.carry.step) // size
        length = _longer(length, n, time.perf_counter() - began)
        event = _event(trainer, task, plan, lanes, progress)
        lanes, progress = event.lanes, tuple(report.progress for report in event.reports)
        yield event


def _next_due(done: int, every: int, size: int) -> int:
    """Return the first iteration after `done` that reaches the next multiple of `every` steps."""
    return -(-((done * size) // every + 1) * every // size)


def _longer(length: int, n: int, seconds: float) -> int:
    """Return the chunk length that takes about a tick, at most four times the last one."""
    if n < length:
        return length
    return max(1, min(4 * length, int(n * _TICK_SECONDS / max(seconds, 1e-6))))


def _is_due(step: int, every: int, size: int) -> bool:
    return step // every > (step - size) // every


def _event(trainer: Trainer, task: Task, plan: Plan, lanes: Lanes, progress: tuple[Progress, ...]) -> Event:
    size, step = trainer.agent.steps_per_iteration, int(lanes.carry.step)
    is_last = step >= plan.total_timesteps
    figures: list[dict[str, float] | None] = [None] * len(progress)
    if is_last or _is_due(step, plan.eval_freq, size):
        played = trainer.greedy(task.market, task.valid, lanes)
        figures = [
            _train_metrics(trainer.agent, step, sums) | valid_metrics(path, task.periods_per_year)
            for sums, path in zip(stats_of(trainer, lanes), played, strict=True)
        ]
        lanes = without_stats(trainer, lanes)
    reports = tuple(_report(plan, one, step, row) for one, row in zip(progress, figures, strict=True))
    has_finished = any(report.ran and report.progress.finished for report in reports)
    return Event(step, lanes, reports, has_finished or _is_due(step, plan.save_freq, size))


def _report(plan: Plan, progress: Progress, step: int, metrics: dict[str, float] | None) -> Report:
    if progress.finished:
        return Report(progress, None, False, False)
    is_best = metrics is not None and metrics["valid/log_growth"] > progress.best_score
    if metrics is not None:
        progress = _scored(progress, metrics["valid/log_growth"], step, is_best)
    ran_out = plan.patience is not None and progress.stale >= plan.patience
    finished = step >= plan.total_timesteps or ran_out
    return Report(progress._replace(finished=finished), metrics, is_best, True)


def _scored(progress: Progress, score: float, step: int, is_best: bool) -> Progress:
    if is_best:
        return Progress(score, step)
    return progress._replace(stale=progress.stale + 1)


def _train_metrics(agent: Agent, step: int, sums: Stats) -> dict[str, float]:
    stats = {name: float(value) for name, value in sums._asdict().items()}
    updates = stats["updates"]
    metrics = {
        "train/reward": stats["reward"] / max(stats["steps"], 1.0),
        "train/loss": stats["loss"] / updates if updates else float("nan"),
    }
    exploration = agent.exploration(step)
    if exploration is None:
        return metrics | {"train/entropy": stats["entropy"] / max(updates, 1.0)}
    return metrics | {"train/exploration_rate": exploration}


def valid_metrics(played: GreedyPass, periods_per_year: float) -> dict[str, float]:
    """Return validation figures of one greedy pass: means over assets, net of all costs."""
    sharpe = np.mean([_sharpe(played, asset, periods_per_year) for asset in range(played.equity.shape[1])])
    changes = (np.diff(played.exposure, axis=0) != 0) & played.alive[1:]
    return {
        "valid/log_growth": log_growth(played),
        "valid/sharpe": float(sharpe),
        "valid/exposure": float(np.abs(played.exposure[played.alive]).mean()),
        "valid/target_changes": float(changes.sum(axis=0).mean()),
    }


def _sharpe(played: GreedyPass, asset: int, periods_per_year: float) -> float:
    equity = np.concatenate([[1.0], played.equity[played.alive[:, asset], asset]])
    before = equity[:-1]
    returns = np.divide(equity[1:] - before, before, out=np.zeros_like(before), where=before > 0)
    deviation = returns.std(ddof=1) if len(returns) > 1 else 0.0
    return float(returns.mean() / deviation * np.sqrt(periods_per_year)) if deviation > 0 else 0.0
