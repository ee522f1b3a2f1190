"""What the charts of `report.html` draw: figures, and series thinned for display only, as small JSON.

Thinning keeps the least and the greatest value of every stretch of bars, so no peak or drawdown disappears;
every number printed in the report comes from the whole series.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trader.evaluation.results import BacktestResult, FloatArray, LedgerResult, StrategyResult, Trade
from trader.report.figures import performance_figure, positions_figure
from trader.report.series import drawdown, equity_curve, exposure, median_seed, seeds_of, strategy_names
from trader.report.words import baseline_label

MOST_POINTS, FEWEST_POINTS = 1600, 120
LINE_BUDGET = 80_000  # points of all equity and drawdown lines together
POINT_BUDGET = 150_000  # points of all position charts together: about 1.5 MB
MARK_BUDGET = 40_000
MILLISECONDS_PER_DAY = 86_400_000
MOST_PANELS = 400  # asset × seed
MARK_KINDS = ("long", "short", "exit")
TimeArray = np.ndarray[Any, np.dtype[np.datetime64]]
Line = dict[str, Any]


class Clock(NamedTuple):
    """Times as whole ticks since `start` (both in milliseconds): a daily bar is then a small integer."""

    start: int
    tick: int

    @property
    def date_format(self) -> str:
        """How a bar's time is written: with the clock only where bars are not stamped at midnight."""
        daily = self.tick % MILLISECONDS_PER_DAY == 0 and self.start % MILLISECONDS_PER_DAY == 0
        return "%Y-%m-%d" if daily else "%Y-%m-%d %H:%M"

    def ticks(self, time: TimeArray) -> list[int]:
        """Return the first tick and then the steps from one time to the next, `[n]`."""
        return np.diff((_milliseconds(time) - self.start) // self.tick, prepend=0).tolist()


class Drawn(NamedTuple):
    """Which assets and seeds the position chart can show: all, unless that would make the page too large."""

    num_assets: int
    seeds: list[StrategyResult]


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
    labels = [(name, baseline_label(result, name)) for name in strategy_names(result)[1:]]
    num_seeds = len(seeds_of(result, result.agent))
    return {
        "clock": clock._asdict(),
        "performance": {
            "figure": performance_figure(result.agent, num_seeds, labels, clock.date_format),
            "lines": performance_lines(result, clock),
        },
        "positions": {"figure": positions_figure(clock.date_format), "assets": _positions(result, clock)},
    }


def performance_lines(result: BacktestResult, clock: Clock) -> list[Line]:
    """Return the lines of equity, then those of drawdown; each: least, greatest, every seed, baselines, median.

    Least, greatest and the seeds alone are left out for one seed, which is its own median.
    """
    time, agent = _curves(result, result.agent)
    others = [_curves(result, name) for name in strategy_names(result)[1:]]
    lines = []
    for pane in range(2):
        seeds = agent[pane]
        band = [seeds.min(axis=0), seeds.max(axis=0), *seeds] if len(seeds) > 1 else []
        lines += [(time, values) for values in band]
        lines += [(own, np.median(curves[pane], axis=0)) for own, curves in others]
        lines.append((time, np.median(seeds, axis=0)))
    points = int(np.clip(LINE_BUDGET // len(lines), FEWEST_POINTS, MOST_POINTS))
    return [_line(clock, own, values, points) for own, values in lines]


def drawn_panels(result: BacktestResult) -> Drawn:
    """Return what the position chart can show: every seed of every asset, or a part where they are too many."""
    seeds = seeds_of(result, result.agent)
    num_assets = min(len(seeds[0].ledgers), MOST_PANELS)
    return Drawn(num_assets, seeds if num_assets * len(seeds) <= MOST_PANELS else [median_seed(seeds)])


def _curves(result: BacktestResult, name: str) -> tuple[TimeArray, tuple[FloatArray, FloatArray]]:
    """Times `[n]`, then equity and drawdown `[seeds, n]` of one strategy."""
    curves = [equity_curve(strategy) for strategy in seeds_of(result, name)]
    return curves[0].time, (np.stack([curve.equity for curve in curves]), np.stack([drawdown(own) for own in curves]))


def _positions(result: BacktestResult, clock: Clock) -> list[dict[str, Any]]:
    num_assets, seeds = drawn_panels(result)
    num_panels = num_assets * len(seeds)
    points = int(np.clip(POINT_BUDGET // (num_panels + num_assets), FEWEST_POINTS, MOST_POINTS))
    most_marks = MARK_BUDGET // num_panels
    return [
        {
            "price": _line(clock, seeds[0].ledgers[row].time, seeds[0].ledgers[row].close, points),
            "seeds": [_panel(clock, strategy, row, points, most_marks) for strategy in seeds],
        }
        for row in range(num_assets)
    ]


def _panel(clock: Clock, strategy: StrategyResult, row: int, points: int, most_marks: int) -> dict[str, Any]:
    ledger = strategy.ledgers[row]
    exposed = _line(clock, ledger.time, exposure(ledger), points)
    return {"exposure": exposed, **_marks(clock, ledger, strategy.trades[row], most_marks)}


def _marks(clock: Clock, ledger: LedgerResult, trades: list[Trade], most: int) -> dict[str, Any]:
    """Entries and exits by kind; evenly thinned by time when there are too many."""
    entries = [(trade.entry_time, trade.entry_price, trade.side) for trade in trades]
    exits = [(trade.exit_time, trade.exit_price, "exit") for trade in trades if trade.exit_time is not None]
    marks = entries + exits
    by_time = np.argsort(np.array([mark[0] for mark in marks], dtype=ledger.time.dtype), kind="stable")
    kept = [marks[row] for row in by_time[:: max(1, -(-len(marks) // most))].tolist()]
    lines = {kind: _mark_line(clock, ledger, [mark for mark in kept if mark[2] == kind]) for kind in MARK_KINDS}
    return {**lines, "shown": len(kept), "all": len(marks)}


def _mark_line(clock: Clock, ledger: LedgerResult, marks: list[tuple[Any, float, str]]) -> Line:
    time = np.array([mark[0] for mark in marks], dtype=ledger.time.dtype)
    return {"t": clock.ticks(time), "y": _short(np.array([mark[1] for mark in marks], dtype=np.float64))}


def _line(clock: Clock, time: TimeArray, values: FloatArray, points: int) -> Line:
    rows = thin(values, points)
    return {"t": clock.ticks(time[rows]), "y": _short(values[rows])}


def _short(values: FloatArray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _clock(result: BacktestResult) -> Clock:
    ledgers = seeds_of(result, result.agent)[0].ledgers
    time = np.unique(np.concatenate([_milliseconds(ledger.time) for ledger in ledgers]))
    tick = int(np.gcd.reduce(np.diff(time))) if len(time) > 1 else MILLISECONDS_PER_DAY
    return Clock(int(time[0]), max(1, tick))


def _milliseconds(time: TimeArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    return time.astype("datetime64[ms]").astype(np.int64)
