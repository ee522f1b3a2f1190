"""Metrics from ledgers: simple per-bar returns, ddof 1; formulas, signs and units in docs/metrics.md.

`strategy_metrics` is total: where a number does not exist stands `Undefined` with the reason, never NaN or infinity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trader.evaluation import formulas
from trader.evaluation.results import FloatArray, LedgerResult, Measure, Trade, Undefined
from trader.evaluation.trades import ordered_units

TimeArray = np.ndarray[Any, np.dtype[np.datetime64]]
NEVER_TRADED = Undefined("never traded")
NO_BENCHMARK = Undefined("no benchmark returns")
NO_BAR = Undefined("no bar")
NOT_FINITE = Undefined("the equity has a value that is not finite")


RETURN_KEYS = (
    *("total_return", "log_growth", "cagr", "volatility", "sharpe", "sortino", "calmar"),
    *("max_drawdown", "max_drawdown_bars", "value_at_risk_5", "expected_shortfall_5"),
    *("alpha", "beta", "information_ratio"),
)
METRIC_KEYS = (
    "net_pnl",
    *RETURN_KEYS,
    *("exposure", "turnover_per_year", "trades", "win_rate", "profit_factor", "avg_bars_held"),
    *("fees_paid", "slippage_paid", "spread_paid", "borrow_paid", "gross_return"),
)


def bar_returns(ledger: LedgerResult) -> FloatArray:
    """Return simple per-bar returns `[n]`; 0 after ruin."""
    before = _equity_before(ledger)
    ratio = np.divide(ledger.equity, before, out=np.ones_like(before), where=before != 0)
    return ratio - 1


def returns_by_date(ledgers: Sequence[LedgerResult]) -> tuple[TimeArray, FloatArray]:
    """Return the sorted dates and the equal-weight mean of simple per-bar returns of the assets with a bar there.

    A universe of one asset is that asset: its own times and returns come back.
    """
    if len(ledgers) == 1:
        return ledgers[0].time, bar_returns(ledgers[0])
    returns = np.concatenate([bar_returns(ledger) for ledger in ledgers])
    dates, row = np.unique(np.concatenate([ledger.time for ledger in ledgers]), return_inverse=True)
    total = np.bincount(row, returns, len(dates))
    return dates, (total / np.bincount(row, minlength=len(dates))).astype(np.float64)


def equity_by_date(ledgers: Sequence[LedgerResult]) -> tuple[TimeArray, FloatArray]:
    """Return the sorted dates and the equity of the universe: all initial cash, compounded by `returns_by_date`."""
    dates, returns = returns_by_date(ledgers)
    return dates, _path(ledgers, returns)[1:]


def strategy_metrics(
    ledgers: Sequence[LedgerResult],
    trades: Sequence[Sequence[Trade]],
    benchmark_returns: FloatArray | None,
    periods_per_year: float,
    risk_free_rate: float,
) -> dict[str, Measure]:
    """Return every metric of `METRIC_KEYS`, in that order.

    Args:
        ledgers: one per asset.
        trades: the trades of each ledger.
        benchmark_returns: per-bar returns of buy-and-hold on the dates of `returns_by_date(ledgers)`; None = no
            benchmark.
        periods_per_year: bars per year, for annualising.
        risk_free_rate: fraction per year, spread evenly over the bars.

    Returns:
        Finite floats, or `Undefined` with a reason.

    Raises:
        ValueError: the benchmark has another number of bars.
    """
    _, returns = returns_by_date(ledgers)
    if benchmark_returns is not None and len(benchmark_returns) != len(returns):
        raise ValueError(f"benchmark_returns must have {len(returns)} bars; received {len(benchmark_returns)}")
    measures: dict[str, Measure] = {}
    bars_per_year = np.float64(periods_per_year)  # a NumPy float overflows to infinity where Python's would raise
    with np.errstate(all="ignore"):
        if len(returns) and np.all(np.isfinite(returns)):
            measures |= _return_measures(_path(ledgers, returns), returns, bars_per_year, risk_free_rate)
            measures |= _benchmark_measures(returns, benchmark_returns, bars_per_year, risk_free_rate)
        else:
            measures |= dict.fromkeys(RETURN_KEYS, NO_BAR if not len(returns) else NOT_FINITE)
        measures |= _account_measures(ledgers, len(returns), bars_per_year)
        measures |= _trade_measures([trade for of_asset in trades for trade in of_asset])
        measures["gross_return"] = _gross_return(measures, ledgers)
    return {key: _finite(measures[key]) for key in METRIC_KEYS}


def _equity_before(ledger: LedgerResult) -> FloatArray:
    return np.concatenate(([ledger.initial_cash], ledger.equity))[:-1]


def _path(ledgers: Sequence[LedgerResult], returns: FloatArray) -> FloatArray:
    """Return the equity by date `[n + 1]` with the initial cash before it."""
    start = sum(ledger.initial_cash for ledger in ledgers)
    equity = ledgers[0].equity if len(ledgers) == 1 else start * np.cumprod(1 + returns, dtype=np.float64)
    return np.concatenate(([start], equity))


def exposure(ledger: LedgerResult) -> float:
    """Return the mean over bars of |units · close| / equity; a ruined bar counts 0."""
    held = np.abs(ledger.units * ledger.close)
    return float(np.mean(np.divide(held, ledger.equity, out=np.zeros_like(held), where=ledger.equity != 0)))


def turnover(ledger: LedgerResult) -> float:
    """Return Σ ½ |ordered units| · reference price / equity at the close before; a round trip of 100 % counts 1."""
    before = _equity_before(ledger)
    units = np.abs(ordered_units(ledger))
    traded = units > 0
    return float(np.sum(0.5 * units[traded] * ledger.reference_price[traded] / before[traded]))


def _return_measures(
    path: FloatArray, returns: FloatArray, periods_per_year: float, risk_free_rate: float
) -> dict[str, Measure]:
    excess = returns - risk_free_rate / periods_per_year
    yearly, deepest = formulas.cagr(path, periods_per_year), formulas.max_drawdown(path)
    return {
        "total_return": float(path[-1] / path[0] - 1),
        "log_growth": formulas.log_growth(path),
        "cagr": yearly,
        "volatility": formulas.volatility(returns, periods_per_year),
        "sharpe": formulas.sharpe(excess, periods_per_year),
        "sortino": formulas.sortino(excess, periods_per_year),
        "calmar": formulas.calmar(yearly, deepest),
        "max_drawdown": deepest,
        "max_drawdown_bars": formulas.max_drawdown_bars(path),
        "value_at_risk_5": formulas.value_at_risk_5(returns),
        "expected_shortfall_5": formulas.expected_shortfall_5(returns),
    }


def _benchmark_measures(
    returns: FloatArray, benchmark: FloatArray | None, periods_per_year: float, risk_free_rate: float
) -> dict[str, Measure]:
    if benchmark is None or not np.all(np.isfinite(benchmark)):
        return dict.fromkeys(["alpha", "beta", "information_ratio"], NO_BENCHMARK)
    per_bar = risk_free_rate / periods_per_year
    alpha, beta = formulas.alpha_beta(returns - per_bar, benchmark - per_bar, periods_per_year)
    ratio = formulas.information_ratio(returns, benchmark, periods_per_year)
    return {"alpha": alpha, "beta": beta, "information_ratio": ratio}


def _account_measures(ledgers: Sequence[LedgerResult], num_bars: int, periods_per_year: float) -> dict[str, Measure]:
    if not num_bars:
        return dict.fromkeys(["net_pnl", "exposure", "turnover_per_year"], NO_BAR) | _costs_paid(ledgers)
    return {
        "net_pnl": float(sum(ledger.equity[-1] - ledger.initial_cash for ledger in ledgers)),
        "exposure": float(np.mean([exposure(ledger) for ledger in ledgers])),
        "turnover_per_year": float(np.mean([turnover(ledger) for ledger in ledgers]) * periods_per_year / num_bars),
        **_costs_paid(ledgers),
    }


def _costs_paid(ledgers: Sequence[LedgerResult]) -> dict[str, Measure]:
    return {
        f"{cost}_paid": float(sum(getattr(ledger, cost).sum() for ledger in ledgers))
        for cost in ("fees", "slippage", "spread", "borrow")
    }


def _trade_measures(trades: Sequence[Trade]) -> dict[str, Measure]:
    if not trades:
        return {"trades": 0.0, "win_rate": NEVER_TRADED, "profit_factor": NEVER_TRADED, "avg_bars_held": NEVER_TRADED}
    pnl = np.array([trade.net_pnl for trade in trades])
    lost = -pnl[pnl < 0].sum()
    return {
        "trades": float(len(trades)),
        "win_rate": float(np.mean(pnl > 0)),
        "profit_factor": float(pnl[pnl > 0].sum() / lost) if lost > 0 else Undefined("no losing trade"),
        "avg_bars_held": float(np.mean([trade.bars_held for trade in trades])),
    }


def _gross_return(measures: dict[str, Measure], ledgers: Sequence[LedgerResult]) -> Measure:
    parts = [measures[key] for key in ("total_return", "fees_paid", "slippage_paid", "spread_paid", "borrow_paid")]
    numbers = [part for part in parts if not isinstance(part, Undefined)]
    if isinstance(parts[0], Undefined):
        return parts[0]
    return numbers[0] + sum(numbers[1:]) / sum(ledger.initial_cash for ledger in ledgers)


def _finite(measure: Measure) -> Measure:
    if isinstance(measure, Undefined) or np.isfinite(measure):
        return measure
    return Undefined("not a finite number for these bars")
