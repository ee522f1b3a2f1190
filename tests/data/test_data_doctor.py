"""P25: every planted fault is flagged with its code and file row; a clean file is silent."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from trader.config.data import FileSource
from trader.data.checks import ERROR_CODES, WARNING_CODES, check
from trader.data.sources import load_raw

ROW = 300  # position of the planted fault; the file's header is row 1, so its file row is ROW + 2


def findings(path, **source):
    config = FileSource.model_validate({"source": "csv", "path": str(path), **source})
    return [finding for raw in load_raw(config, path.parent) for finding in check(raw)]


def set_cell(column, value):
    def plant(table):
        table.loc[ROW, column] = value(table.loc[ROW]) if callable(value) else value
        return table

    return plant


def gap(table):
    return table.drop(index=range(ROW, ROW + 10)).reset_index(drop=True)


def duplicate(table):
    table.loc[ROW, "Date"] = table.loc[ROW - 1, "Date"]
    return table


def unsorted(table):
    order = np.arange(len(table))
    order[[ROW - 1, ROW]] = order[[ROW, ROW - 1]]
    return table.iloc[order].reset_index(drop=True)


def split(table):
    prices = ["Open", "High", "Low", "Close"]
    table.loc[ROW:, prices] = (table.loc[ROW:, prices] / 2).round(6)
    return table


def stale(table):
    for row in range(ROW, ROW + 12):
        table.loc[row, ["Open", "High", "Low", "Close"]] = table.loc[ROW, "Close"]
    return table


def future(table):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    table.loc[len(table) - 1, "Date"] = tomorrow.strftime("%Y-%m-%d %H:%M:%S")
    return table


def copied_opens(table):
    table["Open"] = table["Close"].shift(1).fillna(table["Open"])
    table["High"] = table[["Open", "High", "Close"]].max(axis=1)
    table["Low"] = table[["Open", "Low", "Close"]].min(axis=1)
    return table


def adjusted_close(table):
    table["Close"] = table["Close"] * np.where(np.arange(len(table)) < ROW, 0.9, 1.0)
    return table


def mixed_zone(table):
    table["Date"] = table["Date"] + "T16:00:00+00:00"
    table.loc[ROW, "Date"] = "2016-02-29 16:00:00"
    return table


PLANTED = [
    ("gap", gap, ROW),
    ("duplicate", duplicate, ROW),
    ("unsorted", unsorted, ROW),
    ("mixed_time_zone", mixed_zone, ROW),
    ("zero_price", set_cell("Low", 0.0), ROW),
    ("extreme_price", set_cell("High", 1e31), ROW),
    ("negative_price", set_cell("Close", -5.0), ROW),
    ("zero_volume", set_cell("Volume", 0.0), ROW),
    ("negative_volume", set_cell("Volume", -1.0), ROW),
    ("high_below_low", set_cell("High", lambda bar: bar["Low"] * 0.9), ROW),
    ("open_outside", set_cell("Open", lambda bar: bar["High"] * 1.02), ROW),
    ("close_outside", set_cell("Close", lambda bar: bar["Low"] * 0.98), ROW),
    ("nan", set_cell("Close", np.nan), ROW),
    ("inf", set_cell("Open", np.inf), ROW),
    ("split", split, ROW),
    ("stale", stale, ROW),
    ("future", future, None),
    ("open_is_previous_close", copied_opens, 0),
    ("close_adjusted", adjusted_close, 0),
]


def test_a_clean_file_is_silent(stock_table, write):
    assert findings(write(stock_table)) == []


@pytest.mark.parametrize(("code", "plant", "position"), PLANTED, ids=[code for code, *_ in PLANTED])
def test_a_planted_fault_is_flagged_with_code_and_row(code, plant, position, stock_table, write):
    table = plant(stock_table.copy())
    expected_row = len(table) + 1 if position is None else position + 2
    found = {finding.code: finding for finding in findings(write(table))}
    assert code in found
    finding = found[code]
    assert finding.row == expected_row
    assert finding.file == "stock.csv"
    assert finding.time
    assert finding.severity == ("error" if code in ERROR_CODES else "warning")


def test_every_code_has_a_planted_fault():
    covered = {code for code, *_ in PLANTED} | {"dst_hour", "shared_dates"}
    assert covered == {*ERROR_CODES, *WARNING_CODES}


def test_a_single_fault_raises_no_other_finding(stock_table, write):
    faults = ("gap", "duplicate", "unsorted", "zero_volume", "close_outside", "nan", "split")
    for code, plant, _ in [entry for entry in PLANTED if entry[0] in faults]:
        codes = {finding.code for finding in findings(write(plant(stock_table.copy())))}
        # A bar that takes its neighbour's time stamp leaves its own day empty, which is too short a hole to tell.
        assert codes == {code}


def test_an_hour_that_the_clock_change_skips_or_repeats_is_flagged(make_bars, write):
    bars = make_bars(400, 1, frequency="h", start="2021-03-10")
    table = bars.frame.reset_index(drop=True)
    table.insert(0, "time", bars.frame.index.strftime("%Y-%m-%d %H:%M:%S"))
    path = write(table)
    (finding,) = [one for one in findings(path, timezone="America/New_York") if one.code == "dst_hour"]
    assert finding.row == int(np.flatnonzero(table["time"] == "2021-03-14 02:00:00")[0]) + 2
    assert findings(path) == []  # the same stamps are sound in UTC


def test_dates_in_two_files_of_one_asset_are_flagged_in_the_later_file(stock_table, write, tmp_path):
    write(stock_table.iloc[:400], "a.csv")
    write(stock_table.iloc[398:], "b.csv")
    config = FileSource.model_validate({"source": "csv", "path": {"X": ["b.csv", "a.csv"]}})
    (raw,) = load_raw(config, tmp_path)
    (finding,) = check(raw)
    assert (finding.code, finding.count, finding.file, finding.row) == ("shared_dates", 2, "b.csv", 2)


def test_a_weekend_or_a_holiday_is_no_gap_but_a_missing_hour_of_a_market_that_never_closes_is(make_bars, write):
    bars = make_bars(24 * 60, 2, frequency="h")
    table = bars.frame.reset_index(names="time").assign(time=bars.frame.index.strftime("%Y-%m-%dT%H:%M:%SZ"))
    open_hours = (bars.frame.index.day_of_week < 5) & (bars.frame.index.hour >= 8) & (bars.frame.index.hour < 17)
    assert findings(write(table[open_hours])) == []
    (finding,) = findings(write(table.drop(index=700)))
    assert (finding.code, finding.count, finding.row) == ("gap", 1, 702)


def test_offsets_that_follow_the_clock_change_are_no_fault_but_another_zone_is(stock_table, write):
    summer = pd.to_datetime(stock_table["Date"]).dt.month.between(4, 10)
    stamps = stock_table["Date"] + np.where(summer, "T16:00:00-04:00", "T16:00:00-05:00")
    assert findings(write(stock_table.assign(Date=stamps))) == []
    stamps[ROW] = stock_table.loc[ROW, "Date"] + "T16:00:00+09:00"
    assert "mixed_time_zone" in {one.code for one in findings(write(stock_table.assign(Date=stamps)))}


def test_a_violent_market_is_not_taken_for_a_split(make_bars, write):
    bars = make_bars(500, 3)
    returns = np.diff(np.log(bars.frame["close"]), prepend=np.log(100)) * 12
    close = 100 * np.exp(np.cumsum(returns))
    frame = bars.frame.assign(close=close, open=close * 1.01, high=close * 1.02, low=close * 0.99)
    table = frame.reset_index(names="time").assign(time=bars.frame.index.strftime("%Y-%m-%d"))
    assert not [finding for finding in findings(write(table)) if finding.code == "split"]
