"""Detectors of features that look ahead and of warm-ups declared too short."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from trader.data.bars import Bars

FeatureFunction = Callable[[Bars], np.ndarray]
WARM_UP_TOLERANCE = 1e-6


def check_causal(function: FeatureFunction, bars: Bars, cuts: Iterable[int], rng: np.random.Generator) -> list[str]:
    """Return what shows that row t depends on bars after t; an empty list means causal, bit for bit.

    Two tests at every cut t: the features of the first t bars equal the first t rows of the features of all bars, and
    bars from t on replaced by noise leave the rows before t as they were.

    Args:
        function: bars of any length -> values `[T, F]`; NaN equals NaN.
        bars: T bars.
        cuts: numbers of leading bars, 1 … T − 1.
        rng: draws the noise.
    """
    whole = function(bars)
    problems = []
    for cut in cuts:
        prefix = function(Bars(bars.asset, bars.frame.iloc[:cut]))
        if not _same(prefix, whole[:cut]):
            problems.append(f"the first {cut} rows change when later bars are added")
        if not _same(function(_with_noise(bars, cut, rng))[:cut], whole[:cut]):
            problems.append(f"the first {cut} rows change when later bars are replaced by noise")
    return problems


def check_warm_up(function: FeatureFunction, warm_up: int, bars: Bars, rows: Iterable[int]) -> list[str]:
    """Return the rows whose value from `warm_up` earlier bars differs from the value from all earlier bars.

    Args:
        function: bars -> values `[T]` of one feature, its own warm-up not blanked.
        warm_up: declared number of leading rows that mean nothing (bars).
        bars: T bars.
        rows: rows to look at, each ≥ `warm_up`.
    """
    whole = function(bars)
    allowed = WARM_UP_TOLERANCE * np.nanstd(whole[warm_up:])
    problems = []
    for row in rows:
        short = function(Bars(bars.asset, bars.frame.iloc[row - warm_up : row + 1]))[-1]
        if not abs(short - whole[row]) <= allowed:
            problems.append(f"row {row}: {short:.9g} from {warm_up} earlier bars, {whole[row]:.9g} from all")
    return problems


def _same(left: np.ndarray, right: np.ndarray) -> bool:
    return left.shape == right.shape and bool(np.array_equal(left, right, equal_nan=True))


def _with_noise(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    frame = bars.frame.copy()
    close = frame["close"].iloc[cut - 1] * np.exp(np.cumsum(0.05 * rng.standard_normal(len(frame) - cut)))
    spread = 1 + 0.02 * rng.random(len(close))
    noise = {"open": close, "high": close * spread, "low": close / spread, "close": close}
    noise["volume"] = 1e6 * rng.random(len(close))
    frame.iloc[cut:] = pd.DataFrame(noise)[list(frame.columns)].to_numpy()
    return Bars(bars.asset, frame)
