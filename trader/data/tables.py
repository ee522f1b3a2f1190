"""Sliding windows of features with the label that follows them, for forecasters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trader.errors import TraderError


def window_table(features: pd.DataFrame, labels: pd.Series, window_size: int, horizon: int) -> pd.DataFrame:
    """Return one row per decision: the last `window_size` rows of features, and the label `horizon` rows later.

    Args:
        features: `[T, F]`, indexed by date, row t known at t.
        labels: `[T]`, same index; the label of a decision at row t is `labels[t + horizon]`.
        window_size: rows of features W (bars).
        horizon: rows from decision to label (bars, ≥ 1).

    Returns:
        `[T − W − horizon + 1]` rows indexed by the label's date `date`: column `decision_date`, then every feature from
        oldest to newest as `name_lag_2, name_lag_1, name_lag_0`, then `label`.

    Raises:
        TraderError: fewer rows than window and horizon need.

    Example:
        >>> dates = pd.date_range("2018-01-01", periods=5, name="date")
        >>> values = pd.Series([1.0, 2.0, 3.0, 4.0, 5.0], dates)
        >>> table = window_table(values.to_frame("x"), values, window_size=3, horizon=1)
        >>> table.drop(columns="decision_date").to_numpy().tolist()
        [[1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0]]
        >>> table.index[0].day, table["decision_date"].iloc[0].day
        (4, 3)
    """
    num_rows = len(features) - window_size - horizon + 1
    if window_size < 1 or horizon < 1 or num_rows < 1:
        raise TraderError(
            f"window table: {len(features)} rows cannot hold window_size {window_size} + horizon {horizon} (each ≥ 1)"
        )
    windows = np.lib.stride_tricks.sliding_window_view(features.to_numpy(dtype=np.float64), window_size, axis=0)
    decisions = slice(window_size - 1, window_size - 1 + num_rows)
    label_rows = slice(window_size - 1 + horizon, None)
    table = pd.DataFrame(
        windows[:num_rows].reshape(num_rows, -1),  # [rows, F · W], features outer, oldest first
        index=pd.DatetimeIndex(features.index[label_rows], name="date"),
        columns=[f"{name}_lag_{lag}" for name in features.columns for lag in range(window_size - 1, -1, -1)],
    )
    table.insert(0, "decision_date", features.index[decisions])
    table["label"] = labels.to_numpy(dtype=np.float64)[label_rows]
    return table
