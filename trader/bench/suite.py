"""All measurements of `trader bench`, one after the other, as one record and as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from trader import backend
from trader.bench.backtest import BacktestSpeed, time_backtest
from trader.bench.chunks import Pace, time_chunks
from trader.bench.machine import Machine, this_machine
from trader.bench.roof import Roof, measure_roof
from trader.bench.seeds import Group, SeedCost, one_after_the_other, time_seeds
from trader.bench.training import TrainingSpeed, speed_of
from trader.bench.workload import Workload, open_workload, training_of
from trader.config import DqnConfig, Experiment
from trader.evaluation.results import Undefined
from trader.lanes import build_trainer

_SEED_SECONDS = 0.25
_BACKTEST_SECONDS = 1.0
TOGETHER, ONE_AFTER_THE_OTHER = "in one program", "one after the other"


class Plan(NamedTuple):
    """What to measure.

    Attributes:
        experiments: each is trained; the first one also shows seeds and backtest.
        base: folder that relative price paths start from.
        seconds: timed, of each training.
        seeds: numbers of seeds, ascending, beginning with 1.
    """

    experiments: Sequence[Experiment]
    base: Path
    seconds: float
    seeds: tuple[int, ...]


class SeedScaling(NamedTuple):
    """What several seeds cost; `how` says whether they train in one program or one after the other."""

    how: str
    costs: tuple[SeedCost, ...]


class Figures(NamedTuple):
    """Everything that was measured, and on what."""

    date: str
    machine: Machine
    roof: Roof
    training: tuple[TrainingSpeed, ...]
    seeds: SeedScaling
    backtest: BacktestSpeed


def run_suite(plan: Plan, say: Callable[[str], None]) -> Figures:
    """Measure everything in the plan.

    Args:
        plan: what.
        say: told one sentence before and after each part.

    Raises:
        TraderError: the prices or segments of an experiment are refused.
    """
    date, machine = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), this_machine()
    first = open_workload(plan.experiments[0], plan.base)  # what the user got wrong shows before anything is timed
    say("roof: multiplying matrices")
    roof = measure_roof(on_gpu=bool(machine.gpus))
    pace = _timed(first, plan.seconds, say)
    training = [speed_of(first, pace, roof)]
    for experiment in plan.experiments[1:]:
        workload = open_workload(experiment, plan.base)
        training.append(speed_of(workload, _timed(workload, plan.seconds, say), roof))
    how = TOGETHER if backend.MAPS_SEEDS else ONE_AFTER_THE_OTHER
    say(f"seeds: {', '.join(map(str, plan.seeds))} of {first.label}, {how}")
    seeds = SeedScaling(how, tuple(_seed_costs(first, pace, plan)))
    say(f"backtest: {first.experiment.agent.name} over the validation dates")
    backtest = time_backtest(first, min(plan.seconds, _BACKTEST_SECONDS))
    return Figures(date, machine, roof, tuple(training), seeds, backtest)


def _timed(workload: Workload, seconds: float, say: Callable[[str], None]) -> Pace:
    say(f"{workload.label}: compiling, then {seconds:g} s of training")
    began = time.perf_counter()
    pace = time_chunks(training_of(workload.trainer, workload.task, [workload.experiment.seed]), seconds)
    took = time.perf_counter() - began
    say(f"{workload.label}: {pace.env_steps / pace.seconds:,.0f} environment steps/s (after {took:.0f} s)")
    return pace


def _seed_costs(workload: Workload, pace: Pace, plan: Plan) -> list[SeedCost]:
    size = workload.trainer.agent.steps_per_iteration
    seconds = min(plan.seconds, _SEED_SECONDS)
    iterations = max(1, int(pace.env_steps / pace.seconds * seconds / size))
    return time_seeds(_groups(workload), plan.seeds, _iterations_before_learning(workload), iterations, size)


def _groups(workload: Workload) -> Callable[[int], Group]:
    """Return what trains a number of seeds: one program of them all where the backend has such programs."""
    trainer, task, seed = workload.trainer, workload.task, workload.experiment.seed

    def together(count: int) -> Group:
        program = trainer if count == 1 else build_trainer(trainer.agent, count)
        return training_of(program, task, [seed + number for number in range(count)])

    return together if backend.MAPS_SEEDS else one_after_the_other(training_of(trainer, task, [seed]))


def _iterations_before_learning(workload: Workload) -> int:
    agent = workload.experiment.agent
    starts = agent.learning_starts if isinstance(agent, DqnConfig) else 0
    return starts // workload.trainer.agent.steps_per_iteration + 1


def figures_json(figures: Figures) -> dict[str, Any]:
    """Return JSON values only; what does not exist is null with its reason."""
    return {
        **_plain(figures),
        "roof": {**_plain(figures.roof), "gflops": figures.roof.gflops},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Undefined):
        return {"value": None, "reason": value.reason}
    if hasattr(value, "_asdict"):
        return {key: _plain(part) for key, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value
