"""Generated markets have the law they are named after."""

import numpy as np
import pytest

from trader.config.data import SyntheticSource
from trader.data.synthetic import generate
from trader.errors import TraderError


def source(kind, length=200_000, seed=7, bar="1h", **market):
    keys = {"source": "synthetic", "market": {"kind": kind, **market}, "length": length, "seed": seed, "bar": bar}
    return SyntheticSource.model_validate(keys)


def log_returns(bars):
    return np.diff(np.log(bars.frame["close"].to_numpy()))


def test_ar1_has_the_stated_autocorrelation_and_deviation_of_returns():
    returns = log_returns(generate(source("ar1", autocorrelation=0.6, volatility=0.02)))
    assert returns.std() == pytest.approx(0.02, rel=0.02)
    assert np.corrcoef(returns[1:], returns[:-1])[0, 1] == pytest.approx(0.6, abs=0.01)
    assert np.corrcoef(returns[2:], returns[:-2])[0, 1] == pytest.approx(0.36, abs=0.015)


def test_ar1_starts_in_its_stationary_law():
    firsts = [log_returns(generate(source("ar1", 100, seed, autocorrelation=0.9)))[:3] for seed in range(2000)]
    assert np.std(firsts) == pytest.approx(0.01, rel=0.05)


def test_ar1_equals_its_recursion():
    market = source("ar1", 100, autocorrelation=0.5, volatility=0.01)
    bars = generate(market)
    returns = np.diff(np.log(np.concatenate([[100.0], bars.frame["close"]])))
    noise = np.random.default_rng(7).spawn(2)[0].standard_normal(100)
    expected = [noise[0] * 0.01]
    for shock in noise[1:]:
        expected.append(0.5 * expected[-1] + shock * 0.01 * np.sqrt(0.75))
    np.testing.assert_allclose(returns, expected, rtol=1e-9, atol=1e-15)


def test_random_walk_is_a_martingale_in_price():
    returns = log_returns(generate(source("random_walk", volatility=0.02)))
    assert returns.std() == pytest.approx(0.02, rel=0.02)
    # 5 standard errors of a mean of 200,000 returns
    assert np.expm1(returns).mean() == pytest.approx(0, abs=5 * 0.02 / np.sqrt(200_000))
    assert abs(np.corrcoef(returns[1:], returns[:-1])[0, 1]) < 0.01


def test_gbm_drifts_in_simple_returns():
    returns = log_returns(generate(source("gbm", drift=0.0002, volatility=0.01)))
    assert np.expm1(returns).mean() == pytest.approx(0.0002, abs=5 * 0.01 / np.sqrt(200_000))


def test_bars_open_at_the_previous_close_and_enclose_both():
    frame = generate(source("ar1", 500, bar="5min")).frame
    assert (frame["open"].to_numpy()[1:] == frame["close"].to_numpy()[:-1]).all()
    assert (frame["high"] == frame[["open", "close"]].max(axis=1)).all()
    assert (frame["low"] == frame[["open", "close"]].min(axis=1)).all()
    assert (frame["volume"] > 0).all()
    assert str(frame.index[0]) == "2000-01-01 00:00:00+00:00"
    assert (frame.index[1] - frame.index[0]).total_seconds() == 300


def test_one_seed_one_series_and_another_seed_another():
    market = source("ar1", 1000)
    assert generate(market).frame.equals(generate(market).frame)
    longer = generate(market.model_copy(update={"length": 2000}))
    assert np.array_equal(longer.frame["close"][:1000], generate(market).frame["close"])
    other = generate(market.model_copy(update={"seed": market.seed + 1}))
    assert not np.array_equal(other.frame["close"], generate(market).frame["close"])


def test_markets_that_leave_the_range_of_prices_or_dates_are_refused():
    with pytest.raises(TraderError, match="take the price out of"):
        generate(source("random_walk", volatility=0.5))
    with pytest.raises(TraderError, match="beyond the year 9999"):
        generate(source("ar1", 4_000_000, bar="1d"))
