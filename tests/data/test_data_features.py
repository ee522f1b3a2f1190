"""P1 and P3: features look at the past only and their declared warm-up is long enough; formulas against loops."""

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from trader.config.data import FeatureConfig
from trader.config.experiment import default_features
from trader.data.bars import Bars
from trader.data.calendar_features import holiday_dates
from trader.data.causality import check_causal, check_warm_up
from trader.data.features import compute_features, feature_columns, rsi_warm_up
from trader.errors import TraderError

WINDOW = 16
ADAPTER = TypeAdapter(FeatureConfig)


def feature(name, **keys):
    return ADAPTER.validate_python({"name": name, **keys})


ALL = [
    *default_features(),
    feature("ma_distance", periods=[5, 50]),
    feature("volume_change"),
    feature("close_in_range"),
    feature("close_in_range", period=10),
    feature("calendar", columns=["day_of_year", "day_of_month", "month", "year", "holidays"]),
]


def bars_of(close, **columns):
    close = np.asarray(close, dtype=float)
    index = pd.date_range("2020-01-01", periods=len(close), tz="UTC", name="time", unit="us")
    frame = pd.DataFrame({"open": close, "high": close, "low": close, "close": close, "volume": 1.0}, index=index)
    return Bars("x", frame.assign(**columns))


def values_of(bars, config, window=WINDOW):
    return compute_features(bars, [config], window).values


@pytest.fixture(scope="module")
def cuts():
    return np.random.default_rng(4).integers(1, 600, 25).tolist()


def test_all_features_are_causal_bit_for_bit(stock, cuts):
    def table(bars):
        return compute_features(bars, ALL, WINDOW).values

    assert check_causal(table, stock, cuts, np.random.default_rng(5)) == []


@pytest.mark.parametrize(
    "leaky",
    [
        lambda close: close.shift(-1),
        lambda close: close.rolling(5, center=True).mean(),
        lambda close: (close - close.mean()) / close.std(),
        lambda close: close / close.iloc[-1],
        lambda close: close.bfill().where(close.index < close.index[-1], 0.0),
    ],
    ids=["shift(-1)", "centred window", "global z-score", "relative to the last", "knows the end"],
)
def test_a_feature_that_looks_ahead_is_caught(leaky, stock, cuts):
    def table(bars):
        return leaky(bars.frame["close"]).to_numpy()[:, None]

    assert check_causal(table, stock, cuts, np.random.default_rng(5))


def single(config, place):
    def values(bars):
        return feature_columns(bars.frame, config, WINDOW)[place].values

    return values


def test_every_declared_warm_up_is_long_enough(make_bars):
    bars = make_bars(1500, 6)
    rows = np.random.default_rng(7).integers(700, 1500, 12).tolist()
    for config in ALL:
        for place, column in enumerate(feature_columns(bars.frame, config, WINDOW)):
            assert check_warm_up(single(config, place), column.warm_up, bars, rows) == [], column.name


@pytest.mark.parametrize(
    ("config", "short"),
    [
        (feature("rsi"), 60),
        (feature("macd"), 80),
        (feature("ma_distance"), 40),
        (feature("volume_change"), 15),
        (feature("log_return", periods=[5]), 4),
    ],
)
def test_a_warm_up_declared_too_short_is_flagged(config, short, make_bars):
    bars = make_bars(1500, 6)
    assert check_warm_up(single(config, 0), short, bars, range(700, 1500, 100))


def test_wilders_index_of_14_bars_declares_hundreds_of_bars():
    assert 300 <= rsi_warm_up(14) <= 360


def test_rows_before_the_warm_up_are_nan_and_none_after_it(stock):
    table = compute_features(stock, ALL, WINDOW)
    assert np.isnan(table.values[table.warm_up - 1]).any()
    assert np.isfinite(table.values[table.warm_up :]).all()


def test_log_returns_by_hand():
    values = values_of(bars_of([100, 110, 99, 99]), feature("log_return", periods=[1, 2]))
    assert values[1:, 0] == pytest.approx([0.0953101798, -0.1053605157, 0.0])
    assert np.isnan(values[1, 1])
    assert values[2:, 1] == pytest.approx([-0.0100503359, -0.1053605157])


def test_volatility_is_the_sample_deviation_of_log_returns():
    values = values_of(bars_of([1, np.e, np.e, np.e**3]), feature("volatility", period=3))
    assert values[3, 0] == pytest.approx(1.0)  # of 1, 0, 2


def test_rsi_equals_wilders_recursion(stock):
    change = np.diff(stock.frame["close"])
    gain, loss = change.clip(0)[:14].mean(), (-change).clip(0)[:14].mean()
    for move in change[14:]:
        gain, loss = (13 * gain + max(move, 0)) / 14, (13 * loss + max(-move, 0)) / 14
    expected = 100 * gain / (gain + loss) / 50 - 1
    assert values_of(stock, feature("rsi"))[-1, 0] == pytest.approx(expected, rel=1e-9)


def test_macd_equals_exponential_averages(stock):
    close = stock.frame["close"]
    line = close.ewm(span=12, adjust=False).mean() - close.ewm(span=26, adjust=False).mean()
    histogram = line - line.ewm(span=9, adjust=False).mean()
    values = values_of(stock, feature("macd"))
    assert values[-1] == pytest.approx([(line / close).iloc[-1], (histogram / close).iloc[-1]], rel=1e-6)


def test_moving_average_distance_volume_change_and_place_in_range_by_hand():
    bars = bars_of([10, 20, 30], high=[12, 25, 30], low=[8, 15, 30], volume=[0, 1, 5])
    assert values_of(bars, feature("ma_distance", periods=[3]))[2, 0] == pytest.approx(0.5)
    assert values_of(bars, feature("volume_change", period=3))[2, 0] == pytest.approx(np.log(6 / 3))
    assert values_of(bars, feature("close_in_range"))[:, 0].tolist() == [0.0, 0.0, 0.0]  # a bar without range: middle
    assert values_of(bars, feature("close_in_range", period=2))[1:, 0] == pytest.approx([2 * 12 / 17 - 1, 1.0])


def test_calendar_counts_the_holidays_after_the_windows_first_bar_up_to_its_last():
    bars = bars_of(np.ones(8))  # 2020-01-01 (a holiday) … 2020-01-08
    values = values_of(bars, feature("calendar", columns=["day_of_year", "month", "year", "holidays"]), window=3)
    assert values[2].tolist() == [3, 1, 2020, 0]
    index = pd.date_range("2019-12-23", periods=12, tz="UTC", unit="us")
    frame = bars_of(np.ones(12)).frame.set_axis(index)
    counts = values_of(Bars("x", frame), feature("calendar", columns=["holidays"]), window=3)[:, 0]
    # Christmas stands in the windows that end on 25 and 26 December, New Year in those of 1 and 2 January.
    assert counts[2:].tolist() == [1, 1, 0, 0, 0, 0, 0, 1, 1, 0]


def test_an_unknown_calendar_names_the_nearest():
    with pytest.raises(TraderError, match='did you mean "NYSE"'):
        holiday_dates("NYSEE", 2020, 2020)
    assert np.datetime64("2020-10-03") in holiday_dates("DE", 2020, 2020)
