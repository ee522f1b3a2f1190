"""What the charts of `report.html` draw: series thinned for display only, as small JSON.

Thinning keeps the least and the greatest value of every stretch of bars, so no peak or drawdown disappears;
every number printed in the report comes from the whole series.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trader.evaluation.results import BacktestResult, FloatArray, LedgerResult, StrategyResult, Trade
from trader.report.series import drawdown, equity_curve, exposure, median_seed, seeds_of, strategy_names
from trader.report.words import baseline_label

MOST_POINTS, FEWEST_POINTS = 1600, 120
POINT_BUDGET = 300_000  # points of all position charts together: about 4 MB
MARK_BUDGET = 60_000
MILLISECONDS_PER_DAY = 86_400_000
MOST_PANELS = 400  # asset × seed
TimeArray = np.ndarray[Any, np.dtype[np.datetime64]]


class Clock(NamedTuple):
    """Times as whole ticks since `start` (both in milliseconds): a daily bar is then a small integer."""

    start: int
    tick: int

    def ticks(self, time: TimeArray) -> list[int]:
        """Return the first tick and then the steps from one time to the next, `[n]`."""
        return np.diff((_milliseconds(time) - self.start) // self.tick, prepend=0).tolist()


def thin(values: FloatArray, most: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return ascending row indices, about `most` at the most, with both ends and each stretch's extremes.

    Example:
        >>> thin(np.array([0.0, 9.0, 1.0, 1.0, -5.0, 1.0, 1.0, 2.0]), 4).tolist()
        [0, 1, 4, 7]
    """
    num_bars = len(values)
    if num_bars <= most:
        return np.arange(num_bars)
    size = -(-num_bars // max(1, most // 2))
    padded = np.concatenate([values, np.full(-num_bars % size, values[-1])]).reshape(-1, size)
    starts = np.arange(len(padded)) * size
    ends = np.array([0, num_bars - 1])
    rows = np.concatenate([starts + padded.argmin(axis=1), starts + padded.argmax(axis=1), ends])
    return np.unique(np.minimum(rows, num_bars - 1))


def chart_values(result: BacktestResult) -> dict[str, Any]:
    """Return everything the page's script draws, as JSON values."""
    clock = _clock(result)
    return {
        "clock": {"start": clock.start, "tick": clock.tick},
        "agent": result.agent,
        "performance": _performance(result, clock),
        "positions": _positions(result, clock),
    }


def _performance(result: BacktestResult, clock: Clock) -> dict[str, Any]:
    curves = [equity_curve(strategy) for strategy in seeds_of(result, result.agent)]
    falls = [drawdown(curve) for curve in curves]
    time, equity, fall = curves[0].time, np.stack([curve.equity for curve in curves]), np.stack(falls)
    seeds = [strategy.seed for strategy in seeds_of(result, result.agent)]
    return {
        "median": _pair(clock, time, np.median(equity, axis=0), np.median(fall, axis=0)),
        "low": _pair(clock, time, equity.min(axis=0), fall.min(axis=0)),
        "high": _pair(clock, time, equity.max(axis=0), fall.max(axis=0)),
        "seeds": [
            {"seed": seed, **_pair(clock, time, own, own_fall)}
            for seed, own, own_fall in zip(seeds, equity, fall, strict=True)
        ],
        "baselines": [_baseline(result, name, clock) for name in strategy_names(result)[1:]],
    }


def _baseline(result: BacktestResult, name: str, clock: Clock) -> dict[str, Any]:
    curves = [equity_curve(strategy) for strategy in seeds_of(result, name)]
    equity = np.median([curve.equity for curve in curves], axis=0)
    fall = np.median([drawdown(curve) for curve in curves], axis=0)
    label = baseline_label(result, name)
    return {"name": name, "label": label, **_pair(clock, curves[0].time, equity, fall)}


def _positions(result: BacktestResult, clock: Clock) -> dict[str, Any]:
    seeds = seeds_of(result, result.agent)
    middle = median_seed(seeds)
    num_assets = min(len(middle.ledgers), MOST_PANELS)
    shown = seeds if num_assets * len(seeds) <= MOST_PANELS else [middle]
    num_panels = num_assets * len(shown)
    points = int(np.clip(POINT_BUDGET // (num_panels + num_assets), FEWEST_POINTS, MOST_POINTS))
    marks = MARK_BUDGET // num_panels
    assets = [
        {
            "name": middle.ledgers[row].asset,
            "price": _line(clock, middle.ledgers[row].time, middle.ledgers[row].close, points),
            "seeds": [_panel(clock, strategy, row, points, marks) for strategy in shown],
        }
        for row in range(num_assets)
    ]
    return {"median": shown.index(middle), "seeds": [strategy.seed for strategy in shown], "assets": assets}


def _panel(clock: Clock, strategy: StrategyResult, row: int, points: int, most_marks: int) -> dict[str, Any]:
    ledger = strategy.ledgers[row]
    exposed = _line(clock, ledger.time, exposure(ledger), points)
    return {"exposure": exposed, "marks": _marks(clock, ledger, strategy.trades[row], most_marks)}


def _marks(clock: Clock, ledger: LedgerResult, trades: list[Trade], most: int) -> dict[str, Any]:
    """Entries and exits by time; `kind` is `long`, `short` or `exit`; evenly thinned when there are too many."""
    entries = [(trade.entry_time, trade.entry_price, trade.side) for trade in trades]
    exits = [(trade.exit_time, trade.exit_price, "exit") for trade in trades if trade.exit_time is not None]
    marks = sorted(entries + exits, key=lambda mark: mark[0])
    kept = marks[:: max(1, -(-len(marks) // most))]
    time = np.array([mark[0] for mark in kept], dtype=ledger.time.dtype)
    prices = _short(np.array([mark[1] for mark in kept], dtype=np.float64))
    kinds = [mark[2] for mark in kept]
    return {"t": clock.ticks(time), "y": prices, "kind": kinds, "shown": len(kept), "all": len(marks)}


def _pair(clock: Clock, time: TimeArray, equity: FloatArray, fall: FloatArray) -> dict[str, Any]:
    return {"equity": _line(clock, time, equity, MOST_POINTS), "drawdown": _line(clock, time, fall, MOST_POINTS)}


def _line(clock: Clock, time: TimeArray, values: FloatArray, points: int) -> dict[str, Any]:
    rows = thin(values, points)
    return {"t": clock.ticks(time[rows]), "y": _short(values[rows])}


def _short(values: FloatArray) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def _clock(result: BacktestResult) -> Clock:
    ledgers = seeds_of(result, result.agent)[0].ledgers
    time = np.unique(np.concatenate([_milliseconds(ledger.time) for ledger in ledgers]))
    tick = int(np.gcd.reduce(np.diff(time))) if len(time) > 1 else MILLISECONDS_PER_DAY
    return Clock(int(time[0]), max(1, tick))


def _milliseconds(time: TimeArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    return time.astype("datetime64[ms]").astype(np.int64)
