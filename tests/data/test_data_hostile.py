"""Files and dates as careless people and odd programs leave them: one line that says what to do, no wrong number."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from tests.data.conftest import stock_bars
from trader.config.data import FileSource, SyntheticSource
from trader.data.checks import check
from trader.data.segments import Cut, timerange_segment
from trader.data.sources import load_raw
from trader.data.synthetic import generate
from trader.errors import TraderError

HEAD = "date,open,high,low,close,volume\n"
ROW = "2020-01-{:02d},100,102,99,101,1000\n"
ROWS = "".join(ROW.format(day) for day in range(1, 9))
WIDE = ROWS.replace("1000", "1000,5")


def refusal(folder, path="x.csv", source="csv"):
    with pytest.raises(TraderError) as caught:
        load_raw(FileSource.model_validate({"source": source, "path": path}), folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + ROWS.replace("1000", "1,000"), "x.csv, row 2: 7 cells under a header of 6"),
        ((HEAD + ROWS).replace(",", ";"), "x.csv: cells are separated by ';'"),
        ((HEAD + ROWS).replace(",", "\t"), "x.csv: cells are separated by '\\t'"),
        ((HEAD + ROWS).replace(",", ";").replace("101", "101,5"), "x.csv, row 2: 2 cells under a header of 1"),
        (
            HEAD.replace("volume", "volume,close") + ROWS.replace("1000", "1000,5"),
            'x.csv: 2 columns are called "close"',
        ),
        (
            HEAD.replace("volume", "volume,Close") + ROWS.replace("1000", "1000,5"),
            'x.csv: columns close, Close all read "close"',
        ),
        ("", "x.csv: cannot be read as CSV"),
        (HEAD, "x.csv: has no rows"),
    ],
)
def test_a_csv_that_would_be_misread_is_refused(tmp_path, recwarn, text, says):
    (tmp_path / "x.csv").write_text(text)
    assert refusal(tmp_path).startswith(says)
    assert not recwarn.list


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEAD + ROWS,
        (HEAD + ROWS).replace("\n", "\r\n"),
        HEAD + ROWS.replace("1000", '"1000"'),
        HEAD + ROWS.replace("\n", ",\n"),
        "," + HEAD + "".join(f"{place},{row}\n" for place, row in enumerate(ROWS.splitlines())),
    ],
    ids=["mark", "crlf", "quoted", "trailing comma", "index column"],
)
def test_harmless_spellings_of_a_csv_are_read(tmp_path, text):
    (tmp_path / "x.csv").write_bytes(text.encode())
    (raw,) = load_raw(FileSource(source="csv", path="x.csv"), tmp_path)
    assert raw.frame["close"].tolist() == [101.0] * 8
    assert raw.frame["volume"].tolist() == [1000.0] * 8


@pytest.mark.parametrize("path", ["~no-such-user/x.csv", "x" * 300 + ".csv"])
def test_a_path_the_system_refuses_is_told(tmp_path, path):
    assert refusal(tmp_path, path).startswith(f'data.path: "{path[:80]}" is no path: ')


def table():
    times = pd.date_range("2020-01-01", periods=4, name="date")
    return pd.DataFrame({"date": times, **dict.fromkeys(("open", "high", "low", "close", "volume"), 5.0)})


def test_odd_indices_of_parquet_are_read_or_refused(tmp_path):
    table().set_index("date", drop=False).to_parquet(tmp_path / "x.parquet")
    (raw,) = load_raw(FileSource(source="parquet", path="x.parquet"), tmp_path)
    assert len(raw.frame) == 4
    table().assign(ticker="A").set_index(["ticker", "date"]).to_parquet(tmp_path / "x.parquet")
    assert "its index has 2 levels" in refusal(tmp_path, "x.parquet", "parquet")


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_a_missing_time_in_parquet_is_told_with_its_row(tmp_path, zone):
    times = table()["date"].dt.tz_localize(zone)
    table().assign(date=times.where(times.index != 2)).to_parquet(tmp_path / "x.parquet")
    assert 'column "date", row 4: empty does not read' in refusal(tmp_path, "x.parquet", "parquet")


def test_a_hole_longer_than_the_data_is_still_a_gap(tmp_path, write, stock_table):
    late = stock_table.copy()
    late["Date"] = (pd.to_datetime(late["Date"]) + pd.Timedelta(days=364 * 20)).dt.strftime("%Y-%m-%d")
    write(pd.concat([stock_table, late]))
    (raw,) = load_raw(FileSource(source="csv", path="stock.csv"), tmp_path)
    assert [finding.row for finding in check(raw) if finding.code == "gap"] == [len(stock_table) + 2]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_any_calendar_date_may_mean_the_beginning_or_the_end(zone):
    bars = stock_bars(50, seed=1)
    segment = timerange_segment((bars,), date.min, date.max, Cut(window=2, horizon=1, warm_up=1, zone=zone))
    assert (segment.first.tolist(), segment.last.tolist()) == ([2], [48])


def test_a_day_without_a_midnight_begins_at_its_first_moment():
    bars = stock_bars(60, seed=1, frequency="h", start="2018-11-03 12:00")
    cut = Cut(window=2, horizon=1, warm_up=1, zone="America/Sao_Paulo")  # 2018-11-04 began at 01:00
    segment = timerange_segment((bars,), date(2018, 11, 4), date(2018, 11, 4), cut)
    assert bars.frame.index[segment.first[0] + 1] == pd.Timestamp(datetime(2018, 11, 4, 3), tz="UTC")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"market": {"kind": "ar1"}, "bar": "999999999999d"}, "data.bar: 999999999999d is too long"),
        ({"market": {"kind": "gbm", "drift": 0.5}, "length": 5000}, "data.length: 5000 bars"),
    ],
)
def test_generated_bars_that_cannot_be_stored_are_refused_without_a_warning(keys, says):
    with pytest.raises(TraderError, match=says), np.errstate(all="raise"):
        generate(SyntheticSource.model_validate({"source": "synthetic", **keys}))
