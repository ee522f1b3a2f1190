"""The records that pass from the ledger to metrics, backtest and report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Undefined:
    """A number that does not exist here, and why: `null` with a reason in JSON."""

    reason: str


Measure = float | Undefined


@dataclass(frozen=True)
class LedgerResult:
    """One strategy on one asset: one entry per bar, in order of time, all `[n]`.

    Attributes:
        asset: name of the asset.
        time: datetime64[us], UTC, of the bar (not of the decision).
        target: exposure asked for in this bar; NaN while nothing was asked.
        units: signed units held at the close.
        fill_price: effective price of this bar's trade; NaN when nothing was traded.
        cash, close, equity: at the close (currency); `equity = cash + units * close`.
        fees, slippage, spread, borrow: costs of the bar (currency, >= 0).
        reference_price: price the order referred to before slippage and spread; NaN when nothing was traded.
        initial_cash: equity before the first bar.
        ruined: whether equity reached zero.
        ruin_units: units of the position that was closed by ruin.
        ruin_price: the price of that close, at which equity is exactly 0; NaN without ruin.
        fill: fill rule of the ledger; with `close` a bar's trade was filled at the close before the bar.
    """

    asset: str
    time: np.ndarray[Any, np.dtype[np.datetime64]]
    target: FloatArray
    units: FloatArray
    fill_price: FloatArray
    reference_price: FloatArray
    cash: FloatArray
    close: FloatArray
    fees: FloatArray
    slippage: FloatArray
    spread: FloatArray
    borrow: FloatArray
    equity: FloatArray
    initial_cash: float
    ruined: bool
    ruin_units: float = 0.0
    ruin_price: float = float("nan")
    fill: str = "next_open"


@dataclass(frozen=True)
class Trade:
    """From non-zero units of one sign to zero or flip; `exit_time` is None while open at the end."""

    entry_time: np.datetime64
    exit_time: np.datetime64 | None
    side: str
    units: float
    entry_price: float
    exit_price: float
    gross_pnl: float
    fees: float
    slippage: float
    spread: float
    borrow: float
    net_pnl: float
    bars_held: int


@dataclass(frozen=True)
class StrategyResult:
    """One strategy (one seed of it) over all assets of the backtest.

    Attributes:
        name: the agent's name, or that of a baseline (`dqn`, `buy_and_hold`, …).
        seed: the agent's seed, None for a strategy without one.
        ledgers: one per asset, equal initial cash.
        trades: one list per asset.
        metrics: every key of `trader.evaluation.metrics.METRIC_KEYS`.
    """

    name: str
    seed: int | None
    ledgers: tuple[LedgerResult, ...]
    trades: tuple[list[Trade], ...]
    metrics: dict[str, Measure]


@dataclass(frozen=True)
class BacktestResult:
    """Everything a report says about one look at held-out dates.

    Attributes:
        agent: strategy name of the agent.
        strategies: agent (one per seed) first, then baselines (`random` once per seed).
        experiment: the resolved config as plain JSON values.
        config_sha256, data_sha256: fingerprints.
        segments: name -> [first date, last date] as ISO strings.
        timerange: [first bar, last bar] of this backtest as ISO strings.
        periods_per_year: bars per year used for annualising.
        checkpoints: seed -> step of the checkpoint that played.
        looks: how many times these held-out dates were looked at, this one included.
        trials: started runs on overlapping test dates.
        warnings: one sentence each.
        command, versions: how and with what this was made.
    """

    agent: str
    strategies: tuple[StrategyResult, ...]
    experiment: dict[str, Any]
    config_sha256: str
    data_sha256: str
    segments: dict[str, list[str]]
    timerange: list[str]
    periods_per_year: float
    checkpoints: dict[int, int]
    looks: int
    trials: int
    warnings: list[str] = field(default_factory=list)
    command: str = ""
    versions: dict[str, str] = field(default_factory=dict)
