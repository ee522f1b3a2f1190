"""Standardising: z = clip((x − mean) / deviation, ±10), fitted on training rows only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trader.errors import TraderError

# Far outside what training rows show, a network must not be fed what it never saw.
CLIP = 10.0
# A column that hardly varies around its mean is constant but for rounding.
CONSTANT = 1e-12


@dataclass(frozen=True)
class Scaler:
    """Mean and deviation of each feature on the training rows.

    Attributes:
        names: F feature names.
        mean: F means.
        deviation: F standard deviations (ddof 0); 1 for a constant column.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def fit_scaler(names: tuple[str, ...], rows: np.ndarray) -> Scaler:
    """Return the scaler of training rows.

    Args:
        names: F feature names.
        rows: `[R, F]` float64, the training rows of all assets, finite.

    Example:
        >>> fit_scaler(("a", "b"), np.array([[1.0, 5.0], [3.0, 5.0]]))
        Scaler(names=('a', 'b'), mean=(2.0, 5.0), deviation=(1.0, 1.0))
    """
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    constant = deviation <= CONSTANT * np.maximum(1e-12, np.abs(mean))
    deviation = np.where(constant, 1.0, deviation)
    return Scaler(names, tuple(mean.tolist()), tuple(deviation.tolist()))


def scale(scaler: Scaler, values: np.ndarray) -> np.ndarray:
    """Return `[T, F]` float32 of standardised features, clipped to ±10; NaN (warm-up) becomes 0.

    Example:
        >>> scale(Scaler(("a",), (2.0,), (0.5,)), np.array([[3.0], [99.0], [float("nan")]])).tolist()
        [[2.0], [10.0], [0.0]]
    """
    standardised = (values - np.array(scaler.mean)) / np.array(scaler.deviation)
    return np.nan_to_num(np.clip(standardised, -CLIP, CLIP), nan=0.0).astype(np.float32)


def scaler_record(scaler: Scaler) -> dict[str, Any]:
    """Return the scaler as plain lists for JSON; floats keep every bit."""
    return {"names": list(scaler.names), "mean": list(scaler.mean), "deviation": list(scaler.deviation)}


def scaler_from_record(record: dict[str, Any]) -> Scaler:
    """Return the scaler of a record.

    Raises:
        TraderError: the record does not hold names, mean and deviation of one length.
    """
    try:
        names = tuple(str(name) for name in record["names"])
        mean = tuple(float(value) for value in record["mean"])
        deviation = tuple(float(value) for value in record["deviation"])
    except (KeyError, TypeError, ValueError) as error:
        raise TraderError(
            f"scaler: must hold names, mean, deviation; received {type(error).__name__}: {error}"
        ) from None
    if not len(names) == len(mean) == len(deviation):
        raise TraderError(f"scaler: {len(names)} names, {len(mean)} means, {len(deviation)} deviations must be as many")
    return Scaler(names, mean, deviation)
