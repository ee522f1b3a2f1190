"""Speed of training: environment steps and updates per second, and what share of the roof they are."""

from __future__ import annotations

from typing import NamedTuple

from trader.agents.replay import BYTES_PER_TRANSITION
from trader.bench.chunks import Pace
from trader.bench.flops import flops_per_env_step
from trader.bench.machine import peak_device_memory_bytes, peak_memory_bytes
from trader.bench.roof import Roof
from trader.bench.workload import Workload
from trader.evaluation.results import Measure, Undefined


class TrainingSpeed(NamedTuple):
    """How fast an experiment trains.

    Attributes:
        agent, n_envs: what trains.
        net_arch: units of the hidden layers.
        env_steps_per_s, updates_per_s: while timed; accounting, masks and updates included.
        seconds: timed.
        compile_s: tracing and compiling, seconds.
        flops_per_env_step: matrix products alone.
        share_of_roof: those operations a second over the roof's.
        bytes_per_transition: of replay.
        peak_memory_bytes: of the whole process, up to the end of this measurement.
        peak_device_memory_bytes: on the first GPU, likewise.
    """

    agent: str
    n_envs: int
    net_arch: tuple[int, ...]
    env_steps_per_s: float
    updates_per_s: float
    seconds: float
    compile_s: float
    flops_per_env_step: Measure
    share_of_roof: Measure
    bytes_per_transition: Measure
    peak_memory_bytes: int
    peak_device_memory_bytes: Measure


def speed_of(workload: Workload, pace: Pace, roof: Roof) -> TrainingSpeed:
    """Return the figures of a timed workload; memory is read now."""
    experiment = workload.experiment
    flops = flops_per_env_step(experiment.agent, workload.trainer.agent.policy)
    rate = pace.env_steps / pace.seconds
    replays = experiment.agent.name == "dqn"
    return TrainingSpeed(
        agent=experiment.agent.name,
        n_envs=experiment.train.n_envs,
        net_arch=tuple(experiment.agent.network.net_arch),
        env_steps_per_s=rate,
        updates_per_s=pace.updates / pace.seconds,
        seconds=pace.seconds,
        compile_s=pace.compile_s,
        flops_per_env_step=flops,
        share_of_roof=flops if isinstance(flops, Undefined) else 1e-9 * flops * rate / roof.gflops,
        bytes_per_transition=float(BYTES_PER_TRANSITION) if replays else Undefined("no replay"),
        peak_memory_bytes=peak_memory_bytes(),
        peak_device_memory_bytes=peak_device_memory_bytes(),
    )
