"""Files: columns in any case, stated formats, and one-line refusals that name the nearest spelling."""

import re

import numpy as np
import pandas as pd
import pytest

from trader.config.data import FileSource
from trader.data.sources import load_raw
from trader.errors import TraderError


def load(base, path="stock.csv", **keys):
    return load_raw(FileSource.model_validate({"source": "csv", "path": path, **keys}), base)


def refusal(base, path="stock.csv", **keys):
    with pytest.raises(TraderError) as caught:
        load(base, path, **keys)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_column_case_and_order_do_not_matter_and_others_are_ignored(stock_table, write, tmp_path):
    table = stock_table.rename(columns=str.upper).assign(SYMBOL="X", **{"Volume USD": 1.0, "Adj Close": 0.5})
    write(table[table.columns[::-1]])
    (raw,) = load(tmp_path)
    assert raw.asset == "stock"
    assert raw.frame["close"].tolist() == stock_table["Close"].tolist()
    assert raw.frame["volume"].tolist() == stock_table["Volume"].tolist()


def test_newest_first_is_reversed_only_when_declared(stock_table, write, tmp_path):
    write(stock_table.iloc[::-1])
    (declared,) = load(tmp_path, order="descending")
    assert declared.frame["close"].tolist() == stock_table["Close"].tolist()
    assert declared.frame["row"].iloc[0] == len(stock_table) + 1
    (undeclared,) = load(tmp_path)
    assert undeclared.frame["close"].iloc[0] == stock_table["Close"].iloc[-1]


def test_mapped_columns_are_used(stock_table, write, tmp_path):
    write(stock_table.rename(columns={"Close": "Last", "Date": "Datum"}))
    (raw,) = load(tmp_path, columns={"close": "Last", "time": "Datum"})
    assert raw.frame["close"].tolist() == stock_table["Close"].tolist()


def test_a_file_without_volume_is_read_when_that_is_stated(stock_table, write, tmp_path):
    write(stock_table.drop(columns="Volume"))
    assert 'columns: {volume: ""}' in refusal(tmp_path)
    (raw,) = load(tmp_path, columns={"volume": ""})
    assert (raw.frame["volume"] == 1).all()


def test_a_stated_format_is_used_and_another_is_refused_with_row_and_suggestion(stock_table, write, tmp_path):
    days = pd.to_datetime(stock_table["Date"])
    write(stock_table.assign(Date=days.dt.strftime("%d.%m.%Y")))
    (raw,) = load(tmp_path, date_format="%d.%m.%Y")
    assert (raw.frame["time"].dt.tz_localize(None) == days).all()
    assert 'row 2: "05.01.2015"' in refusal(tmp_path)
    assert '"%d.%m.%Y"' in refusal(tmp_path)
    # Month first reads the first rows, swapped, and fails only at the first day above 12.
    first_impossible = int(np.flatnonzero(days.dt.day > 12)[0]) + 2
    message = refusal(tmp_path, date_format="%m.%d.%Y")
    assert f"row {first_impossible}" in message
    assert '"%d.%m.%Y"' in message


def test_a_date_that_reads_both_ways_is_refused_with_both_formats(stock_table, write, tmp_path):
    write(stock_table.iloc[:8].assign(Date=[f"0{day}/02/2015" for day in range(1, 9)]))
    message = refusal(tmp_path)
    assert '"%d/%m/%Y" or "%m/%d/%Y"' in message


def test_unix_seconds_are_read_when_stated_and_never_guessed(stock_table, write, tmp_path):
    days = pd.to_datetime(stock_table["Date"])
    write(stock_table.assign(Date=days.astype("datetime64[s]").astype("int64")))
    assert "date_format: unix" in refusal(tmp_path)
    (raw,) = load(tmp_path, date_format="unix")
    assert (raw.frame["time"].dt.tz_localize(None) == days).all()


def test_naive_stamps_are_read_in_the_declared_zone(stock_table, write, tmp_path):
    write(stock_table)
    (raw,) = load(tmp_path, timezone="America/New_York")
    assert str(raw.frame["time"].iloc[0]) == "2015-01-05 05:00:00+00:00"
    (raw,) = load(tmp_path)
    assert str(raw.frame["time"].iloc[0]) == "2015-01-05 00:00:00+00:00"


@pytest.mark.parametrize(
    ("stamp", "utc"),
    [
        ("2015-01-05T16:00:00+01:00", "2015-01-05 15:00:00"),
        ("2015-01-05 16:00:00.250-0500", "2015-01-05 21:00:00.250000"),
        ("2015-01-05T16:00Z", "2015-01-05 16:00:00"),
        ("20150105", "2015-01-05 00:00:00"),
    ],
)
def test_iso_stamps_with_and_without_offset(stamp, utc, stock_table, write, tmp_path):
    write(stock_table.iloc[:1].assign(Date=stamp))
    (raw,) = load(tmp_path)
    assert str(raw.frame["time"].iloc[0]).removesuffix("+00:00") == utc


def test_parquet_with_a_time_index_equals_csv(stock, stock_table, write, tmp_path):
    write(stock_table)
    stock.frame.to_parquet(tmp_path / "stock.parquet")
    (from_csv,) = load(tmp_path)
    (from_parquet,) = load(tmp_path, "stock.parquet", source="parquet")
    columns = ["time", "open", "high", "low", "close", "volume", "row"]
    pd.testing.assert_frame_equal(from_csv.frame[columns], from_parquet.frame[columns])


def test_paths_a_list_a_glob_and_named_assets(stock_table, write, tmp_path):
    for name in ("a.csv", "b.csv"):
        write(stock_table, name)
    assert [raw.asset for raw in load(tmp_path, ["b.csv", "a.csv"])] == ["b", "a"]
    assert [raw.asset for raw in load(tmp_path, "*.csv")] == ["a", "b"]
    (joined,) = load(tmp_path, {"X": "*.csv"})
    assert (joined.asset, joined.files, len(joined.frame)) == ("X", ("a.csv", "b.csv"), 2 * len(stock_table))


def test_files_of_one_asset_are_joined_in_the_order_of_their_first_bars(stock_table, write, tmp_path):
    write(stock_table.iloc[300:], "a.csv")
    write(stock_table.iloc[:300], "b.csv")
    (raw,) = load(tmp_path, {"X": ["a.csv", "b.csv"]})
    assert raw.files == ("b.csv", "a.csv")
    assert raw.frame["close"].tolist() == stock_table["Close"].tolist()


def test_typical_mistakes_are_refused_in_one_line_with_the_nearest_spelling(stock_table, write, tmp_path):
    path = write(stock_table)
    (tmp_path / "stcok.yaml").touch()  # nearer, but no price file
    assert 'did you mean "stock.csv"?' in refusal(tmp_path, "stcok.csv")
    assert "no file matches" in refusal(tmp_path, "*.txt")
    assert "does not exist" in refusal(tmp_path, "nowhere/stock.csv")
    assert 'did you mean "Close"?' in refusal(tmp_path, columns={"close": "Clos"})
    assert 'did you mean "close"?' in refusal(tmp_path, columns={"colse": "Close"})
    assert 'did you mean "America/New_York"?' in refusal(tmp_path, timezone="America/NewYork")
    assert 'both be asset "stock"' in refusal(tmp_path, ["stock.csv", "./stock.csv"])
    assert "names no file" in refusal(tmp_path, [])
    path.write_text("")
    assert "cannot be read as CSV" in refusal(tmp_path)
    path.write_text("Date,Open,High,Low,Close,Volume\n")
    assert "has no rows" in refusal(tmp_path)
    path.write_bytes(b"\xff\xfe\x00\x01")
    assert "cannot be read as CSV" in refusal(tmp_path)
    assert "cannot be read as Parquet" in refusal(tmp_path, source="parquet")


def test_a_missing_column_names_those_there_are(stock_table, write, tmp_path):
    write(stock_table.rename(columns={"Close": "Closing"}))
    message = refusal(tmp_path)
    assert 'no column "close"; did you mean "Closing"?' in message
    write(stock_table.drop(columns="Date"))
    assert "no time column" in refusal(tmp_path)


def test_a_cell_that_is_no_number_is_named_by_row_and_column(stock_table, write, tmp_path):
    table = stock_table.astype({"High": object})
    table.loc[10, "High"] = "12,5"
    write(table)
    assert re.search(r'stock\.csv, row 12, column "High": "12,5" is not a number', refusal(tmp_path))


def test_an_empty_time_stamp_is_named_by_row(stock_table, write, tmp_path):
    stock_table.loc[4, "Date"] = None
    write(stock_table)
    assert "row 6: empty" in refusal(tmp_path)
