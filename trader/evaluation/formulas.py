"""Formulas of performance: path of equity or per-bar returns -> one number, or `Undefined` with the reason.

`path` is equity `[n + 1]` with its start; `returns` are simple, per bar, `[n]`; deviations have ddof 1.
Inputs are finite and have at least one bar.
"""

from __future__ import annotations

import numpy as np

from trader.evaluation.results import FloatArray, Measure, Undefined

ZERO_DEVIATION = 1e-14  # a ratio of two equities is rounded at 1e-16: below this, returns are constant

ONE_BAR = Undefined("fewer than two bars")


def log_growth(path: FloatArray) -> Measure:
    """Return ln(final / initial), undefined after ruin.

    Example:
        >>> log_growth(np.array([1.0, 2.0, 1.0]))
        0.0
    """
    return float(np.log(path[-1] / path[0])) if path[-1] > 0 else Undefined("ruined: the logarithm of zero")


def cagr(path: FloatArray, periods_per_year: float) -> float:
    """Return (final / initial) ** (periods_per_year / n) - 1; infinite where so short a path overflows."""
    return float(np.float64(path[-1] / path[0]) ** (periods_per_year / (len(path) - 1)) - 1)


def volatility(returns: FloatArray, periods_per_year: float) -> Measure:
    """Return the deviation per bar times √periods_per_year."""
    return ONE_BAR if len(returns) < 2 else float(np.std(returns, ddof=1) * np.sqrt(periods_per_year))


def sharpe(excess: FloatArray, periods_per_year: float) -> Measure:
    """Return mean / deviation of per-bar excess returns times √periods_per_year.

    Reference:
        Sharpe (1994), The Sharpe ratio, J. Portfolio Management 21(1).
    """
    return _mean_over_deviation(excess, periods_per_year, Undefined("returns do not vary"))


def information_ratio(returns: FloatArray, benchmark: FloatArray, periods_per_year: float) -> Measure:
    """Return mean / deviation of per-bar returns less the benchmark's, times √periods_per_year."""
    constant = Undefined("the difference to the benchmark does not vary")
    return _mean_over_deviation(returns - benchmark, periods_per_year, constant)


def sortino(excess: FloatArray, periods_per_year: float) -> Measure:
    """Return mean / √mean(min(excess, 0)²) of per-bar excess returns times √periods_per_year.

    Reference:
        Sortino, Price (1994), Performance measurement in a downside risk framework, J. Investing 3(3): all n bars
        count in the downside deviation, not only the losing ones.
    """
    downside = np.sqrt(np.mean(np.minimum(excess, 0) ** 2))
    if downside < ZERO_DEVIATION:
        return Undefined("no bar below the risk-free rate")
    return float(excess.mean() / downside * np.sqrt(periods_per_year))


def calmar(yearly_growth: float, deepest_drawdown: float) -> Measure:
    """Return CAGR / |max. drawdown|."""
    return yearly_growth / -deepest_drawdown if deepest_drawdown < 0 else Undefined("no drawdown")


def max_drawdown(path: FloatArray) -> float:
    """Return the least of path / highest so far - 1 (≤ 0).

    Example:
        >>> max_drawdown(np.array([1.0, 2.0, 1.0, 3.0]))
        -0.5
    """
    return float(np.min(path / np.maximum.accumulate(path) - 1))


def max_drawdown_bars(path: FloatArray) -> float:
    """Return the longest run of bars below an earlier peak; the start of the path counts as a peak.

    Example:
        >>> max_drawdown_bars(np.array([2.0, 1.0, 1.5, 2.0, 1.0]))
        2.0
    """
    rows = np.arange(len(path))
    last_peak = np.maximum.accumulate(np.where(path >= np.maximum.accumulate(path), rows, 0))
    return float(np.max(rows - last_peak))


def value_at_risk_5(returns: FloatArray) -> float:
    """Return the 5 % quantile of per-bar returns (linear between order statistics); a loss is negative."""
    return float(np.quantile(returns, 0.05))


def expected_shortfall_5(returns: FloatArray) -> float:
    """Return the mean of the per-bar returns at or below `value_at_risk_5`."""
    return float(returns[returns <= np.quantile(returns, 0.05)].mean())


def alpha_beta(excess: FloatArray, benchmark_excess: FloatArray, periods_per_year: float) -> tuple[Measure, Measure]:
    """Return alpha per year = (mean - beta · benchmark mean) · periods_per_year, and beta = cov / var.

    Reference:
        Jensen (1968), The performance of mutual funds, J. Finance 23(2).
    """
    if len(excess) < 2:
        return ONE_BAR, ONE_BAR
    if np.std(benchmark_excess, ddof=1) < ZERO_DEVIATION:
        constant = Undefined("benchmark returns do not vary")
        return constant, constant
    moments = np.cov(excess, benchmark_excess, ddof=1)
    beta = moments[0, 1] / moments[1, 1]
    return float((excess.mean() - beta * benchmark_excess.mean()) * periods_per_year), float(beta)


def _mean_over_deviation(values: FloatArray, periods_per_year: float, constant: Undefined) -> Measure:
    if len(values) < 2:
        return ONE_BAR
    deviation = np.std(values, ddof=1)
    return constant if deviation < ZERO_DEVIATION else float(values.mean() / deviation * np.sqrt(periods_per_year))
