"""A run as one value, moved on in compiled chunks.

The value is `variables` (in place, on the device) + `Carry` + `Progress`. `train` yields an event at every validation,
save and tick; between two events the value is whole, so whoever saves it there can resume bit for bit. Chunk lengths
change nothing but how often the caller is heard: rows and validations stand at fixed steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from trader import backend
from trader.agents.agent import Agent, Carry, no_stats
from trader.data.market import Market, Segment
from trader.rollout import GreedyPass, greedy_pass, log_growth

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


class Event(NamedTuple):
    """The run's value between two chunks and what is due there.

    Attributes:
        step: environment steps so far.
        carry, progress: the value (with the agent's variables).
        metrics: train and valid figures when a validation was due, else None.
        is_best: the validation was the best so far.
        save_due: a periodic checkpoint is due, or the run has finished.
    """

    step: int
    carry: Carry
    progress: Progress
    metrics: dict[str, float] | None
    is_best: bool
    save_due: bool


class Trainer(NamedTuple):
    """An agent with its compiled programs; serves every seed of a run."""

    agent: Agent
    chunk: Callable[[Market, Segment, Carry, Any], Carry]
    greedy: Callable[[Market, Segment], GreedyPass]


class Task(NamedTuple):
    """What a trainer works on: device arrays, decision rows, the bars per year of the validation's Sharpe ratio."""

    market: Market
    train: Segment
    valid: Segment
    periods_per_year: float


def build_trainer(agent: Agent) -> Trainer:
    """Return the trainer of `agent`; compiles at the first call."""

    def chunk(market: Market, segment: Segment, carry: Carry, n: Any) -> Carry:
        return backend.repeat(lambda c: agent.iterate(market, segment, c), carry, n, agent.variables)

    return Trainer(agent, backend.compiled(chunk, agent.variables), greedy_pass(agent))


def to_device(arrays: Any) -> Any:
    """Return a record of NumPy arrays (`Market`, `Segment`) as tensors."""
    return type(arrays)(*(ops.convert_to_tensor(x) for x in arrays))


def start(trainer: Trainer, task: Task, seed: int) -> tuple[Carry, Progress]:
    """Set the variables to a seed's initial values and return the value's other two parts."""
    trainer.agent.restart(seed)
    return trainer.agent.start(task.market, task.train, seed), Progress()


def train(trainer: Trainer, task: Task, plan: Plan, carry: Carry, progress: Progress) -> Iterator[Event]:
    """Move a run on to its end, yielding between chunks; resuming is calling this with a loaded value."""
    size = trainer.agent.steps_per_iteration
    last = -(-plan.total_timesteps // size)
    done, length = int(carry.step) // size, 1
    while not progress.finished:
        stop = min(_next_due(done, plan.eval_freq, size), _next_due(done, plan.save_freq, size), last)
        n = min(length, stop - done)
        began = time.perf_counter()
        carry = trainer.chunk(task.market, task.train, carry, ops.convert_to_tensor(n, "int32"))
        done = int(carry.step) // size
        length = _longer(length, n, time.perf_counter() - began)
        event = _event(trainer, task, plan, carry, progress, done == last)
        carry, progress = event.carry, event.progress
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


def _event(trainer: Trainer, task: Task, plan: Plan, carry: Carry, progress: Progress, is_last: bool) -> Event:
    size, step = trainer.agent.steps_per_iteration, int(carry.step)
    metrics, is_best = None, False
    if is_last or _is_due(step, plan.eval_freq, size):
        metrics = _train_metrics(trainer.agent, carry) | valid_metrics(trainer, task)
        is_best = metrics["valid/log_growth"] > progress.best_score
        progress = _scored(progress, metrics["valid/log_growth"], step, is_best)
        carry = carry._replace(stats=no_stats())
    ran_out = plan.patience is not None and progress.stale >= plan.patience
    progress = progress._replace(finished=is_last or ran_out)
    save_due = progress.finished or _is_due(step, plan.save_freq, size)
    return Event(step, carry, progress, metrics, is_best, save_due)


def _scored(progress: Progress, score: float, step: int, is_best: bool) -> Progress:
    if is_best:
        return Progress(score, step)
    return progress._replace(stale=progress.stale + 1)


def _train_metrics(agent: Agent, carry: Carry) -> dict[str, float]:
    stats = {name: float(value) for name, value in carry.stats._asdict().items()}
    updates = stats["updates"]
    metrics = {
        "train/reward": stats["reward"] / max(stats["steps"], 1.0),
        "train/loss": stats["loss"] / updates if updates else float("nan"),
    }
    exploration = agent.exploration(int(carry.step))
    if exploration is None:
        return metrics | {"train/entropy": stats["entropy"] / max(updates, 1.0)}
    return metrics | {"train/exploration_rate": exploration}


def valid_metrics(trainer: Trainer, task: Task) -> dict[str, float]:
    """Return validation figures of the present weights: means over assets, net of all costs."""
    played = trainer.greedy(task.market, task.valid)
    sharpe = np.mean([_sharpe(played, asset, task.periods_per_year) for asset in range(played.equity.shape[1])])
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


def named_leaves(value: Any, prefix: str = "carry") -> dict[str, np.ndarray]:
    """Return the arrays of a nested record by path, e.g. `carry/env/account/cash`."""
    if not isinstance(value, tuple):
        return {prefix: ops.convert_to_numpy(value)}
    names = getattr(value, "_fields", ())
    leaves: dict[str, np.ndarray] = {}
    for name, part in zip(names, value, strict=True):
        leaves |= named_leaves(part, f"{prefix}/{name}")
    return leaves


def snapshot(agent: Agent, carry: Carry) -> dict[str, np.ndarray]:
    """Return the whole value but `Progress` as named arrays."""
    variables = {f"variable/{i:03d}": ops.convert_to_numpy(v.value) for i, v in enumerate(agent.variables)}
    return variables | named_leaves(carry)


def restore(agent: Agent, template: Carry, arrays: dict[str, np.ndarray]) -> Carry:
    """Put a snapshot back into the variables and return its carry.

    Args:
        agent: built from the same config.
        template: a carry of the same structure.
        arrays: what `snapshot` returned.

    Raises:
        KeyError, ValueError: a part is missing or has another shape.
    """

    def checked(name: str, like: Any) -> np.ndarray:
        if arrays[name].shape != tuple(like.shape):
            raise ValueError(f"{name}: shape {arrays[name].shape}, but the agent's is {tuple(like.shape)}")
        return arrays[name]

    for i, variable in enumerate(agent.variables):
        variable.assign(checked(f"variable/{i:03d}", variable))

    def rebuild(value: Any, prefix: str) -> Any:
        if not isinstance(value, tuple):
            return ops.convert_to_tensor(checked(prefix, value))
        if not value:
            return value
        fields = type(value)._fields  # type: ignore[attr-defined]
        return type(value)(*(rebuild(part, f"{prefix}/{name}") for name, part in zip(fields, value, strict=True)))

    return rebuild(template, "carry")
