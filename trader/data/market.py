"""The market as arrays: what the environment reads, padded to the longest asset."""

from __future__ import annotations

from typing import Any, NamedTuple


class Market(NamedTuple):
    """Prices and features of M assets over T rows (NumPy on the host, tensors once on the device).

    Attributes:
        features: `[M, T, F]` float32, scaled; row t uses bars ≤ t only.
        open: `[M, T]` float32 (price).
        close: `[M, T]` float32 (price).
        years: `[M, T]` float32, time since the previous bar (years, actual/365); row 0 is 0.
    """

    features: Any
    open: Any
    close: Any
    years: Any


class Segment(NamedTuple):
    """Decision rows of one segment: decision t is paid at row t + 1.

    Attributes:
        first: `[M]` int32, row of the first decision.
        last: `[M]` int32, row of the last decision (included); `last + 1` is a row of the file.
    """

    first: Any
    last: Any
