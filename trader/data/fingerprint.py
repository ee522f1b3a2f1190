"""The data fingerprint: sha256 of canonical bars, equal for equal content whatever file it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from trader.data.bars import COLUMNS, Bars


def fingerprint(bars: Iterable[Bars]) -> str:
    """Return the sha256 (hex) of assets in order of name: name, time stamps, then five columns.

    Time stamps are int64 microseconds UTC, prices and volume float64, all little-endian.
    """
    digest = hashlib.sha256()
    for asset in sorted(bars, key=lambda one: one.asset):
        name = asset.asset.encode()
        digest.update(np.array([len(name), len(asset.frame)], dtype="<i8").tobytes())
        digest.update(name)
        digest.update(asset.frame.index.as_unit("us").asi8.astype("<i8").tobytes())  # type: ignore[attr-defined]
        for column in COLUMNS:
            digest.update(np.ascontiguousarray(asset.frame[column].to_numpy(), dtype="<f8").tobytes())
    return digest.hexdigest()
