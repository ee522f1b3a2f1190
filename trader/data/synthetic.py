"""Generated markets with a known optimum: x = log returns, close[t] = 100 · exp(x[0] + … + x[t])."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trader.config.data import Ar1Market, GbmMarket, MarketConfig, SyntheticSource
from trader.data.bars import PRICE_RANGE, Bars
from trader.errors import TraderError

START_PRICE = 100.0
START = "2000-01-01"


def generate(source: SyntheticSource) -> Bars:
    """Return generated bars: `open[t+1] = close[t]`, volume about 1, the first bar on 2000-01-01 UTC.

    The asset's name is the market's kind. One seed gives one series; a longer series begins with the shorter one.

    Raises:
        TraderError: prices or dates leave the range that can be stored.

    Example:
        >>> source = SyntheticSource.model_validate(
        ...     {"source": "synthetic", "market": {"kind": "ar1"}, "length": 100, "bar": "1d"}
        ... )
        >>> bars = generate(source)
        >>> len(bars.frame), bool((bars.frame["open"].iloc[1:].values == bars.frame["close"].iloc[:-1].values).all())
        (100, True)
    """
    price_rng, volume_rng = np.random.default_rng(source.seed).spawn(2)
    log_returns = _log_returns(source.market, price_rng.standard_normal(source.length))
    with np.errstate(over="ignore"):
        close = START_PRICE * np.exp(np.cumsum(log_returns))
    _check_range(close, source)
    open_ = np.concatenate([[START_PRICE], close[:-1]])
    frame = pd.DataFrame(
        {
            "open": open_,
            "high": np.maximum(open_, close),
            "low": np.minimum(open_, close),
            "close": close,
            "volume": 1.0 + 1e-3 * volume_rng.random(source.length),
        },
        index=_time_stamps(source),
    )
    return Bars(asset=source.market.kind, frame=frame)


def _log_returns(market: MarketConfig, noise: np.ndarray) -> np.ndarray:
    """Turn standard normal noise `[T]` into log returns `[T]` whose deviation is `market.volatility`."""
    volatility = market.volatility
    if isinstance(market, Ar1Market):
        from scipy.signal import lfilter  # half a second that real prices need not wait for

        # The start is drawn from the stationary law: its deviation is the returns', not the noise's.
        shocks = noise * volatility * np.sqrt(1.0 - market.autocorrelation**2)
        shocks[0] = noise[0] * volatility
        return np.asarray(lfilter([1.0], [1.0, -market.autocorrelation], shocks))
    mean = np.log1p(market.drift) if isinstance(market, GbmMarket) else 0.0
    return mean - volatility**2 / 2 + volatility * noise


def _time_stamps(source: SyntheticSource) -> pd.DatetimeIndex:
    # Microseconds, since nanoseconds would end in the year 2262.
    try:
        step = pd.Timedelta(source.bar.replace("d", "D")) // pd.Timedelta(microseconds=1)
    except (pd.errors.OutOfBoundsTimedelta, OverflowError):
        raise TraderError(f"data.bar: {source.bar} is too long; use 1s to 365d") from None
    start = int(np.datetime64(START, "us").astype(np.int64))
    if start + step * source.length > int(np.datetime64("9999-01-01", "us").astype(np.int64)):
        raise TraderError(
            f"data.length: {source.length} bars of {source.bar} reach beyond the year 9999; use fewer or shorter bars"
        )
    stamps = start + step * np.arange(source.length, dtype=np.int64)
    return pd.DatetimeIndex(stamps.view("datetime64[us]"), tz="UTC", name="time")


def _check_range(close: np.ndarray, source: SyntheticSource) -> None:
    low, high = PRICE_RANGE
    inside = (close > low) & (close < high)
    if not inside.all():
        row = int(np.argmin(inside))
        raise TraderError(
            f"data.length: {source.length} bars at data.market.volatility {source.market.volatility:g} take the price"
            f" out of {low:g} … {high:g} at bar {row}; use at most {row} bars or a lower volatility"
        )
