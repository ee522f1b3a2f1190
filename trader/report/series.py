"""Time series of a backtest result that numbers, tables and charts share.

A universe's equity is all initial cash, compounded by the equal-weight mean return of the assets with a bar that date.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trader.evaluation.metrics import equity_by_date
from trader.evaluation.results import BacktestResult, FloatArray, LedgerResult, StrategyResult

LOG_RETURN_FLOOR = float(np.log(0.001))  # the same floor as the log reward: a ruin costs this, not infinity


class EquityCurve(NamedTuple):
    """Equity of one strategy over all its assets.

    Attributes:
        time: `[n]` datetime64, end of each bar.
        equity: `[n]` at the close (currency).
        initial_cash: equity before the first bar (currency).
    """

    time: np.ndarray[Any, np.dtype[np.datetime64]]
    equity: FloatArray
    initial_cash: float


def strategy_names(result: BacktestResult) -> list[str]:
    """Return each strategy's name once: the agent first, then the baselines as they were played."""
    names = dict.fromkeys([result.agent, *(strategy.name for strategy in result.strategies)])
    return list(names)


def seeds_of(result: BacktestResult, name: str) -> list[StrategyResult]:
    """Return every seed of one strategy, in the order of the result."""
    return [strategy for strategy in result.strategies if strategy.name == name]


def equity_curve(strategy: StrategyResult) -> EquityCurve:
    """Return the equity of one seed of a strategy over all its assets, by date."""
    time, equity = equity_by_date(strategy.ledgers)
    return EquityCurve(time, equity, sum(ledger.initial_cash for ledger in strategy.ledgers))


def log_returns(curve: EquityCurve) -> FloatArray:
    """Return the log return of each bar, `[n]`, floored at log(0.001) and 0 after ruin."""
    before = np.concatenate([[curve.initial_cash], curve.equity[:-1]])
    ratio = np.divide(curve.equity, before, out=np.ones_like(before), where=before > 0)
    return np.log(np.maximum(ratio, np.exp(LOG_RETURN_FLOOR)))


def drawdown(curve: EquityCurve) -> FloatArray:
    """Return equity over its peak so far minus one, `[n]`, ≤ 0; the initial cash counts as a peak."""
    peak = np.maximum.accumulate(np.maximum(curve.equity, curve.initial_cash))
    return curve.equity / peak - 1.0


def exposure(ledger: LedgerResult) -> FloatArray:
    """Return the signed position at each close as a fraction of equity, `[n]`; 0 without equity."""
    held = ledger.units * ledger.close
    return np.divide(held, ledger.equity, out=np.zeros_like(held), where=ledger.equity > 0)


def median_seed(strategies: list[StrategyResult]) -> StrategyResult:
    """Return the seed with the median final equity (the lower of two middle ones)."""
    ordered = sorted(strategies, key=lambda strategy: float(equity_curve(strategy).equity[-1]))
    return ordered[(len(ordered) - 1) // 2]
