"""Open, high, low on the scale of an adjusted close: price[t] · factor[t], factor = adjusted close / raw close.

With the raw close at hand the factor is exact. Without it, it is inferred: the factor of a dividend adjustment is
constant between two ex-dates, and each bar bounds it, since the raw close lay in [low, high]:
close/high ≤ factor ≤ close/low. Bars are joined into stretches while these intervals share a point; a stretch takes 1
if that is among the shared points, else their midpoint. So the fewest steps are taken that bring every close into its
range. What remains uncertain is the width of the shared interval (a fraction of a day's range) and the bar of a step
(a small dividend may be placed some bars late). A stretch reads its own later bars, as an adjusted close reads later
dividends; ratios of prices within a stretch are untouched.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

# Printed prices are rounded (Yahoo's to float32): bounds may miss one another by this.
ROUNDING = 1e-6


def adjust_ohlc(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str | int | float]]:
    """Return bars with open, high, low scaled to the close, and a record of the factor.

    Args:
        frame: bars in order of time, all cells finite and positive; uses `raw_close` where it is a column.

    Returns:
        The scaled frame, and `{method, count, steps, factor_min, factor_max}`.
    """
    if "raw_close" in frame:
        method, factor = "close / raw_close", (frame["close"] / frame["raw_close"]).to_numpy()
    else:
        close = frame["close"].to_numpy()
        method, factor = "inferred", infer_factor(close / frame["high"].to_numpy(), close / frame["low"].to_numpy())
    scaled = frame.assign(**{name: frame[name] * factor for name in ("open", "high", "low")})
    # Rounding only: the raw close lay in the range.
    scaled["high"] = scaled[["open", "high", "close"]].max(axis=1)
    scaled["low"] = scaled[["open", "low", "close"]].min(axis=1)
    record = {
        "method": method,
        "count": int(np.count_nonzero(np.abs(factor - 1) > ROUNDING)),
        "steps": int(np.count_nonzero(np.abs(np.diff(factor)) > ROUNDING * factor[1:])),
        "factor_min": float(factor.min()),
        "factor_max": float(factor.max()),
    }
    return scaled, record


def infer_factor(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return the piecewise constant `[T]` with the fewest steps that keeps to `lower ≤ factor ≤ upper`.

    Example:
        >>> infer_factor(np.array([0.8, 0.85, 0.97]), np.array([0.9, 0.95, 1.02])).tolist()
        [0.875, 0.875, 1.0]
    """
    factor = np.empty(len(lower))
    start, low, high = 0, lower[0], upper[0]
    for row in range(1, len(lower)):
        next_low, next_high = max(low, lower[row]), min(high, upper[row])
        if next_low > next_high * (1 + ROUNDING):
            factor[start:row] = _inside(low, high)
            start, next_low, next_high = row, lower[row], upper[row]
        low, high = next_low, next_high
    factor[start:] = _inside(low, high)
    return factor


def _inside(low: float, high: float) -> float:
    return 1.0 if low * (1 - ROUNDING) <= 1.0 <= high * (1 + ROUNDING) else (low + high) / 2
