"""What one bar pays, net of all costs, and how it is scaled.

`reward = base / s − (drawdown penalty + turnover penalty) / σ`, σ the reward scale (`auto`: deviation of the training
bars' log returns) and s = σ, but 1 for the differential Sharpe ratio, which is a number of deviations already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from keras import ops

if TYPE_CHECKING:
    from trader.config import EnvConfig

MIN_RATIO = 1e-3  # of equity over a bar: floors the log reward at ruin


class Moments(NamedTuple):
    """Moving first and second moment of per-bar returns, `[N]` float32 (differential Sharpe ratio)."""

    first: Any
    second: Any


class Bar(NamedTuple):
    """What the reward of one bar is made of, `[N]` float32.

    Attributes:
        before, after: equity at the two closes (fractions of initial cash).
        realized: profit or loss realised in the bar, net of all costs.
        turnover: traded notional / equity.
        drawdown: ≤ 0, at the later close.
    """

    before: Any
    after: Any
    realized: Any
    turnover: Any
    drawdown: Any


def reward_scale(env: EnvConfig, return_deviation: float) -> float:
    """Return what rewards are divided by: the number of the config, or the deviation of training returns."""
    return return_deviation if env.reward_scale == "auto" else float(env.reward_scale)


def log_growth(before: Any, after: Any) -> Any:
    """Return log(after / before) `[N]`, floored at log(0.001); 0 for an account that was already ruined."""
    alive = before > 0.0
    ratio = after / ops.where(alive, before, 1.0)
    return ops.where(alive, ops.log(ops.maximum(ratio, MIN_RATIO)), 0.0)


def differential_sharpe(moments: Moments, simple_return: Any, rate: float) -> tuple[Any, Moments]:
    """Return the differential Sharpe ratio `[N]` and the moved moments.

    D = (B·ΔA − ½·A·ΔB) / (B − A²)^(3/2) with ΔA = R − A and ΔB = R² − B, then A += rate·ΔA, B += rate·ΔB.

    Reference:
        Moody and Saffell (2001), Learning to trade via direct reinforcement, section II.D. They start from A = B = 0,
        where D does not exist; here B starts at the variance of the training bars.
    """
    first_change = simple_return - moments.first
    second_change = ops.square(simple_return) - moments.second
    variance = ops.maximum(moments.second - ops.square(moments.first), 1e-12)
    change = moments.second * first_change - 0.5 * moments.first * second_change
    moved = Moments(moments.first + rate * first_change, moments.second + rate * second_change)
    return change / variance**1.5, moved


def reward(env: EnvConfig, scale: float, bar: Bar, moments: Moments) -> tuple[Any, Moments]:
    """Return the scaled reward `[N]` of one bar and the moved moments.

    `log_return` log(E′/E) · `pnl` (E′ − E) / initial cash · `realized_pnl` profit realised by reductions and
    closures, interest when charged, over initial cash · `differential_sharpe` as above.
    """
    if env.reward == "differential_sharpe":
        simple = ops.where(bar.before > 0.0, bar.after / ops.maximum(bar.before, 1e-30) - 1.0, 0.0)
        base, moments = differential_sharpe(moments, simple, env.differential_sharpe_rate)
    elif env.reward == "pnl":
        base = (bar.after - bar.before) / scale
    elif env.reward == "realized_pnl":
        base = bar.realized / scale
    else:
        base = log_growth(bar.before, bar.after) / scale
    return base - _penalties(env, bar) / scale, moments


def _penalties(env: EnvConfig, bar: Bar) -> Any:
    total = env.turnover_penalty * bar.turnover
    if env.drawdown_penalty is not None:
        excess = ops.maximum(-bar.drawdown - env.drawdown_penalty.threshold, 0.0)
        total = total + env.drawdown_penalty.weight * excess
    return total
