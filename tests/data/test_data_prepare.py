"""P5 and P26: nothing is fitted to validation or test bars; the fingerprint follows content; arrays are as promised."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from trader.config.experiment import Experiment
from trader.data.bars import COLUMNS, Bars
from trader.data.fingerprint import fingerprint
from trader.data.prepare import load_bars, prepare, prepare_range
from trader.data.scaling import Scaler, fit_scaler, scale, scaler_from_record, scaler_record
from trader.errors import TraderError

SPANS = {
    "train": (date(2015, 1, 5), date(2016, 6, 30)),
    "valid": (date(2016, 7, 1), date(2016, 12, 31)),
    "test": (date(2017, 1, 1), date(2017, 4, 21)),
}
FEATURES = [{"name": "log_return", "periods": [1, 5]}, {"name": "volatility", "period": 10}]


def experiment(path="stock.csv", features=None, env=None, **source):
    return Experiment.model_validate(
        {
            "data": {"source": "csv", "path": path, "segments": SPANS, **source},
            "features": features or FEATURES,
            "env": {"window_size": 8, **(env or {})},
        }
    )


def test_arrays_segments_and_numbers_of_one_asset(stock, stock_table, write, tmp_path):
    write(stock_table)
    prepared = prepare(experiment(), tmp_path)
    close = stock.frame["close"].to_numpy()
    market = prepared.market
    assert market.features.shape == (1, 600, 3)
    assert {array.dtype for array in market} == {np.dtype(np.float32)}
    assert prepared.feature_names == ("log_return_1", "log_return_5", "volatility_10")
    np.testing.assert_array_equal(market.close[0], close.astype(np.float32))
    assert market.years[0, 0] == 0
    assert market.years[0, 1:6].tolist() == pytest.approx([1 / 365, 1 / 365, 1 / 365, 1 / 365, 3 / 365])
    assert prepared.periods_per_year == pytest.approx(
        599 / ((stock.frame.index[-1] - stock.frame.index[0]).days / 365.25)
    )
    first, last = prepared.segments["train"].first[0], prepared.segments["train"].last[0]
    returns = np.diff(np.log(close))[first : last + 1]  # paid on rows first + 1 … last + 1
    assert prepared.return_deviation == pytest.approx(returns.std(ddof=1), rel=1e-12)
    assert prepared.scaler.mean[0] == pytest.approx(returns.mean(), rel=1e-9)
    expected = (np.log(close[400] / close[395]) - prepared.scaler.mean[1]) / prepared.scaler.deviation[1]
    assert market.features[0, 400, 1] == pytest.approx(expected, rel=1e-6)


def test_changing_every_bar_after_training_leaves_scaler_and_deviation_as_they_were(stock_table, write, tmp_path):
    write(stock_table)
    before = prepare(experiment(), tmp_path)
    after_training = stock_table["Date"] > "2016-06-30"
    rng = np.random.default_rng(0)
    noise = 50 * np.exp(np.cumsum(0.1 * rng.standard_normal(after_training.sum())))
    for name in ("Open", "High", "Low", "Close"):
        stock_table.loc[after_training, name] = noise
    stock_table.loc[after_training, "Volume"] = rng.random(after_training.sum()) + 1
    write(stock_table)
    after = prepare(experiment(repairs={"splits": "accept"}), tmp_path)
    assert after.scaler == before.scaler
    assert after.return_deviation == before.return_deviation
    assert after.fingerprint != before.fingerprint


def test_a_scaler_fitted_to_all_rows_would_be_caught(stock_table, write, tmp_path):
    write(stock_table)
    prepared = prepare(experiment(), tmp_path)
    leaky = fit_scaler(prepared.feature_names, prepared.market.features[0].astype(np.float64))
    assert leaky != prepared.scaler


def test_a_saved_scaler_is_used_as_it_is_and_one_of_other_features_is_refused(stock_table, write, tmp_path):
    write(stock_table)
    names = ("log_return_1", "log_return_5", "volatility_10")
    saved = Scaler(names, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    prepared = prepare(experiment(), tmp_path, saved)
    assert prepared.scaler == saved
    close = stock_table["Close"].to_numpy()
    assert prepared.market.features[0, 50, 0] == pytest.approx(np.log(close[50] / close[49]), rel=1e-5)
    with pytest.raises(TraderError, match="was fitted to log_return_1, log_return_5, volatility_10"):
        prepare(experiment(features=[{"name": "rsi"}]), tmp_path, saved)


def test_shorter_assets_are_padded_with_their_last_row(make_bars, tmp_path):
    for name, num_bars in (("a", 600), ("b", 595)):
        make_bars(num_bars, 9).frame.to_parquet(tmp_path / f"{name}.parquet")
    prepared = prepare(experiment(["a.parquet", "b.parquet"], source="parquet"), tmp_path)
    assert prepared.assets == ("a", "b")
    assert prepared.market.open.shape == (2, 600)
    assert (prepared.market.close[1, 595:] == prepared.market.close[1, 594]).all()
    assert (prepared.market.features[1, 595:] == prepared.market.features[1, 594]).all()
    assert prepared.segments["test"].last.tolist() == [598, 593]


def adjusted(table):
    return table.assign(Close=table["Close"] * 0.9)


@pytest.mark.parametrize(
    ("env", "features", "named"),
    [
        ({"fill": "next_open"}, FEATURES, "env.fill"),
        ({"fill": "next_close"}, [{"name": "close_in_range"}], "close_in_range"),
    ],
)
def test_an_adjusted_close_refuses_opens_and_ranges(env, features, named, stock_table, write, tmp_path):
    write(adjusted(stock_table))
    with pytest.raises(TraderError, match=rf"{named}.*\(stock\).*data\.repairs\.adjust_ohlc: true"):
        prepare(experiment(env=env, features=features), tmp_path)
    repaired = experiment(env=env, features=features, repairs={"adjust_ohlc": True})
    assert prepare(repaired, tmp_path).repairs[0]["repair"] == "adjust_ohlc: true"


def test_an_adjusted_close_alone_is_enough_for_close_features_and_close_fills(stock_table, write, tmp_path):
    write(adjusted(stock_table))
    prepared = prepare(experiment(env={"fill": "next_close"}), tmp_path)
    assert [finding.code for finding in prepared.findings] == ["close_adjusted"]


def test_a_range_of_other_bars_is_prepared_without_fitting(stock_table, write, tmp_path):
    write(stock_table)
    run = prepare(experiment(), tmp_path)
    write(stock_table.iloc[400:], "other.csv")
    span = (date(2016, 9, 1), date(2017, 4, 21))
    other = prepare_range(experiment("other.csv"), tmp_path, run.scaler, span, run.return_deviation)
    assert list(other.segments) == ["test"]
    assert (other.scaler, other.return_deviation) == (run.scaler, run.return_deviation)
    assert other.segments["test"].last[0] == 198


def test_a_feature_listed_twice_is_refused(stock_table, write, tmp_path):
    write(stock_table)
    with pytest.raises(TraderError, match="log_return_5 would stand twice"):
        prepare(experiment(features=[*FEATURES, {"name": "log_return", "periods": [5]}]), tmp_path)


def test_the_built_in_index_is_prepared_by_default_and_its_repair_is_recorded(tmp_path):
    prepared = prepare(Experiment.model_validate({"data": {"source": "nasdaq"}}), tmp_path)
    index = prepared.bars[0].frame.index
    assert (len(index), str(index[0].date()), str(index[-1].date())) == (5031, "1999-01-04", "2018-12-31")
    (record,) = prepared.repairs
    assert (record["repair"], record["count"]) == ("zero_volume: accept", 2)
    assert prepared.periods_per_year == pytest.approx(251.64, abs=0.01)


def test_the_sp500_opens_are_flagged_as_copies_of_the_previous_close(tmp_path):
    loaded = load_bars(Experiment.model_validate({"data": {"source": "sp500"}}).data, tmp_path)
    (finding,) = loaded.findings
    assert (finding.code, finding.severity, finding.time[:4]) == ("open_is_previous_close", "warning", "1999")


def test_csv_and_parquet_of_the_same_content_have_one_fingerprint(stock, stock_table, write, tmp_path):
    write(stock_table)
    stock.frame.to_parquet(tmp_path / "stock.parquet")
    marks = {
        fingerprint(load_bars(experiment(path, source=source).data, tmp_path).bars)
        for path, source in (("stock.csv", "csv"), ("stock.parquet", "parquet"))
    }
    assert len(marks) == 1


def test_one_changed_cell_changes_the_fingerprint(stock):
    marks = {fingerprint([stock]), fingerprint([Bars("renamed", stock.frame)])}
    for column in COLUMNS:
        frame = stock.frame.copy()
        frame.loc[frame.index[77], column] = np.nextafter(frame[column].iloc[77], np.inf)
        marks.add(fingerprint([Bars("stock", frame)]))
    marks.add(fingerprint([Bars("stock", stock.frame.set_axis(stock.frame.index + pd.Timedelta(microseconds=1)))]))
    assert len(marks) == 2 + len(COLUMNS) + 1


def test_the_order_of_assets_does_not_change_the_fingerprint(stock, make_bars):
    other = Bars("other", make_bars(50, 3).frame)
    assert fingerprint([stock, other]) == fingerprint([other, stock])


def test_the_scaler_survives_json_bit_for_bit_and_clips():
    scaler = fit_scaler(("a", "b"), np.array([[0.1, 7.0], [0.2, 7.0], [0.4, 7.0]]))
    assert scaler.deviation[1] == 1.0
    assert scaler_from_record(scaler_record(scaler)) == scaler
    scaled = scale(scaler, np.array([[1e9, 7.0], [-1e9, np.nan]]))
    assert scaled.tolist() == [[10.0, 0.0], [-10.0, 0.0]]
    with pytest.raises(TraderError, match="scaler"):
        scaler_from_record({"names": ["a"], "mean": [1.0, 2.0], "deviation": [1.0]})
