"""The record every source returns: one asset's bars."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

COLUMNS = ("open", "high", "low", "close", "volume")
# Prices must stay inside float32 with room to spare for products of price and units.
PRICE_RANGE = (1e-30, 1e30)


@dataclass(frozen=True)
class Bars:
    """One asset's bars, oldest first.

    Attributes:
        asset: name, unique in a universe.
        frame: float64 columns `open, high, low, close, volume`; index `time`: unique, ascending, UTC.
    """

    asset: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class RawBars:
    """One asset's bars as they stand in the file, before any check or repair.

    Attributes:
        asset: name, unique in a universe.
        frame: float64 columns `open, high, low, close, volume` (and `raw_close` when mapped); `time` (UTC, NaT where
            the clock change makes a naive stamp impossible or ambiguous); `naive` (bool: no offset in the file);
            `offset` (minutes from UTC of a stamp that carries one); `file` (index into `files`); `row` (file row, the
            header is row 1). RangeIndex in file order, oldest first when the declared order holds.
        files: names to show in messages.
        zone: time zone of naive stamps.
    """

    asset: str
    frame: pd.DataFrame
    files: tuple[str, ...]
    zone: str
