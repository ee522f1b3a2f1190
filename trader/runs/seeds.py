"""Training the seeds of one program: rows, checkpoints, pointers; exact resume from checkpoints that verify."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trader.agents.agent import Agent
from trader.config import Experiment
from trader.errors import TraderError
from trader.lanes import Lanes, Trainer, on_host, restore, snapshot
from trader.runs.checkpoints import step_name, write_checkpoint
from trader.runs.cohorts import Cohort, Standing, meta_of, snapshots_of
from trader.runs.folder import RunFolder, write_log
from trader.runs.forecast import Clock, Forecast
from trader.runs.metrics_log import MetricsLog, append_metrics, read_metrics, resume_metrics, start_metrics
from trader.runs.opening import load_policy
from trader.runs.options import Console
from trader.runs.pointers import go_back, point_to, pointed, prune
from trader.training import Event, Plan, Progress, Report, Task, start, train


class Interrupted(KeyboardInterrupt):
    """The user asked to stop; the value was saved first."""


@dataclass
class StopRequest:
    """Whether SIGINT or SIGTERM came; it is obeyed between two chunks, where the run's value is whole."""

    came: bool = False


class Work(NamedTuple):
    """What the seeds of a run share; `trainers` gives the trainer of so many lanes."""

    run: RunFolder
    experiment: Experiment
    trainers: Callable[[int], Trainer]
    task: Task
    console: Console
    stop: StopRequest


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


class _Running(NamedTuple):
    """A seed while it is trained: its lane, its rows, its clock."""

    seed: int
    lane: int
    log: MetricsLog
    clock: Clock


def train_cohort(work: Work, cohort: Cohort) -> None:
    """Train the seeds of a cohort to their ends, from their newest checkpoints if they have any.

    Raises:
        Interrupted: a signal came; checkpoints of this moment were written.
        TraderError: damaged files, or a disk that cannot be written.
    """
    trainer = work.trainers(len(cohort.lanes))
    lanes, progress = _values(work, trainer, cohort)
    running = [_begin(work, cohort, standing) for standing in cohort.own.values()]
    total, plan = work.experiment.train.total_timesteps, plan_of(work.experiment)
    seeds = [seed for seed, standing in cohort.own.items() if not standing.progress.finished]
    count = max(len(seeds), 1)
    work.console.begin(_label(seeds or list(cohort.own)), total * count, min(int(lanes.carry.step), total) * count)
    figures: dict[str, float] = {}
    # Said once, by the first cohort.
    forecast = Forecast(work.experiment.seeds, count, total) if 0 in cohort.own else None
    try:
        for event in train(trainer, work.task, plan, lanes, progress):
            figures = _shown(event) or figures
            _keep(work, trainer, cohort, running, event)
            work.console.update(min(event.step, total) * count, figures)
            forecast = forecast and forecast.after(event, sum(trainer.compile_seconds.values()), work.console)
            if work.stop.came and not event.finished:
                raise _interrupted(work, event.step, seeds)
    finally:
        work.console.end()
    for seed in cohort.own:
        _export_policy(work, trainer.agent, seed)


def _label(seeds: list[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"


def _values(work: Work, trainer: Trainer, cohort: Cohort) -> tuple[Lanes, tuple[Progress, ...]]:
    """Return what the lanes start or go on from; a lane of no own seed counts as finished."""
    lanes, _ = start(trainer, work.task, [work.experiment.seed + number for number in cohort.lanes])
    idle = Progress(finished=True)
    progress = tuple(cohort.own[seed].progress if seed in cohort.own else idle for seed in cohort.lanes)
    snapshots = snapshots_of(work.run, cohort)
    if snapshots is None:
        return lanes, progress
    try:
        return restore(trainer, lanes, snapshots), progress
    except (KeyError, ValueError) as error:
        where = work.run.checkpoints(min(cohort.own)) / step_name(cohort.step)
        raise TraderError(f"{where}: does not fit this config: {error}") from None


def _begin(work: Work, cohort: Cohort, standing: Standing) -> _Running:
    """Put the files of a seed back to where it stands and open its log."""
    seed, step, progress = standing.seed, standing.step, standing.progress
    path, events = work.run.metrics(seed), work.run.tensorboard(seed)
    for note in standing.notes:
        work.console.line(f"seed-{seed}: {note}")
        write_log(work.run, f"seed-{seed}: {note}")
    if step == 0:
        write_log(work.run, f"seed-{seed}: starts at step 0")
        log, before = start_metrics(path, columns_of(work.experiment), events), 0.0
    else:
        write_log(work.run, f"seed-{seed}: resumes at step {step}")
        if not progress.finished:
            work.console.line(f"seed {seed}: resumes at step {step:,}")
        log = resume_metrics(path, columns_of(work.experiment), events, step)
        rows = read_metrics(path)
        before = float(rows[-1]["wall_s"] or 0.0) if rows else 0.0
    go_back(work.run.checkpoints(seed), step, progress.best_step, {"valid/log_growth": progress.best_score})
    return _Running(seed, cohort.lanes.index(seed), log, Clock(before, time.perf_counter()))


def _shown(event: Event) -> dict[str, float]:
    """Return the figures beside the progress bar: the mean over seeds."""
    scores = [report.metrics["valid/log_growth"] for report in event.reports if report.metrics]
    return {"valid/log_growth": float(np.mean(scores))} if scores else {}


def _keep(work: Work, trainer: Trainer, cohort: Cohort, running: list[_Running], event: Event) -> None:
    """Write the rows of an event, then, when any seed has something to save, all of them, then prune."""
    present = [(one, event.reports[one.lane]) for one in running if event.reports[one.lane].ran]
    for one, report in present:
        if report.metrics is not None:
            _write_row(one.log, event.step, report.metrics, one.clock)
    if not (event.save_due or work.stop.came or any(report.is_best for _, report in present)):
        return
    lanes = on_host(trainer, event.lanes)
    for one, report in present:
        _save(work.run, one.seed, event.step, snapshot(trainer, lanes, one.lane), report, cohort.lanes)
    for one, _ in present:
        prune(work.run.checkpoints(one.seed), work.experiment.train.keep_checkpoints)


def _save(
    run: RunFolder, seed: int, step: int, arrays: dict[str, Any], report: Report, together: tuple[int, ...]
) -> None:
    folder = run.checkpoints(seed)
    write_checkpoint(folder, step, arrays, meta_of(report.progress, together))
    if report.is_best:
        point_to(folder, "best", step, {"valid/log_growth": report.progress.best_score})
    point_to(folder, "last", step, {})


def _interrupted(work: Work, step: int, seeds: list[int]) -> Interrupted:
    write_log(work.run, f"{_label(seeds)}: interrupted at step {step}, saved there")
    work.console.line(f"saved at step {step:,}; go on with: trader train --resume {work.run.label}")
    return Interrupted()


def best_figures(run: RunFolder, number: int) -> dict[str, float]:
    """Return the row of `metrics.csv` at which the best checkpoint was chosen."""
    best = pointed(run.checkpoints(number), "best")
    rows = read_metrics(run.metrics(number)) if best else []
    chosen = [row for row in rows if best and row["step"] == best.step]
    return {key: value for key, value in chosen[0].items() if value is not None} if chosen else {}


def _write_row(log: MetricsLog, step: int, metrics: dict[str, float], clock: Clock) -> None:
    wall = clock.seconds()
    rows = read_metrics(log.path)
    last = rows[-1] if rows else {"step": 0, "wall_s": 0.0}
    pace = (step - int(last["step"] or 0)) / max(wall - float(last["wall_s"] or 0.0), 1e-9)
    figures = {name: None if np.isnan(value) else value for name, value in metrics.items()}
    append_metrics(log, {"step": step, "wall_s": round(wall, 3), "steps_per_s": round(pace, 1), **figures})


def _export_policy(work: Work, agent: Agent, number: int) -> None:
    """Write the best network as stock Keras, for others; never read back here."""
    best = pointed(work.run.checkpoints(number), "best")
    if best is None:
        return
    load_policy(agent, work.run, number, best.step)
    target = work.run.policy(number)
    part: Path = target.with_name("policy.tmp.keras")
    agent.policy.save(part)
    os.replace(part, target)
