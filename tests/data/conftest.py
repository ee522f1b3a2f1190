"""Clean bars that look like a stock's, and their files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trader.data.bars import Bars

NUM_BARS = 600


def stock_bars(num_bars: int, seed: int, frequency: str = "B", start: str = "2015-01-05") -> Bars:
    rng = np.random.default_rng(seed)
    index = pd.date_range(start, periods=num_bars, freq=frequency, tz="UTC", name="time", unit="us")
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(num_bars)))
    previous = np.concatenate([[100.0], close[:-1]])
    open_ = previous * np.exp(0.003 * rng.standard_normal(num_bars))
    high = np.maximum(open_, close) * (1 + 0.005 * rng.random(num_bars))
    low = np.minimum(open_, close) * (1 - 0.005 * rng.random(num_bars))
    volume = np.floor(1e6 * np.exp(0.3 * rng.standard_normal(num_bars)))
    columns = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
    return Bars("stock", pd.DataFrame(columns, index=index).round(6))


@pytest.fixture
def make_bars() -> Callable[..., Bars]:
    return stock_bars


@pytest.fixture
def stock() -> Bars:
    return stock_bars(NUM_BARS, seed=0)


@pytest.fixture
def stock_table(stock) -> pd.DataFrame:
    """The clean bars as a user's table: a `Date` column of text, then Open … Volume."""
    table = stock.frame.reset_index().rename(columns=str.capitalize).rename(columns={"Time": "Date"})
    return table.assign(Date=table["Date"].dt.strftime("%Y-%m-%d"))


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    def write_csv(table: pd.DataFrame, name: str = "stock.csv") -> Path:
        path = tmp_path / name
        table.to_csv(path, index=False)
        return path

    return write_csv
