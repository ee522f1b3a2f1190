"""Segments: date ranges or fractions -> decision rows of each asset, disjoint and purged.

Decision t is paid at row t + 1. A segment's first decision stands at the last bar before its first date, or at the
first row with a full window; its last one row before its last bar. The earlier of two segments gives up decisions until
last + 1 + window + horizon ≤ first of the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd

from trader.config.data import SEGMENT_NAMES, Segments
from trader.data.bars import Bars
from trader.data.market import Segment
from trader.errors import TraderError

# A mean and a deviation need two paid bars.
LEAST_DECISIONS = 2
# Dates beyond these cannot be moved to UTC or by a day; they mean "from the beginning" and "to the end".
FIRST_DATE, LAST_DATE = date(1, 1, 3), date(9999, 12, 28)


@dataclass(frozen=True)
class Cut:
    """What the segments of an experiment are cut by.

    Attributes:
        window: rows of the agent's window W (bars).
        horizon: bars after a decision that its reward or label reads.
        warm_up: leading rows without all features (bars).
        zone: time zone in which dates are meant.
    """

    window: int
    horizon: int
    warm_up: int
    zone: str

    @property
    def first_window(self) -> int:
        """Return the first row whose whole window holds features."""
        return self.warm_up + self.window - 1


Span = tuple[pd.Timestamp, pd.Timestamp]


def cut_segments(bars: tuple[Bars, ...], segments: Segments, cut: Cut) -> dict[str, Segment]:
    """Return the decision rows of train, valid and test.

    Raises:
        TraderError: a segment leaves an asset fewer than two decisions or is shorter than the window.
    """
    spans = segment_spans(bars, segments, cut.zone)
    rows = {name: [_rows(asset, span, cut) for asset in bars] for name, span in spans.items()}
    purged = _purge(rows, cut)
    for name, span in spans.items():
        for asset, first_last in zip(bars, purged[name], strict=True):
            _refuse_short(asset, name, span, first_last, cut)
    return {name: _segment(purged[name]) for name in SEGMENT_NAMES}


def segment_spans(bars: tuple[Bars, ...], segments: Segments, zone: str) -> dict[str, Span]:
    """Return first and last moment (both included, UTC) of each segment; fractions cut the union of all time stamps."""
    if segments.by_date:
        ranges = {name: getattr(segments, name) for name in SEGMENT_NAMES}
        return {name: _date_span(first, last, zone) for name, (first, last) in ranges.items()}
    union = bars[0].frame.index
    for asset in bars[1:]:
        union = union.union(asset.frame.index)
    spans, total = {}, 0.0
    for name in SEGMENT_NAMES:
        start = round(total * len(union))
        total += getattr(segments, name)
        end = round(total * len(union))
        if end <= start:
            raise TraderError(f"data.segments.{name}: {getattr(segments, name):g} of {len(union)} bars leaves no bar")
        spans[name] = (union[start], union[end - 1])
    return spans


def timerange_segment(bars: tuple[Bars, ...], first: date | datetime, last: date | datetime, cut: Cut) -> Segment:
    """Return the decision rows of an explicit date range (both ends included), not purged: for a backtest.

    Raises:
        TraderError: an asset has fewer than two decisions in the range.
    """
    span = _date_span(first, last, cut.zone)
    if span[1] < span[0]:
        raise TraderError(f"timerange: ends ({last}) before it begins ({first})")
    rows = [_rows(asset, span, cut) for asset in bars]
    for asset, (start, end) in zip(bars, rows, strict=True):
        if end - start + 1 < LEAST_DECISIONS:
            index = asset.frame.index
            raise TraderError(
                f"timerange {first} … {last}: {max(0, end - start + 1)} decisions for {asset.asset}, need at least"
                f" {LEAST_DECISIONS}; its bars run {index[0]:%Y-%m-%d} … {index[-1]:%Y-%m-%d}"
                f" and its first full window ends at row {cut.first_window}"
            )
    return _segment(rows)


def _date_span(first: date | datetime, last: date | datetime, zone: str) -> Span:
    end = _moment(last, zone)
    if not isinstance(last, datetime):
        # The last date is included whole.
        end = _moment(min(last, LAST_DATE) + timedelta(days=1), zone) - pd.Timedelta(microseconds=1)
    return _moment(first, zone), end


def _moment(value: date | datetime, zone: str) -> pd.Timestamp:
    if not isinstance(value, datetime):
        value = max(value, FIRST_DATE)
    moment = pd.Timestamp(value)
    if moment.tzinfo is None:
        # A clock change may skip or repeat midnight itself: the day then begins at its first moment.
        moment = moment.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    return moment.tz_convert("UTC")


def _rows(asset: Bars, span: Span, cut: Cut) -> tuple[int, int]:
    """Return first and last decision row of one asset before purging; last < first means none."""
    start = int(asset.frame.index.searchsorted(span[0], side="left"))
    end = int(asset.frame.index.searchsorted(span[1], side="right"))
    return max(start - 1, cut.first_window), end - 2


def _purge(rows: dict[str, list[tuple[int, int]]], cut: Cut) -> dict[str, list[tuple[int, int]]]:
    purged = dict(rows)
    for name, following in pairwise(SEGMENT_NAMES):
        purged[name] = [
            (first, min(last, next_first - 1 - cut.window - cut.horizon))
            for (first, last), (next_first, _) in zip(rows[name], rows[following], strict=True)
        ]
    return purged


def _refuse_short(asset: Bars, name: str, span: Span, rows: tuple[int, int], cut: Cut) -> None:
    index = asset.frame.index
    num_bars = int(index.searchsorted(span[1], side="right") - index.searchsorted(span[0], side="left"))
    decisions = rows[1] - rows[0] + 1
    dates = f"{span[0]:%Y-%m-%d} … {span[1]:%Y-%m-%d}"
    where = f"data.segments.{name}: {asset.asset} has {num_bars} bars in {dates}"
    if num_bars == 0:
        raise TraderError(f"{where}; its bars run {index[0]:%Y-%m-%d} … {index[-1]:%Y-%m-%d}")
    if num_bars < cut.window:
        raise TraderError(f"{where}, fewer than env.window_size ({cut.window}): the window is longer than the segment")
    if decisions < LEAST_DECISIONS:
        raise TraderError(
            f"{where}; {max(0, decisions)} decisions remain, need at least {LEAST_DECISIONS}: the first full window"
            f" takes {cut.first_window + 1} bars (feature warm-up {cut.warm_up} + env.window_size {cut.window})"
            f" and the last {cut.window + cut.horizon} decisions are given up before the next segment"
        )


def _segment(rows: list[tuple[int, int]]) -> Segment:
    first, last = zip(*rows, strict=True)
    return Segment(first=np.array(first, dtype=np.int32), last=np.array(last, dtype=np.int32))
