"""The data doctor: what is wrong with an asset's bars, each finding with code, file row and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import pandas as pd

from trader.data import series_checks
from trader.data.bars import COLUMNS, PRICE_RANGE, RawBars

PRICES = ("open", "high", "low", "close")
# A close outside [low, high] on this share of bars is a scale of its own, not a slip of single bars.
ADJUSTED_SHARE = 0.1
ADJUSTED_BARS = 5
# Rounding of printed prices, not a fault.
RELATIVE_TOLERANCE = 1e-9
FACTOR_TOLERANCE = 1e-6
ADJUSTED_MESSAGE = "close is adjusted, open, high and low are not"

ERROR_CODES = (
    "unsorted",
    "duplicate",
    "shared_dates",
    "mixed_time_zone",
    "dst_hour",
    "future",
    "nan",
    "inf",
    "zero_price",
    "negative_price",
    "extreme_price",
    "negative_volume",
    "zero_volume",
    "high_below_low",
    "open_outside",
    "close_outside",
    "split",
)
WARNING_CODES = ("gap", "stale", "open_is_previous_close", "close_adjusted")


@dataclass(frozen=True)
class Finding:
    """One kind of fault in one asset's bars.

    Attributes:
        asset: whose bars.
        code: one of `ERROR_CODES` or `WARNING_CODES`.
        severity: errors stop the load unless a repair is named; warnings are reported.
        count: bars concerned.
        file: file of the first of them.
        row: row in that file of the first (the header is row 1).
        time: its time stamp (UTC, ISO 8601; empty when it has none).
        message: one sentence.
        positions: every bar concerned, as position in `RawBars.frame`.
    """

    asset: str
    code: str
    severity: Literal["error", "warning"]
    count: int
    file: str
    row: int
    time: str
    message: str
    positions: tuple[int, ...]

    def record(self) -> dict[str, str | int]:
        """Return the finding as plain values, without the positions."""
        names = ("asset", "code", "severity", "count", "file", "row", "time", "message")
        return {name: getattr(self, name) for name in names}

    def line(self) -> str:
        """Return the finding as one line."""
        return f"{self.asset} ({self.file} row {self.row}, {self.time or 'no time'}): {self.message} [{self.code}]"


def check(raw: RawBars, now: datetime | None = None) -> list[Finding]:
    """Return every fault of one asset's bars; an empty list means a clean file.

    Args:
        raw: bars as loaded.
        now: later time stamps lie in the future; None = the clock.
    """
    moment = pd.Timestamp(now or datetime.now(UTC))
    found = [
        *_time_faults(raw.frame, moment),
        *_cell_faults(raw.frame),
        *_shape_faults(raw.frame),
        *series_checks.series_faults(_tidy(raw.frame), raw.zone),
    ]
    return [_finding(raw, code, positions, message) for code, positions, message in found if len(positions)]


Fault = tuple[str, np.ndarray, str]


def _finding(raw: RawBars, code: str, positions: np.ndarray, message: str) -> Finding:
    first = raw.frame.iloc[int(positions[0])]
    time = "" if pd.isna(first["time"]) else first["time"].strftime("%Y-%m-%d %H:%M:%S")
    return Finding(
        asset=raw.asset,
        code=code,
        severity="error" if code in ERROR_CODES else "warning",
        count=len(positions),
        file=raw.files[int(first["file"])],
        row=int(first["row"]),
        time=time,
        message=message.format(count=len(positions), bars="bar" if len(positions) == 1 else "bars"),
        positions=tuple(int(position) for position in positions),
    )


def _where(mask: pd.Series | np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.asarray(mask))


def _time_faults(frame: pd.DataFrame, now: pd.Timestamp) -> Iterator[Fault]:
    time = frame["time"]
    dated = time.notna()
    yield "dst_hour", _where(~dated), "{count} {bars} at an hour that the clock change skips or repeats"
    yield "mixed_time_zone", _mixed_zones(frame), "{count} {bars} whose offset from UTC differs from the others' form"
    earlier = time.ffill().cummax().shift(1)
    repeated = time.duplicated(keep="first") & dated
    # A repeated stamp is told as such, not as out of order too.
    yield "unsorted", _where(dated & (time < earlier) & ~repeated), "{count} {bars} dated before the bar above"
    same_file = frame.duplicated(["time", "file"], keep="first") & dated
    yield "duplicate", _where(same_file), "{count} {bars} with the time stamp of another bar"
    yield "shared_dates", _where(repeated & ~same_file), "{count} {bars} with a time stamp that an earlier file has too"
    yield "future", _where(dated & (time > now)), "{count} {bars} dated in the future"


def _mixed_zones(frame: pd.DataFrame) -> np.ndarray:
    """Bars without an offset among bars with one; else offsets further apart than a clock change."""
    naive = frame["naive"].to_numpy(dtype=bool)
    if naive.all():
        return np.array([], dtype=int)
    if naive.any():
        return _where(naive if naive.mean() <= 0.5 else ~naive)
    usual = frame["offset"].mode().iloc[0]
    return _where((frame["offset"] - usual).abs() > 60)


def _cell_faults(frame: pd.DataFrame) -> Iterator[Fault]:
    values = frame[[*COLUMNS, *(["raw_close"] if "raw_close" in frame else [])]]
    prices, volume = frame[list(PRICES)], frame["volume"]
    yield "nan", _where(values.isna().any(axis=1)), "{count} {bars} with an empty or NaN cell"
    yield "inf", _where(np.isinf(values).any(axis=1)), "{count} {bars} with an infinite cell"
    yield "zero_price", _where((prices == 0).any(axis=1)), "{count} {bars} with a price of zero"
    yield "negative_price", _where((prices < 0).any(axis=1)), "{count} {bars} with a negative price"
    extreme = (prices > 0) & np.isfinite(prices) & ((prices < PRICE_RANGE[0]) | (prices > PRICE_RANGE[1]))
    yield "extreme_price", _where(extreme.any(axis=1)), "{count} {bars} with a price outside 1e-30 … 1e30"
    yield "negative_volume", _where(volume < 0), "{count} {bars} with negative volume"
    yield "zero_volume", _where(volume == 0), "{count} {bars} without volume"


def _shape_faults(frame: pd.DataFrame) -> Iterator[Fault]:
    high, low = frame["high"], frame["low"]
    yield "high_below_low", _where(high < low), "{count} {bars} with high below low"
    # A bar whose high is below its low has no range to lie in: that is told already.
    ranged = (high >= low) & (low > 0)
    open_outside = _where(ranged & _outside(frame["open"], low, high))
    yield "open_outside", open_outside, "{count} {bars} with open outside [low, high]"
    if "raw_close" in frame:
        yield from _mapped_raw_close(frame, ranged)
        return
    outside = _where(ranged & _outside(frame["close"], low, high))
    if len(outside) >= max(ADJUSTED_BARS, ADJUSTED_SHARE * len(frame)):
        share = len(outside) / len(frame)
        yield "close_adjusted", outside, f"close outside [low, high] on {share:.0%} of bars: {ADJUSTED_MESSAGE}"
    else:
        yield "close_outside", outside, "{count} {bars} with close outside [low, high]"


def _mapped_raw_close(frame: pd.DataFrame, ranged: pd.Series) -> Iterator[Fault]:
    raw_close = frame["raw_close"]
    outside = _where(ranged & _outside(raw_close, frame["low"], frame["high"]))
    yield "close_outside", outside, "{count} {bars} with raw_close outside [low, high]"
    differs = (frame["close"] / raw_close - 1).abs() > FACTOR_TOLERANCE
    yield "close_adjusted", _where(differs), f"close differs from raw_close on {{count}} {{bars}}: {ADJUSTED_MESSAGE}"


def _outside(price: pd.Series, low: pd.Series, high: pd.Series) -> pd.Series:
    slack = RELATIVE_TOLERANCE * price.abs()
    return (price > high + slack) | (price < low - slack)


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Bars that neighbours can be compared among: dated, in order, one per time stamp, finite; index = position."""
    finite = np.isfinite(frame[list(COLUMNS)]).all(axis=1) & (frame[list(PRICES)] > 0).all(axis=1)
    tidy = frame[frame["time"].notna() & finite]
    if not tidy["time"].is_monotonic_increasing:
        tidy = tidy.sort_values("time", kind="stable")
    return tidy[~tidy["time"].duplicated()]
