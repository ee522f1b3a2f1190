"""The oracle of markets with a known law: average-reward dynamic programming on (signal, rung).

The signal is the last log return x; the next is x′ = m + φ·(x − m) + ε, ε normal. Holding exposure e pays
E[log(1 + e·(exp(x′) − 1))] less interest; moving from exposure a to b costs log(1 − cost fraction) by the account's
closed form. The relative value V solves V(x, a) + g = max over b of pay(x, a, b) + E[V(x′, b)], g the income per bar.
Between trades the exposure is taken as the target (units drift by one bar's return only between rebalances).

Reference:
    Puterman (1994), Markov decision processes, section 8.5 (relative value iteration).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from trader.config import EnvConfig

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

GRID_POINTS = 401
GRID_DEVIATIONS = 6.0
# Largest loss of income per bar against the best policy (log growth); nearer takes minutes where trading hardly pays.
TOLERANCE = 1e-8


class Law(NamedTuple):
    """Law of the log returns: stationary mean and deviation (per bar), autocorrelation, years per bar."""

    mean: float
    deviation: float
    autocorrelation: float
    years_per_bar: float


class Oracle(NamedTuple):
    """The optimal policy on a grid of signals.

    Attributes:
        signals: `[K]` ascending grid of the last log return.
        policy: `[K, R]` int, the rung to go to from each rung when the signal is nearest to `signals[k]`.
        income: expected net log growth per bar.
        start_rung: rung whose exposure an empty account has (nearest to 0).
    """

    signals: FloatArray
    policy: IntArray
    income: float
    start_rung: int


def law_of(market: Any, years_per_bar: float) -> Law | None:
    """Return the law of a synthetic market's config, None where no oracle is known."""
    if market.kind == "ar1":
        return Law(0.0, market.volatility, market.autocorrelation, years_per_bar)
    if market.kind == "random_walk":
        return Law(-0.5 * market.volatility**2, market.volatility, 0.0, years_per_bar)
    if market.kind == "gbm":
        log_drift = np.log1p(market.drift) - 0.5 * market.volatility**2
        return Law(float(log_drift), market.volatility, 0.0, years_per_bar)
    return None


def solve(law: Law, env: EnvConfig, num_points: int = GRID_POINTS) -> Oracle:
    """Return the oracle of `law` under the costs, positions, actions and fill of `env`.

    The synthetic bars open at the previous close, so `next_open` and `close` fill before the next return and
    `next_close` after it.
    """
    signals = law.mean + law.deviation * np.linspace(-GRID_DEVIATIONS, GRID_DEVIATIONS, num_points)
    transition = _transition(law, signals)
    positions = np.asarray(env.positions, dtype=np.float64)
    pay = _pay(law, env, positions, signals)
    pay[:, ~_reachable(env, len(positions))] = -np.inf
    policy, income = relative_value_iteration(transition, pay)
    return Oracle(signals, policy, income, int(np.argmin(np.abs(positions))))


def relative_value_iteration(transition: FloatArray, pay: FloatArray) -> tuple[IntArray, float]:
    """Return the optimal policy `[K, R]` and its average pay per step.

    Args:
        transition: `[K, K]` probabilities of the next signal.
        pay: `[K, R, R]` pay of going from rung a to rung b, −inf where it is not allowed.
    """
    value = change = np.zeros(pay.shape[:2])
    # Half-way steps keep a periodic chain from oscillating (Puterman, section 8.5.4); the gain halves with them.
    for _ in range(100_000):
        improved = (pay + (transition @ value)[:, None, :]).max(axis=2)
        change = 0.5 * (improved - value)
        value = value + change
        if np.ptp(change) < TOLERANCE / 2:
            break
        value -= value[len(value) // 2, 0]
    best = (pay + (transition @ value)[:, None, :]).argmax(axis=2)
    return best, float(2 * change.mean())


def _transition(law: Law, signals: FloatArray) -> FloatArray:
    from scipy.special import ndtr  # only generated markets have a law: other commands need not wait for SciPy

    edges = np.concatenate([[-np.inf], (signals[1:] + signals[:-1]) / 2, [np.inf]])
    centre = law.mean + law.autocorrelation * (signals - law.mean)
    cumulative = ndtr((edges[None, :] - centre[:, None]) / _noise(law))
    return np.diff(cumulative, axis=1)


def _noise(law: Law) -> float:
    return law.deviation * float(np.sqrt(1.0 - law.autocorrelation**2))


def _pay(law: Law, env: EnvConfig, positions: FloatArray, signals: FloatArray) -> FloatArray:
    """Return `[K, R, R]`: expected log growth of the bar in which the rung goes from a to b."""
    held = _held(law, env, positions, signals)
    moved = _moved(env, positions)
    if env.fill == "next_close":
        return held[:, :, None] + moved[None]
    return held[:, None, :] + moved[None]


def _held(law: Law, env: EnvConfig, positions: FloatArray, signals: FloatArray) -> FloatArray:
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    centre = law.mean + law.autocorrelation * (signals - law.mean)
    simple = np.expm1(centre[:, None] + _noise(law) * nodes[None, :])
    borrowed = np.maximum(-positions, 0.0) + np.maximum(positions - 1.0, 0.0)
    paid = env.borrow_interest_rate * law.years_per_bar * borrowed
    ratio = 1.0 + positions[None, :, None] * simple[:, None, :] - paid[None, :, None]
    return np.log(np.maximum(ratio, 1e-3)) @ (weights / weights.sum())


def _moved(env: EnvConfig, positions: FloatArray) -> FloatArray:
    """Return `[R, R]` log of the equity left by a trade from exposure a to exposure b (at price 1, equity 1)."""
    before, after = positions[:, None], positions[None, :]
    side = np.where(after > before, 1.0, -1.0)
    moved = env.slippage_bps / 1e4 + env.spread_bps / 2e4
    unit_cost = side * ((1.0 + side * moved) * (1.0 + side * env.trading_fees) - 1.0)
    units = after * (1.0 + side * before * unit_cost) / (1.0 + side * after * unit_cost)
    return np.where(after == before, 0.0, np.log(1.0 - np.abs(units - before) * unit_cost))


def _reachable(env: EnvConfig, num_rungs: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    rungs = np.arange(num_rungs)
    distance = np.abs(rungs[:, None] - rungs[None, :])
    return distance <= 1 if env.actions == "orders" else distance >= 0


def oracle_targets(oracle: Oracle, env: EnvConfig, closes: FloatArray, first: int, last: int) -> FloatArray:
    """Return the oracle's target exposures `[last − first + 1]` for decisions first … last; `first` ≥ 1."""
    log_returns = np.diff(np.log(closes[first - 1 : last + 1]))
    cells = np.searchsorted((oracle.signals[1:] + oracle.signals[:-1]) / 2, log_returns)
    rung, path = oracle.start_rung, np.empty(len(cells), dtype=np.int64)
    for i, cell in enumerate(cells):
        rung = oracle.policy[cell, rung]
        path[i] = rung
    return np.asarray(env.positions, dtype=np.float64)[path]
