"""Sliding windows with their labels, by the worked example."""

import pandas as pd
import pytest

from trader.data.tables import window_table
from trader.errors import TraderError

VALUES = [0.77, 0.02, 0.63, 0.75, 0.50, 0.22, 0.20, 0.76, 0.17, 0.09]


@pytest.fixture
def series():
    return pd.Series(VALUES, pd.date_range("2018-01-01", periods=10), name="x")


def test_the_worked_example_of_window_three_and_horizon_one(series):
    table = window_table(series.to_frame(), series, window_size=3, horizon=1)
    assert len(table) == 7
    assert list(table.columns) == ["decision_date", "x_lag_2", "x_lag_1", "x_lag_0", "label"]
    assert [str(day.date()) for day in (table.index[0], table.index[-1])] == ["2018-01-04", "2018-01-10"]
    assert table.iloc[0, 1:].tolist() == [0.77, 0.02, 0.63, 0.75]
    assert table.iloc[-1, 1:].tolist() == [0.20, 0.76, 0.17, 0.09]
    assert str(table["decision_date"].iloc[-1].date()) == "2018-01-09"
    assert table.index.name == "date"


def test_a_longer_horizon_and_two_features(series):
    features = pd.DataFrame({"a": series, "b": 10 * series})
    table = window_table(features, series, window_size=2, horizon=3)
    assert len(table) == 10 - 2 - 3 + 1
    assert table.iloc[0, 1:].tolist() == pytest.approx([0.77, 0.02, 7.7, 0.2, 0.50])
    assert (table.index[0] - table["decision_date"].iloc[0]).days == 3


def test_too_few_rows_are_refused_with_the_numbers(series):
    with pytest.raises(TraderError, match="10 rows cannot hold window_size 9 \\+ horizon 2"):
        window_table(series.to_frame(), series, window_size=9, horizon=2)
