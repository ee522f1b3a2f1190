"""Speed of a backtest: the greedy pass, then the float64 ledger over its targets."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from trader.bench.chunks import Clock
from trader.bench.workload import Workload
from trader.evaluation.backtest import Stage, agent_targets, ledgers_of
from trader.lanes import begin
from trader.rollout import GreedyPass


class BacktestSpeed(NamedTuple):
    """How fast bars are played.

    Attributes:
        bars: of one backtest, over all assets.
        bars_per_s: greedy pass and ledger together, compilation left out.
        greedy_bars_per_s, ledger_bars_per_s: each alone.
        compile_s: of the greedy pass.
    """

    bars: int
    bars_per_s: float
    greedy_bars_per_s: float
    ledger_bars_per_s: float
    compile_s: float


def time_backtest(workload: Workload, seconds: float, clock: Clock = time.perf_counter) -> BacktestSpeed:
    """Play the validation dates again and again for at least `seconds`, with weights of no training."""
    task, trainer = workload.task, workload.trainer
    lanes = begin(trainer, task.market, task.train, [workload.experiment.seed])
    segment, env = workload.prepared.segments["valid"], workload.experiment.env
    stage = Stage(workload.prepared, segment, env, workload.experiment.evaluation.risk_free_rate)

    def greedy() -> tuple[GreedyPass, float]:
        began = clock()
        played = trainer.greedy(task.market, segment, lanes)[0]
        return played, clock() - began

    compiling, running = greedy()[1], greedy()[1]
    passes, in_greedy, in_ledger = 0, 0.0, 0.0
    while passes == 0 or in_greedy + in_ledger < seconds:
        played, spent = greedy()
        began = clock()
        ledgers_of(stage, agent_targets(played, env))
        in_greedy, in_ledger, passes = in_greedy + spent, in_ledger + clock() - began, passes + 1
    bars = int(np.sum(segment.last - segment.first + 1))
    in_all = passes * bars
    return BacktestSpeed(
        bars=bars,
        bars_per_s=in_all / (in_greedy + in_ledger),
        greedy_bars_per_s=in_all / in_greedy,
        ledger_bars_per_s=in_all / in_ledger,
        compile_s=max(0.0, compiling - running),
    )
