"""Training one seed of a run: rows, checkpoints, pointers; exact resume from the newest checkpoint that verifies."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trader.agents.agent import Carry
from trader.config import Experiment
from trader.errors import TraderError
from trader.runs.checkpoints import newest_checkpoint, read_checkpoint, write_checkpoint
from trader.runs.folder import RunFolder, write_log
from trader.runs.metrics_log import MetricsLog, append_metrics, read_metrics, resume_metrics, start_metrics
from trader.runs.opening import load_policy
from trader.runs.options import Console
from trader.runs.pointers import point_to, pointed, prune
from trader.training import Event, Plan, Progress, Task, Trainer, restore, snapshot, start, train

_FORECAST_SECONDS = 0.5


class Interrupted(KeyboardInterrupt):
    """The user asked to stop; the value was saved first."""


@dataclass
class StopRequest:
    """Whether SIGINT or SIGTERM came; it is obeyed between two chunks, where the run's value is whole."""

    came: bool = False


class Work(NamedTuple):
    """What the seeds of a run share."""

    run: RunFolder
    experiment: Experiment
    trainer: Trainer
    task: Task
    console: Console
    stop: StopRequest


class _Forecast(NamedTuple):
    """Where the estimate of the whole run's time starts: step (0 = before the first chunk) and clock."""

    step: int
    time: float


class Clock(NamedTuple):
    """Wall time of a seed: seconds before this process took over, and when it did."""

    before: float
    began: float

    def seconds(self) -> float:
        """Return the seconds spent on this seed so far."""
        return self.before + time.perf_counter() - self.began


@contextmanager
def stopping() -> Generator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request while the body runs (main thread only)."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(*_: Any) -> None:
        request.came = True

    try:
        for number in before:
            signal.signal(number, ask)
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def plan_of(experiment: Experiment) -> Plan:
    """Return the training plan of a config."""
    train_config = experiment.train
    return Plan(
        train_config.total_timesteps,
        train_config.eval_freq,
        train_config.save_freq,
        train_config.early_stopping_patience,
    )


def columns_of(experiment: Experiment) -> list[str]:
    """Return the columns of `metrics.csv`."""
    own = "train/exploration_rate" if experiment.agent.name == "dqn" else "train/entropy"
    valid = [f"valid/{name}" for name in ("log_growth", "sharpe", "exposure", "target_changes")]
    return ["step", "wall_s", "steps_per_s", "train/reward", "train/loss", own, *valid]


def train_seed(work: Work, number: int) -> dict[str, float]:
    """Train `seed-<number>` to its end, from its newest checkpoint if it has one; return its best row.

    Raises:
        Interrupted: a signal came; a checkpoint of this moment was written.
        TraderError: damaged files, or a disk that cannot be written.
    """
    carry, progress, log, clock = _begin(work, number)
    total = work.experiment.train.total_timesteps
    work.console.begin(f"seed {number}", total, min(int(carry.step), total))
    figures: dict[str, float] = {}
    forecast: _Forecast | None = _Forecast(0, 0.0) if number == 0 else None
    try:
        for event in train(work.trainer, work.task, plan_of(work.experiment), carry, progress):
            if event.metrics:
                figures = {"valid/log_growth": event.metrics["valid/log_growth"]}
                _write_row(log, event, clock)
            if event.is_best or event.save_due or work.stop.came:
                _save(work, number, event)
            work.console.update(min(event.step, total), figures)
            forecast = _forecast(work, number, forecast, event)
            if work.stop.came and not event.progress.finished:
                write_log(work.run, f"seed-{number}: interrupted at step {event.step}, saved there")
                work.console.line(f"saved at step {event.step:,}; go on with: trader train --resume {work.run.label}")
                raise Interrupted
    finally:
        work.console.end()
    _export_policy(work, number)
    return best_figures(work.run, number)


def _forecast(work: Work, number: int, since: _Forecast | None, event: Event) -> _Forecast | None:
    """Say once how long all seeds will take: from the first chunk after the one that compiled."""
    now = time.perf_counter()
    if since is None or since.step == 0:
        return since and _Forecast(event.step, now)
    if now - since.time < _FORECAST_SECONDS and not event.progress.finished:
        return since
    pace = (event.step - since.step) / (now - since.time)
    total, seeds = work.experiment.train.total_timesteps, work.experiment.seeds - number
    left = max(total * seeds - event.step, 0) / pace
    work.console.line(f"about {_duration(left)} for {seeds} seed{'s' * (seeds > 1)} at {pace:,.0f} steps/s")
    return None


def _duration(seconds: float) -> str:
    """Return `40 s`, `12 min` or `3.5 h`.

    Example:
        >>> _duration(40.4), _duration(720), _duration(12_600)
        ('40 s', '12 min', '3.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def best_figures(run: RunFolder, number: int) -> dict[str, float]:
    """Return the row of `metrics.csv` at which the best checkpoint was chosen."""
    best = pointed(run.checkpoints(number), "best")
    rows = read_metrics(run.metrics(number)) if best else []
    chosen = [row for row in rows if best and row["step"] == best.step]
    return {key: value for key, value in chosen[0].items() if value is not None} if chosen else {}


def _begin(work: Work, number: int) -> tuple[Carry, Progress, MetricsLog, Clock]:
    carry, progress = start(work.trainer, work.task, work.experiment.seed + number)
    folder, columns = work.run.checkpoints(number), columns_of(work.experiment)
    path, events = work.run.metrics(number), work.run.tensorboard(number)
    newest = newest_checkpoint(folder)
    if newest is None:
        write_log(work.run, f"seed-{number}: starts at step 0")
        return carry, progress, start_metrics(path, columns, events), Clock(0.0, time.perf_counter())
    for note in newest.notes:
        work.console.line(f"seed-{number}: {note}")
        write_log(work.run, f"seed-{number}: {note}")
    arrays, meta = read_checkpoint(newest.path)
    try:
        carry = restore(work.trainer.agent, carry, arrays)
    except (KeyError, ValueError) as error:
        raise TraderError(f"{newest.path}: does not fit this config: {error}") from None
    progress = _still_to_do(_progress_of(meta), newest.step, plan_of(work.experiment))
    write_log(work.run, f"seed-{number}: resumes at step {newest.step}")
    if not progress.finished:
        work.console.line(f"seed {number}: resumes at step {newest.step:,}")
    log = resume_metrics(path, columns, events, newest.step)
    if progress.best_step:
        point_to(folder, "best", progress.best_step, {"valid/log_growth": progress.best_score})
    point_to(folder, "last", newest.step, {})
    rows = read_metrics(path)
    return carry, progress, log, Clock(float(rows[-1]["wall_s"] or 0.0) if rows else 0.0, time.perf_counter())


def _write_row(log: MetricsLog, event: Event, clock: Clock) -> None:
    wall = clock.seconds()
    rows = read_metrics(log.path)
    last = rows[-1] if rows else {"step": 0, "wall_s": 0.0}
    pace = (event.step - int(last["step"] or 0)) / max(wall - float(last["wall_s"] or 0.0), 1e-9)
    figures = {name: None if np.isnan(value) else value for name, value in (event.metrics or {}).items()}
    append_metrics(log, {"step": event.step, "wall_s": round(wall, 3), "steps_per_s": round(pace, 1), **figures})


def _save(work: Work, number: int, event: Event) -> None:
    folder = work.run.checkpoints(number)
    write_checkpoint(folder, event.step, snapshot(work.trainer.agent, event.carry), _meta_of(event.progress))
    if event.is_best:
        point_to(folder, "best", event.step, {"valid/log_growth": event.progress.best_score})
    point_to(folder, "last", event.step, {})
    prune(folder, work.experiment.train.keep_checkpoints)


def _meta_of(progress: Progress) -> dict[str, Any]:
    score = progress.best_score if np.isfinite(progress.best_score) else None
    return {**progress._asdict(), "best_score": score}


def _progress_of(meta: Mapping[str, Any]) -> Progress:
    score = meta["best_score"]
    best_score = -np.inf if score is None else float(score)
    return Progress(best_score, int(meta["best_step"]), int(meta["stale"]), bool(meta["finished"]))


def _still_to_do(progress: Progress, step: int, plan: Plan) -> Progress:
    """Return the progress with `finished` as the present plan has it: a resume may have changed the length."""
    ran_out = plan.patience is not None and progress.stale >= plan.patience
    return progress._replace(finished=step >= plan.total_timesteps or ran_out)


def _export_policy(work: Work, number: int) -> None:
    """Write the best network as stock Keras, for others; never read back here."""
    best = pointed(work.run.checkpoints(number), "best")
    if best is None:
        return
    load_policy(work.trainer.agent, work.run, number, best.step)
    target = work.run.policy(number)
    part: Path = target.with_name("policy.tmp.keras")
    work.trainer.agent.policy.save(part)
    os.replace(part, target)
