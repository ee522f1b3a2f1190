"""From an experiment to what is timed: its data on the device, its agent, its compiled programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from keras import ops

from trader.agents.build import build_agent
from trader.bench.chunks import Advance, Counts
from trader.config import Experiment
from trader.data.prepare import Prepared, prepare
from trader.envs.bars import MarketEnv
from trader.envs.rewards import reward_scale
from trader.lanes import Trainer, begin, build_trainer
from trader.training import Task, to_device

# Speed is that of learning, so what an agent collects before it learns is cut short.
_MOST_STEPS_BEFORE_LEARNING = 1_000


class Workload(NamedTuple):
    """An experiment, ready to be timed; its test dates are on the device but never played.

    Attributes:
        experiment: as measured.
        prepared: bars and segments.
        trainer: of one seed, not yet compiled.
        task: market and training rows on the device.
    """

    experiment: Experiment
    prepared: Prepared
    trainer: Trainer
    task: Task

    @property
    def label(self) -> str:
        """Agent and environments, e.g. `a2c, 8 environments`."""
        n_envs = self.experiment.train.n_envs
        return f"{self.experiment.agent.name}, {n_envs:,} environment{'s' * (n_envs > 1)}"


def open_workload(experiment: Experiment, base: Path) -> Workload:
    """Return an experiment's data, agent and (not yet compiled) programs.

    Args:
        experiment: what to time.
        base: folder that relative price paths start from.

    Raises:
        TraderError: its prices or segments are refused.
    """
    prepared = prepare(experiment, base)
    measured = _learning_at_once(experiment)
    deviation = prepared.return_deviation
    env = MarketEnv(experiment.env, reward_scale(experiment.env, deviation), deviation)
    agent = build_agent(measured.agent, measured.train, env, len(prepared.feature_names))
    segments = prepared.segments
    train = to_device(segments["train"])
    task = Task(to_device(prepared.market), train, segments["valid"], prepared.periods_per_year)
    return Workload(measured, prepared, build_trainer(agent), task)


def _learning_at_once(experiment: Experiment) -> Experiment:
    agent = experiment.agent
    if agent.name != "dqn" or agent.learning_starts <= _MOST_STEPS_BEFORE_LEARNING:
        return experiment
    sooner = agent.model_copy(update={"learning_starts": _MOST_STEPS_BEFORE_LEARNING})
    return experiment.model_copy(update={"agent": sooner})


def training_of(trainer: Trainer, task: Task, seeds: Sequence[int]) -> Advance:
    """Start seeds, one for each lane of `trainer`, and return what moves them on and counts for all of them.

    The weights of a trainer of one seed are this seed's until another one starts.
    """
    lanes = begin(trainer, task.market, task.train, seeds)

    def advance(n: int) -> Counts:
        nonlocal lanes
        lanes = trainer.chunk(task.market, task.train, lanes, ops.convert_to_tensor(n, "int32"))
        # Reading them waits for the device.
        updates = np.atleast_1d(ops.convert_to_numpy(lanes.carry.stats.updates))[: len(seeds)]
        return Counts(len(seeds) * int(lanes.carry.step), float(updates.sum()))

    return advance
