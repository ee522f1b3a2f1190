"""The record every source returns: one asset's bars."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Bars:
    """One asset's bars, oldest first.

    Attributes:
        asset: name, unique in a universe.
        frame: float64 columns `open, high, low, close, volume`; index `time`: unique, ascending, UTC.
    """

    asset: str
    frame: pd.DataFrame
