"""P4: segments are disjoint and purged, dates are cut as stated, short segments are refused with both numbers."""

from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trader.config.data import Segments
from trader.data.bars import Bars
from trader.data.segments import Cut, cut_segments, timerange_segment
from trader.errors import TraderError

HORIZON = 1


def daily(num_bars, start="2020-01-01", asset="x"):
    index = pd.date_range(start, periods=num_bars, tz="UTC", name="time", unit="us")
    return Bars(asset, pd.DataFrame({"close": np.ones(num_bars)}, index=index))


def cut(window=3, warm_up=0, zone="UTC"):
    return Cut(window=window, horizon=HORIZON, warm_up=warm_up, zone=zone)


def by_date(train, valid, test):
    return Segments.model_validate({"train": train, "valid": valid, "test": test})


THREE_MONTHS = by_date(
    (date(2020, 1, 1), date(2020, 1, 31)), (date(2020, 2, 1), date(2020, 2, 29)), (date(2020, 3, 1), date(2020, 3, 31))
)


def test_the_first_decision_stands_at_the_last_bar_before_the_first_date_and_the_last_date_is_included():
    segments = cut_segments((daily(120),), THREE_MONTHS, cut(window=3, warm_up=5))
    test = segments["test"]
    # Row 59 is 2020-02-29, row 90 is 2020-03-31: the last decision, on the 30th, is paid on the 31st.
    assert (test.first[0], test.last[0]) == (59, 89)
    # No bar before January: the first full window ends at row 5 + 3 − 1.
    assert segments["train"].first[0] == 7
    assert test.first.dtype == np.int32


def test_the_earlier_segment_gives_up_its_last_window_plus_horizon_decisions():
    segments = cut_segments((daily(120),), THREE_MONTHS, cut(window=3))
    # Unpurged, training would decide up to row 29 (paid on 31 January, row 30).
    assert segments["train"].last[0] == 29 - (3 + HORIZON)
    assert segments["valid"].last[0] == 58 - (3 + HORIZON)


def test_segments_that_lie_apart_are_purged_only_as_far_as_needed():
    apart = by_date(
        (date(2020, 1, 1), date(2020, 1, 20)),
        (date(2020, 2, 1), date(2020, 2, 29)),
        (date(2020, 3, 1), date(2020, 3, 31)),
    )
    assert cut_segments((daily(120),), apart, cut(window=3))["train"].last[0] == 18


def test_dates_are_meant_in_the_declared_zone():
    index = pd.date_range("2020-01-01", periods=120, tz="Asia/Tokyo", name="time", unit="us").tz_convert("UTC")
    tokyo = Bars("x", pd.DataFrame({"close": np.ones(120)}, index=index))
    segments = cut_segments((tokyo,), THREE_MONTHS, cut(zone="Asia/Tokyo"))
    assert (segments["test"].first[0], segments["test"].last[0]) == (59, 89)


def test_fractions_cut_the_union_of_all_time_stamps():
    long, late = daily(100), daily(60, start="2020-02-10", asset="late")  # rows 0 … 59 are rows 40 … 99 of the other
    segments = cut_segments((long, late), Segments.model_validate({}), cut(window=3))
    assert segments["valid"].first.tolist() == [59, 19]
    assert segments["test"].first.tolist() == [79, 39]
    assert segments["test"].last.tolist() == [98, 58]


@settings(max_examples=150, deadline=None)
@given(
    num_bars=st.integers(30, 800),
    window=st.integers(1, 40),
    warm_up=st.integers(0, 60),
    shares=st.tuples(*[st.floats(0.05, 0.9)] * 3),
    missing=st.sets(st.integers(0, 799), max_size=60),
)
def test_segments_are_disjoint_and_purged_for_every_asset(num_bars, window, warm_up, shares, missing):
    total = sum(shares)
    fractions = dict(zip(("train", "valid", "test"), (share / total for share in shares), strict=True))
    whole = daily(num_bars)
    holed = Bars("y", whole.frame[[row not in missing for row in range(num_bars)]])
    assume(len(holed.frame) > 2)
    rule = Cut(window=window, horizon=HORIZON, warm_up=warm_up, zone="UTC")
    try:
        segments = cut_segments((whole, holed), Segments.model_validate(fractions), rule)
    except TraderError:
        assume(False)
    assert too_near(segments, window) == []
    for asset in range(2):
        assert warm_up + window - 1 <= segments["train"].first[asset] < segments["train"].last[asset]
        assert segments["test"].last[asset] + 1 < len((whole, holed)[asset].frame)


def too_near(segments, window):
    """Return (earlier segment, asset) wherever a later one's window holds a bar that the earlier one is paid on."""
    return [
        (earlier, asset)
        for earlier, later in pairwise(("train", "valid", "test"))
        for asset, last in enumerate(segments[earlier].last)
        if last + window + HORIZON > segments[later].first[asset]
    ]


@pytest.mark.parametrize("given_up", [0, 2])
def test_segments_without_a_purge_or_with_one_too_short_are_caught(given_up, monkeypatch):
    monkeypatch.setattr(
        "trader.data.segments._purge",
        lambda rows, cut: {name: [(first, last - given_up) for first, last in rows[name]] for name in rows},
    )
    assert too_near(cut_segments((daily(120),), THREE_MONTHS, cut(window=3)), window=3) == [("train", 0), ("valid", 0)]


def test_overlapping_segments_are_refused():
    with pytest.raises(ValueError, match="segments must not overlap"):
        by_date(
            (date(2020, 1, 1), date(2020, 2, 1)),
            (date(2020, 2, 1), date(2020, 3, 1)),
            (date(2020, 4, 1), date(2020, 5, 1)),
        )


def test_a_window_longer_than_the_segment_is_refused_with_both_numbers():
    with pytest.raises(TraderError, match=r"segments\.train: x has 31 bars.*env\.window_size \(40\)"):
        cut_segments((daily(120),), THREE_MONTHS, cut(window=40))


def test_a_segment_eaten_by_warm_up_and_purge_is_refused_with_the_numbers():
    with pytest.raises(TraderError, match=r"train: x has 31 bars.*0 decisions remain.*takes 43 bars.*last 4 decisions"):
        cut_segments((daily(120),), THREE_MONTHS, cut(window=3, warm_up=40))


def test_a_segment_outside_the_file_names_the_dates_of_the_file():
    with pytest.raises(TraderError, match=r"test: x has 0 bars in 2020-03-01 … 2020-03-31; its bars run 2020-01-01"):
        cut_segments((daily(60),), THREE_MONTHS, cut())


def test_a_timerange_is_cut_without_a_purge_and_its_last_date_is_included():
    segment = timerange_segment((daily(120),), date(2020, 2, 1), date(2020, 2, 29), cut())
    assert (segment.first[0], segment.last[0]) == (30, 58)
    with pytest.raises(TraderError, match="bars run 2020-01-01 … 2020-04-29"):
        timerange_segment((daily(120),), date(2021, 2, 1), date(2021, 2, 28), cut())
    with pytest.raises(TraderError, match="before it begins"):
        timerange_segment((daily(120),), date(2020, 2, 2), date(2020, 2, 1), cut())
