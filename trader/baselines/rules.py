"""Rule baselines: closes up to each decision -> target exposures, played with the agent's timing and costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
Rule = Callable[[FloatArray, int, int, Sequence[float]], FloatArray]

FAST_BARS = 50
SLOW_BARS = 200
MOMENTUM_BARS = 252


def buy_and_hold(close: FloatArray, first: int, last: int, positions: Sequence[float]) -> FloatArray:
    """Exposure 1 from the first decision, whatever `positions`; never rebalanced, since the target never changes.

    Args:
        close: prices `[T]` of the whole file.
        first: row of the first decision.
        last: row of the last decision (included).
        positions: ascending exposures the agent may take.

    Returns:
        Target exposures `[last - first + 1]`.

    Example:
        >>> buy_and_hold(np.ones(5), 1, 3, [-1.0, 0.0, 1.0]).tolist()
        [1.0, 1.0, 1.0]
    """
    return np.ones(last - first + 1)


def flat(close: FloatArray, first: int, last: int, positions: Sequence[float]) -> FloatArray:
    """Exposure 0: cash, which earns nothing. Arguments and result as in `buy_and_hold`."""
    return np.zeros(last - first + 1)


def sma_crossover(close: FloatArray, first: int, last: int, positions: Sequence[float]) -> FloatArray:
    """Highest position while mean(close[t-49..t]) > mean(close[t-199..t]), else the lowest.

    Before there are 200 bars the target is 0. Means that differ by rounding only count as equal, so a constant price
    is never "above". Arguments and result as in `buy_and_hold`.

    Reference:
        Brock, Lakonishok, LeBaron (1992), Simple technical trading rules, J. Finance 47(5): variable-length moving
        average; here (50, 200) without a band.
    """
    fast = _mean_of_last(close, first, last, FAST_BARS)
    slow = _mean_of_last(close, first, last, SLOW_BARS)
    with np.errstate(invalid="ignore"):
        above = fast > slow * (1 + 1e-12)
    return np.where(np.isnan(slow), 0.0, np.where(above, max(positions), min(positions)))


def momentum(close: FloatArray, first: int, last: int, positions: Sequence[float]) -> FloatArray:
    """Highest position while close[t] / close[t-252] - 1 > 0, else the lowest.

    Before there are 252 earlier bars the target is 0. Bars, not days: on hourly prices the look-back is 252 hours.
    Arguments and result as in `buy_and_hold`.

    Reference:
        Moskowitz, Ooi, Pedersen (2012), Time series momentum, J. Financial Economics 104(2): sign of the past
        12-month return; here without volatility scaling.
    """
    rows = np.arange(first, last + 1)
    past = close[np.maximum(rows - MOMENTUM_BARS, 0)]
    held = np.where(close[rows] > past, max(positions), min(positions))
    return np.where(rows >= MOMENTUM_BARS, held, 0.0)


def random_targets(agent_targets: FloatArray, seed: int | np.random.Generator) -> FloatArray:
    """Return the agent's own targets shifted in a circle by 1 to n-1 bars: same exposures and turnover, other times.

    Args:
        agent_targets: target exposures `[n]` of the agent.
        seed: seed or generator the shift is drawn from.

    Returns:
        Target exposures `[n]`; a single one comes back as it is.
    """
    if len(agent_targets) < 2:
        return agent_targets.copy()
    shift = np.random.default_rng(seed).integers(1, len(agent_targets))
    return np.roll(agent_targets, int(shift))


def _mean_of_last(close: FloatArray, first: int, last: int, num_bars: int) -> FloatArray:
    """Return mean(close[t - num_bars + 1 .. t]) for t = first … last, NaN where there are fewer bars."""
    means = np.full(last - first + 1, np.nan)
    start = max(first, num_bars - 1)
    if start <= last:
        windows = np.lib.stride_tricks.sliding_window_view(close[start - num_bars + 1 : last + 1], num_bars)
        means[start - first :] = windows.mean(axis=1)
    return means


BASELINES: dict[str, Rule] = {
    "buy_and_hold": buy_and_hold,
    "flat": flat,
    "sma_crossover": sma_crossover,
    "momentum": momentum,
}
"""Rules that read prices only; `random` reads the agent's targets instead (`random_targets`)."""
