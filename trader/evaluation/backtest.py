"""A backtest: greedy pass → targets → float64 ledger → metrics, for the agent and every baseline alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trader.baselines.oracle import Law, law_of, oracle_targets, solve
from trader.baselines.rules import BASELINES, random_targets
from trader.evaluation.ledger import Prices, orders_to_targets, run_ledger
from trader.evaluation.metrics import returns_by_date, strategy_metrics
from trader.evaluation.results import FloatArray, LedgerResult, StrategyResult
from trader.evaluation.trades import trades_of

if TYPE_CHECKING:
    from trader.config import EnvConfig, Experiment
    from trader.data.bars import Bars
    from trader.data.market import Segment
    from trader.data.prepare import Prepared
    from trader.rollout import GreedyPass

Targets = list[FloatArray]
Ledgers = tuple[LedgerResult, ...]
BENCHMARK = "buy_and_hold"


class Stage(NamedTuple):
    """What a strategy is played on.

    Attributes:
        prepared: bars of every asset.
        segment: decision rows.
        env: costs, fill and positions.
        risk_free_rate: per year.
    """

    prepared: Prepared
    segment: Segment
    env: EnvConfig
    risk_free_rate: float


class Benchmark(NamedTuple):
    """Buy-and-hold, played once.

    Attributes:
        ledgers: one per asset.
        returns: per bar, by date `[n]`.
    """

    ledgers: Ledgers
    returns: FloatArray


def agent_targets(played: GreedyPass, env: EnvConfig) -> Targets:
    """Return the target exposures of a greedy pass, one array per asset, exact in float64."""
    actions = [played.action[alive, asset] for asset, alive in enumerate(played.alive.T)]
    if env.actions == "orders":
        return [orders_to_targets(path, env.positions) for path in actions]
    positions = np.asarray(env.positions, dtype=np.float64)
    return [positions[path] for path in actions]


def ledgers_of(stage: Stage, targets: Targets) -> Ledgers:
    """Return the ledger of each asset for its target exposures."""
    return tuple(
        run_ledger(prices_of(bars), asked, int(first), stage.env)
        for bars, first, asked in zip(stage.prepared.bars, stage.segment.first, targets, strict=True)
    )


def prices_of(bars: Bars) -> Prices:
    """Return the columns of an asset's bars that a ledger reads."""
    frame = bars.frame
    time = frame.index.tz_localize(None).to_numpy().astype("datetime64[us]")  # type: ignore[attr-defined]
    return Prices(bars.asset, time, frame["open"].to_numpy(), frame["close"].to_numpy())


def benchmark_of(stage: Stage) -> Benchmark:
    """Return buy-and-hold as the strategy that every other one is measured against."""
    ledgers = ledgers_of(stage, rule_targets(stage, BENCHMARK))
    return Benchmark(ledgers, returns_by_date(ledgers)[1])


def rule_targets(stage: Stage, name: str) -> Targets:
    """Return the targets of a rule baseline for each asset."""
    return [
        BASELINES[name](bars.frame["close"].to_numpy(), int(first), int(last), stage.env.positions)
        for bars, first, last in zip(stage.prepared.bars, stage.segment.first, stage.segment.last, strict=True)
    ]


def judge(stage: Stage, name: str, seed: int | None, targets: Targets, benchmark: Benchmark) -> StrategyResult:
    """Return a strategy's ledgers, trades and metrics."""
    return _judged(stage, name, seed, ledgers_of(stage, targets), benchmark)


def _judged(stage: Stage, name: str, seed: int | None, ledgers: Ledgers, benchmark: Benchmark) -> StrategyResult:
    trades = tuple(trades_of(ledger) for ledger in ledgers)
    rates = (stage.prepared.periods_per_year, stage.risk_free_rate)
    return StrategyResult(name, seed, ledgers, trades, strategy_metrics(ledgers, trades, benchmark.returns, *rates))


def baseline_results(
    stage: Stage, experiment: Experiment, of_agent: Sequence[tuple[int, Targets]], benchmark: Benchmark
) -> list[StrategyResult]:
    """Return every baseline with the agent's timing and costs.

    Args:
        stage: what is played.
        experiment: says whether the market is synthetic (then the oracle plays too).
        of_agent: seed and targets of each seed, for `random`.
        benchmark: `benchmark_of(stage)`, which is one of the baselines.
    """
    results = [_judged(stage, BENCHMARK, None, benchmark.ledgers, benchmark)]
    rules = [name for name in BASELINES if name != BENCHMARK]
    results += [judge(stage, name, None, rule_targets(stage, name), benchmark) for name in rules]
    for seed, targets in of_agent:
        generator = np.random.default_rng(seed)
        shifted = [random_targets(path, generator) for path in targets]
        results.append(judge(stage, "random", seed, shifted, benchmark))
    oracle = _oracle_targets(stage, experiment)
    return results if oracle is None else [*results, judge(stage, "oracle", None, oracle, benchmark)]


def _oracle_targets(stage: Stage, experiment: Experiment) -> Targets | None:
    law = _law(stage, experiment)
    if law is None:
        return None
    closes = stage.prepared.bars[0].frame["close"].to_numpy()
    first, last = int(stage.segment.first[0]), int(stage.segment.last[0])
    return [oracle_targets(solve(law, stage.env), stage.env, closes, first, last)]


def _law(stage: Stage, experiment: Experiment) -> Law | None:
    if experiment.data.source != "synthetic":
        return None
    return law_of(experiment.data.market, float(stage.prepared.market.years[0, 1]))


def disagreement(played: GreedyPass, result: StrategyResult) -> float:
    """Return the largest relative difference of equity between the environment and the ledger.

    Bars on which equity is below 5 % of the gross position are left out: float32 has no more digits there.
    """
    worst = 0.0
    for asset, ledger in enumerate(result.ledgers):
        equity = played.equity[played.alive[:, asset], asset] * ledger.initial_cash
        solid = ledger.equity > 0.05 * np.abs(ledger.units * ledger.close)
        if solid.any():
            worst = max(worst, float(np.max(np.abs(equity[solid] / ledger.equity[solid] - 1.0))))
    return worst
