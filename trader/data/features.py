"""Features of bars: row t uses bars ≤ t only, and every feature declares how many leading rows it needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import talib

from trader.config.data import (
    CalendarFeature,
    CloseInRangeFeature,
    FeatureConfig,
    LogReturnFeature,
    MacdFeature,
    MaDistanceFeature,
    RsiFeature,
    VolatilityFeature,
    VolumeChangeFeature,
)
from trader.data.bars import Bars
from trader.data.calendar_features import calendar_columns

# What an exponential average may still remember of its start: far below the 1e-6 of a deviation that is allowed.
FORGOTTEN = 1e-10


@dataclass(frozen=True)
class Column:
    """One feature column.

    Attributes:
        name: unique in a table, e.g. `log_return_5`.
        values: `[T]` float64; rows < `warm_up` mean nothing.
        warm_up: leading rows without enough history (bars).
    """

    name: str
    values: np.ndarray
    warm_up: int


@dataclass(frozen=True)
class FeatureTable:
    """The features of one asset.

    Attributes:
        names: F column names, in the order of the config.
        values: `[T, F]` float64; NaN in each column's warm-up.
        warm_up: rows before this one lack at least one feature (bars).
    """

    names: tuple[str, ...]
    values: np.ndarray
    warm_up: int


def compute_features(bars: Bars, features: list[FeatureConfig], window_size: int) -> FeatureTable:
    """Return the feature table of one asset.

    Args:
        bars: T bars, oldest first.
        features: the `features` section.
        window_size: bars of the agent's window (the calendar counts holidays in it).

    Example:
        >>> index = pd.date_range("2020-01-01", periods=3, tz="UTC")
        >>> frame = pd.DataFrame({name: [1.0, 2.0, 4.0] for name in ("open", "high", "low", "close", "volume")}, index)
        >>> table = compute_features(Bars("x", frame), [LogReturnFeature(name="log_return", periods=[1])], 2)
        >>> table.names, table.warm_up, table.values[:, 0].round(4).tolist()
        (('log_return_1',), 1, [nan, 0.6931, 0.6931])
    """
    columns = [column for feature in features for column in feature_columns(bars.frame, feature, window_size)]
    values = np.empty((len(bars.frame), len(columns)))
    for place, column in enumerate(columns):
        values[:, place] = column.values
        values[: column.warm_up, place] = np.nan
    return FeatureTable(
        names=tuple(column.name for column in columns),
        values=values,
        warm_up=max(column.warm_up for column in columns),
    )


def feature_columns(frame: pd.DataFrame, feature: FeatureConfig, window_size: int) -> list[Column]:
    """Return the columns of one entry of the `features` section."""
    if isinstance(feature, CalendarFeature):
        names, values, warm_up = calendar_columns(frame.index, feature, window_size)  # type: ignore[arg-type]
        return [Column(name, column, warm_up) for name, column in zip(names, values, strict=True)]
    if isinstance(feature, LogReturnFeature):
        return list(_log_returns(frame, feature))
    if isinstance(feature, MaDistanceFeature):
        return list(_ma_distances(frame, feature))
    if isinstance(feature, MacdFeature):
        return list(_macd(frame, feature))
    return [_single(frame, feature)]


def needs_range(feature: FeatureConfig) -> bool:
    """Return whether a feature reads open, high or low, which an adjusted close alone makes meaningless."""
    return isinstance(feature, CloseInRangeFeature)


def _single(
    frame: pd.DataFrame, feature: VolatilityFeature | RsiFeature | VolumeChangeFeature | CloseInRangeFeature
) -> Column:
    name = f"{feature.name}_{feature.period}"
    if isinstance(feature, VolatilityFeature):
        return Column(name, _volatility(frame, feature.period), feature.period)
    if isinstance(feature, RsiFeature):
        return Column(name, _rsi(frame, feature.period), rsi_warm_up(feature.period))
    if isinstance(feature, VolumeChangeFeature):
        return Column(name, _volume_change(frame, feature.period), feature.period - 1)
    return Column(name, _close_in_range(frame, feature.period), feature.period - 1)


def rsi_warm_up(period: int) -> int:
    """Return the bars after which Wilder's average, which keeps (period − 1)/period a bar, has forgotten its start."""
    return period + math.ceil(math.log(FORGOTTEN) / math.log(1 - 1 / period))


def macd_warm_up(slow: int, signal: int) -> int:
    """Return the bars after which both exponential averages, which keep 1 − 2/(n + 1) a bar, forgot their start."""
    kept = 1 - 2 / (max(slow, signal) + 1)
    return slow + signal + math.ceil(math.log(FORGOTTEN) / math.log(kept))


def _log_returns(frame: pd.DataFrame, feature: LogReturnFeature) -> Iterator[Column]:
    log_close = np.log(frame["close"].to_numpy())
    for period in feature.periods:
        values = np.full(len(log_close), np.nan)
        values[period:] = log_close[period:] - log_close[: len(log_close) - period]
        yield Column(f"log_return_{period}", values, period)


def _volatility(frame: pd.DataFrame, period: int) -> np.ndarray:
    one_bar = pd.Series(np.log(frame["close"].to_numpy())).diff()
    return one_bar.rolling(period).std(ddof=1).to_numpy()


def _rsi(frame: pd.DataFrame, period: int) -> np.ndarray:
    return talib.RSI(frame["close"].to_numpy(), timeperiod=period) / 50.0 - 1.0


def _macd(frame: pd.DataFrame, feature: MacdFeature) -> Iterator[Column]:
    close = frame["close"].to_numpy()
    line, _, histogram = talib.MACD(
        close, fastperiod=feature.fast, slowperiod=feature.slow, signalperiod=feature.signal
    )
    warm_up = macd_warm_up(feature.slow, feature.signal)
    suffix = f"{feature.fast}_{feature.slow}_{feature.signal}"
    yield Column(f"macd_{suffix}", line / close, warm_up)
    yield Column(f"macd_histogram_{suffix}", histogram / close, warm_up)


def _ma_distances(frame: pd.DataFrame, feature: MaDistanceFeature) -> Iterator[Column]:
    close = frame["close"]
    for period in feature.periods:
        average = close.rolling(period).mean()
        yield Column(f"ma_distance_{period}", (close / average - 1).to_numpy(), period - 1)


def _volume_change(frame: pd.DataFrame, period: int) -> np.ndarray:
    volume = frame["volume"]
    return np.log((volume + 1) / (volume.rolling(period).mean() + 1)).to_numpy()


def _close_in_range(frame: pd.DataFrame, period: int) -> np.ndarray:
    low = frame["low"].rolling(period).min().to_numpy()
    high = frame["high"].rolling(period).max().to_numpy()
    width = high - low
    # A bar without a range has its close in the middle.
    place = np.divide(frame["close"].to_numpy() - low, width, out=np.full(len(width), 0.5), where=width > 0)
    return 2 * place - 1
