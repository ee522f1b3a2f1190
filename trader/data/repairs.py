"""Repairs: each is named by the user or does not happen, and each that acts is recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trader.config.data import Repairs
from trader.data.adjust import adjust_ohlc
from trader.data.bars import COLUMNS, Bars, RawBars
from trader.data.checks import Finding
from trader.errors import TraderError

# code -> the key under data.repairs that decides about it
REPAIR_KEYS = {
    "unsorted": "unsorted",
    "duplicate": "duplicates",
    "shared_dates": "shared_dates",
    "dst_hour": "dst_hour",
    "nan": "missing",
    "inf": "missing",
    "zero_price": "invalid_bars",
    "negative_price": "invalid_bars",
    "extreme_price": "invalid_bars",
    "negative_volume": "invalid_bars",
    "high_below_low": "invalid_bars",
    "open_outside": "invalid_bars",
    "close_outside": "invalid_bars",
    "zero_volume": "zero_volume",
    "split": "splits",
    "gap": "gaps",
    "stale": "stale",
}
_REMEDIES = {
    "mixed_time_zone": "write every time stamp with its offset, or none",
    "future": "check data.date_format and data.timezone",
}
_DROPPING = ("drop", "drop_from_test", "keep_first")
LEAST_BARS = 2

Record = dict[str, str | int | float]


def repair(raw: RawBars, findings: list[Finding], repairs: Repairs) -> tuple[Bars, list[Record]]:
    """Return clean bars and a record of every repair that acted.

    Args:
        raw: bars as loaded.
        findings: what `check` said about them.
        repairs: what the user allows.

    Returns:
        The bars, oldest first, and records `{asset, code, repair, count, file, row, time}`.

    Raises:
        TraderError: an error that no named repair covers, or too few bars remain.
    """
    for finding in findings:
        _refuse_uncovered(finding, repairs)
    acting = [finding for finding in findings if _acts(finding, repairs)]
    records = [_record(finding, repairs) for finding in acting]
    frame = _cleaned(raw.frame, acting, repairs)
    if len(frame) < LEAST_BARS:
        raise TraderError(
            f"data ({raw.asset}): {len(frame)} of {len(raw.frame)} bars remain after repairs; need at least 2"
        )
    if repairs.adjust_ohlc and any(finding.code == "close_adjusted" for finding in findings):
        frame, record = adjust_ohlc(frame)
        records.append({"asset": raw.asset, "code": "close_adjusted", "repair": "adjust_ohlc: true", **record})
    index = pd.DatetimeIndex(frame["time"], name="time")
    return Bars(asset=raw.asset, frame=frame[list(COLUMNS)].set_axis(index).astype(np.float64)), records


def choice(finding: Finding, repairs: Repairs) -> str:
    """Return what the config says about a finding: `refuse`, `accept`, `drop`, …; errors without a key are refused."""
    key = REPAIR_KEYS.get(finding.code)
    if key is not None:
        return getattr(repairs, key)
    return "refuse" if finding.severity == "error" else "accept"


def _refuse_uncovered(finding: Finding, repairs: Repairs) -> None:
    if choice(finding, repairs) != "refuse":
        return
    key = REPAIR_KEYS.get(finding.code)
    if key is None:
        raise TraderError(f"data: {finding.line()}; {_REMEDIES[finding.code]}")
    allowed = [value for value in _values(key) if value != "refuse"]
    raise TraderError(f"data: {finding.line()}; to go on, write data.repairs.{key}: {' or '.join(allowed)}")


def _values(key: str) -> tuple[str, ...]:
    return Repairs.model_fields[key].annotation.__args__  # type: ignore[union-attr]


def _acts(finding: Finding, repairs: Repairs) -> bool:
    # A warning that is accepted by default is a finding, not a repair.
    return finding.severity == "error" and choice(finding, repairs) != "refuse"


def _record(finding: Finding, repairs: Repairs) -> Record:
    return {
        "asset": finding.asset,
        "code": finding.code,
        "repair": f"{REPAIR_KEYS[finding.code]}: {choice(finding, repairs)}",
        "count": finding.count,
        "file": finding.file,
        "row": finding.row,
        "time": finding.time,
    }


def _cleaned(frame: pd.DataFrame, acting: list[Finding], repairs: Repairs) -> pd.DataFrame:
    dropped = np.zeros(len(frame), dtype=bool)
    for finding in acting:
        if choice(finding, repairs) in _DROPPING:
            dropped[list(finding.positions)] = True
    if repairs.duplicates == "keep_last":
        dropped |= frame.duplicated(["time", "file"], keep="last").to_numpy()
    frame = frame[~dropped]
    if not frame["time"].is_monotonic_increasing:
        frame = frame.sort_values("time", kind="stable")
    return _carried(frame) if repairs.missing == "previous" else frame


def _carried(frame: pd.DataFrame) -> pd.DataFrame:
    """Replace a bar that lacks a price by a flat bar at the previous close, so that only past values are used."""
    columns = [name for name in (*COLUMNS, "raw_close") if name in frame]
    values = frame[columns].replace([np.inf, -np.inf], np.nan)
    hole = values.drop(columns="volume").isna().any(axis=1)
    values.loc[hole, [name for name in columns if name != "volume"]] = np.nan
    close = values["close"].ffill()
    for name in columns:
        if name == "raw_close":
            values[name] = values[name].ffill()
        else:
            values[name] = values[name].ffill() if name == "volume" else values[name].where(~hole, close)
    return frame.assign(**{name: values[name] for name in columns}).dropna(subset=columns)
