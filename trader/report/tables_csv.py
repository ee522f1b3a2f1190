"""`equity.csv` and `trades.csv`: one row per bar, one row per trade; Arrow writes a million rows in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from trader.evaluation.results import BacktestResult, LedgerResult, StrategyResult, Trade

EQUITY_COLUMNS = (
    *("strategy", "seed", "asset", "date", "target", "units", "fill_price", "cash", "close"),
    *("fees", "slippage", "spread", "borrow", "equity"),
)
TRADE_COLUMNS = (
    *("strategy", "seed", "asset", "entry_date", "exit_date", "side", "units", "entry_price", "exit_price"),
    *("gross_pnl", "fees", "slippage", "spread", "borrow", "net_pnl", "bars_held"),
)
TimeUnit = Literal["D", "s", "ms", "us"]
TimeArray = np.ndarray[Any, np.dtype[np.datetime64]]
_STRUCTURAL = set('",\r\n')


def write_equity(file: BinaryIO, result: BacktestResult) -> None:
    """Write `equity.csv` (UTC, ISO 8601; dates alone when every bar is stamped at midnight)."""
    unit = _unit(result)
    ledgers = [ledger for strategy in result.strategies for ledger in strategy.ledgers]
    times = {ledger.time.tobytes(): ledger.time for ledger in ledgers}  # strategies share them: each is spelt once
    dates = {key: pa.array(iso_dates(time, unit)) for key, time in times.items()}
    _write(file, EQUITY_COLUMNS, (_equity_table(s, ledger, dates) for s in result.strategies for ledger in s.ledgers))


def write_trades(file: BinaryIO, result: BacktestResult) -> None:
    """Write `trades.csv`; the exit date and price of a trade still open at the end are empty and its last close."""
    unit = _unit(result)
    _write(file, TRADE_COLUMNS, _trade_tables(result, unit))


def iso_dates(time: TimeArray, unit: TimeUnit) -> list[str]:
    """Return `[n]` ISO 8601 strings: `2018-01-04` for unit `D`, otherwise UTC with a `Z`.

    Example:
        >>> iso_dates(np.array(["2018-01-04T15:30"], dtype="datetime64[ns]"), "s")
        ['2018-01-04T15:30:00Z']
    """
    text = np.datetime_as_string(time, unit=unit) if len(time) else np.array([], dtype=str)
    return text.tolist() if unit == "D" else np.char.add(text, "Z").tolist()


def time_unit(times: Sequence[TimeArray]) -> TimeUnit:
    """Return the coarsest of day, second, millisecond, microsecond that shows every stamp exactly."""
    units: tuple[TimeUnit, ...] = ("D", "s", "ms")
    for unit in units:
        if all((time == time.astype(f"datetime64[{unit}]")).all() for time in times):
            return unit
    return "us"


def _unit(result: BacktestResult) -> TimeUnit:
    return time_unit([ledger.time for ledger in result.strategies[0].ledgers])


def _equity_table(strategy: StrategyResult, ledger: LedgerResult, dates: Mapping[bytes, pa.Array]) -> pa.Table:
    numbers = {column: _floats(getattr(ledger, column)) for column in EQUITY_COLUMNS[4:]}
    labels = _labels(strategy, ledger.asset, len(ledger.time))
    columns = {**labels, "date": dates[ledger.time.tobytes()], **numbers}
    return pa.table({column: columns[column] for column in EQUITY_COLUMNS})


def _trade_tables(result: BacktestResult, unit: TimeUnit) -> Iterator[pa.Table]:
    for strategy in result.strategies:
        for ledger, trades in zip(strategy.ledgers, strategy.trades, strict=True):
            if trades:
                yield _trade_table(strategy, ledger.asset, trades, unit)


def _trade_table(strategy: StrategyResult, asset: str, trades: list[Trade], unit: TimeUnit) -> pa.Table:
    entries = np.array([trade.entry_time for trade in trades], dtype="datetime64[us]")
    exits = np.array([trade.exit_time for trade in trades], dtype="datetime64[us]")  # None becomes NaT
    columns = {
        **_labels(strategy, asset, len(trades)),
        "entry_date": pa.array(iso_dates(entries, unit)),
        "exit_date": pa.array(iso_dates(exits, unit), type=pa.string(), mask=np.isnat(exits)),
        "side": pa.array([trade.side for trade in trades]),
        "bars_held": pa.array([trade.bars_held for trade in trades], type=pa.int64()),
    }
    for column in TRADE_COLUMNS[6:-1]:
        columns[column] = _floats(np.array([getattr(trade, column) for trade in trades], dtype=np.float64))
    return pa.table({column: columns[column] for column in TRADE_COLUMNS})


def _labels(strategy: StrategyResult, asset: str, num_rows: int) -> dict[str, pa.Array]:
    seed = pa.scalar(strategy.seed, type=pa.int64())
    return {
        "strategy": pa.repeat(strategy.name, num_rows),
        "seed": pa.repeat(seed, num_rows),
        "asset": pa.repeat(asset, num_rows),
    }


def _floats(values: Any) -> pa.Array:
    return pa.array(np.asarray(values, dtype=np.float64), from_pandas=True)  # NaN becomes an empty field


def _write(file: BinaryIO, columns: Sequence[str], tables: Iterator[pa.Table]) -> None:
    file.write((",".join(columns) + "\n").encode())
    for table in tables:
        labels = {str(table[column][0]) for column in ("strategy", "asset") if table.num_rows}
        # Arrow quotes either every string or none: quote only where a name would break the row.
        quoting = "needed" if any(_STRUCTURAL & set(label) for label in labels) else "none"
        pa_csv.write_csv(table, file, pa_csv.WriteOptions(include_header=False, quoting_style=quoting))
