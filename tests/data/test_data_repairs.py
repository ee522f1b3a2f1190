"""Nothing is repaired unless it is named, and what is named is recorded."""

import numpy as np
import pandas as pd
import pytest

from trader.config.data import FileSource
from trader.data.adjust import infer_factor
from trader.data.prepare import load_bars
from trader.errors import TraderError

ROW = 300


def load(write, table, repairs=None, **keys):
    path = write(table)
    source = {"source": "csv", "path": path.name, "repairs": repairs or {}, **keys}
    return load_bars(FileSource.model_validate(source), path.parent)


@pytest.mark.parametrize(
    ("key", "allowed", "column", "value"),
    [
        ("zero_volume", "accept or drop", "Volume", 0.0),
        ("missing", "drop or previous", "Close", np.nan),
        ("missing", "drop or previous", "Volume", np.inf),
        ("invalid_bars", "drop", "High", 1.0),
    ],
)
def test_a_fault_is_refused_with_asset_row_count_and_the_key_that_would_accept_it(
    key, allowed, column, value, stock_table, write
):
    stock_table.loc[ROW, column] = value
    with pytest.raises(TraderError) as caught:
        load(write, stock_table)
    message = str(caught.value)
    assert f"stock (stock.csv row {ROW + 2}, 2016-02-29 00:00:00): 1 bar" in message
    assert message.endswith(f"write data.repairs.{key}: {allowed}")


def test_clean_bars_come_back_unchanged_without_a_record(stock, stock_table, write):
    loaded = load(write, stock_table)
    pd.testing.assert_frame_equal(loaded.bars[0].frame, stock.frame, check_freq=False)
    assert loaded.repairs == ()


def test_an_accepted_fault_keeps_the_bar_and_a_dropped_one_loses_it_and_both_are_recorded(stock_table, write):
    stock_table.loc[ROW, "Volume"] = 0.0
    accepted = load(write, stock_table, {"zero_volume": "accept"})
    dropped = load(write, stock_table, {"zero_volume": "drop"})
    assert [len(loaded.bars[0].frame) for loaded in (accepted, dropped)] == [600, 599]
    (record,) = dropped.repairs
    assert record == {
        "asset": "stock",
        "code": "zero_volume",
        "repair": "zero_volume: drop",
        "count": 1,
        "file": "stock.csv",
        "row": ROW + 2,
        "time": "2016-02-29 00:00:00",
    }


def test_duplicates_keep_the_first_or_the_last(stock_table, write):
    stock_table.loc[ROW, "Date"] = stock_table.loc[ROW - 1, "Date"]
    first = load(write, stock_table, {"duplicates": "keep_first"}).bars[0].frame
    last = load(write, stock_table, {"duplicates": "keep_last"}).bars[0].frame
    assert len(first) == len(last) == 599
    assert first["close"].iloc[ROW - 1] == stock_table.loc[ROW - 1, "Close"]
    assert last["close"].iloc[ROW - 1] == stock_table.loc[ROW, "Close"]


def test_unsorted_bars_are_sorted_when_asked(stock, stock_table, write):
    loaded = load(write, stock_table.iloc[::-1], {"unsorted": "sort"})
    assert loaded.bars[0].frame["close"].tolist() == stock.frame["close"].tolist()


def test_a_missing_price_carries_the_previous_close_and_never_a_later_value(stock_table, write):
    stock_table.loc[ROW, "High"] = np.nan
    stock_table.loc[ROW + 5, "Volume"] = np.nan
    stock_table.loc[0, "Close"] = np.nan
    frame = load(write, stock_table, {"missing": "previous"}).bars[0].frame
    previous = stock_table.loc[ROW - 1]
    assert len(frame) == 599  # the first bar has no past to take from
    assert frame.iloc[ROW - 1].tolist() == [previous["Close"]] * 4 + [stock_table.loc[ROW, "Volume"]]
    assert frame["volume"].iloc[ROW + 4] == stock_table.loc[ROW + 4, "Volume"]
    assert frame["close"].iloc[ROW + 4] == stock_table.loc[ROW + 5, "Close"]


def test_shared_dates_keep_the_earlier_file(stock_table, write, tmp_path):
    write(stock_table.iloc[:400], "a.csv")
    write(stock_table.iloc[398:].assign(Close=stock_table["Low"]), "b.csv")
    source = {"source": "csv", "path": {"X": ["a.csv", "b.csv"]}}
    with pytest.raises(TraderError, match="shared_dates: drop_from_test"):
        load_bars(FileSource.model_validate(source), tmp_path)
    source["repairs"] = {"shared_dates": "drop_from_test"}
    loaded = load_bars(FileSource.model_validate(source), tmp_path)
    close = loaded.bars[0].frame["close"].to_numpy()
    assert len(close) == 600
    assert (close[:400] == stock_table["Close"][:400]).all()
    assert (close[400:] == stock_table["Low"][400:]).all()


def test_a_mixed_time_zone_and_a_future_stamp_cannot_be_accepted(stock_table, write):
    stock_table.loc[len(stock_table) - 1, "Date"] = "2500-01-01"
    with pytest.raises(TraderError, match=r"future.*check data\.date_format and data\.timezone"):
        load(write, stock_table)


def test_stale_runs_and_gaps_are_refused_only_when_asked(stock_table, write):
    table = stock_table.drop(index=range(ROW, ROW + 10))
    assert len(load(write, table).bars[0].frame) == 590
    with pytest.raises(TraderError, match=r"data\.repairs\.gaps: accept"):
        load(write, table, {"gaps": "refuse"})


def test_too_few_remaining_bars_are_refused(stock_table, write):
    stock_table["Volume"] = 0.0
    with pytest.raises(TraderError, match="0 of 600 bars remain"):
        load(write, stock_table, {"zero_volume": "drop"})


def dividend_adjusted(table):
    """Four dividends of 1 %: the close is scaled below, the factor rises to 1 at the last ex-date."""
    factor = np.select([np.arange(len(table)) < row for row in (100, 250, 400, 550)], [0.96, 0.97, 0.98, 0.99], 1.0)
    return table.assign(Close=table["Close"] * factor, Raw=table["Close"]), factor


def test_adjusting_with_the_raw_close_is_exact(stock_table, write):
    table, factor = dividend_adjusted(stock_table)
    loaded = load(write, table, {"adjust_ohlc": True}, columns={"raw_close": "Raw"})
    frame = loaded.bars[0].frame
    np.testing.assert_allclose(frame["open"], stock_table["Open"] * factor, rtol=1e-12)
    np.testing.assert_allclose(frame["low"], stock_table["Low"] * factor, rtol=1e-12)
    (record,) = loaded.repairs
    assert (record["repair"], record["method"], record["count"]) == ("adjust_ohlc: true", "close / raw_close", 550)


def test_adjusting_without_the_raw_close_finds_the_dividends(stock_table, write):
    table, factor = dividend_adjusted(stock_table)
    loaded = load(write, table, {"adjust_ohlc": True})
    frame = loaded.bars[0].frame
    (record,) = loaded.repairs
    assert (record["method"], record["steps"]) == ("inferred", 4)
    assert (frame["close"].to_numpy() == table["Close"].to_numpy()).all()
    assert ((frame["close"] <= frame["high"]) & (frame["close"] >= frame["low"])).all()
    # Narrowed by some hundred daily ranges, the factor is right to 0.1 % away from the steps.
    inferred = frame["open"].to_numpy() / stock_table["Open"].to_numpy()
    near_step = np.isin(np.arange(600), [row + shift for row in (100, 250, 400, 550) for shift in range(-1, 12)])
    assert np.abs(inferred / factor - 1)[~near_step].max() < 1e-3


def test_the_inferred_factor_takes_the_fewest_steps():
    lower = np.array([0.80, 0.85, 0.82, 0.97, 0.96])
    upper = np.array([0.90, 0.88, 0.95, 1.02, 1.10])
    assert infer_factor(lower, upper).tolist() == pytest.approx([0.865, 0.865, 0.865, 1.0, 1.0])
