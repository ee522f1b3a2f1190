"""P8 and P9 in the environment: identities, ordered costs, flat, buy and hold."""

from itertools import pairwise

import numpy as np
import pytest

from tests.envs.worlds import market_env, one_asset, play, random_asset, world

FILLS = ("next_open", "next_close", "close")
NUM_STEPS = 40


@pytest.fixture(scope="module")
def paths():
    generator = np.random.default_rng(5)
    market, segment = world([random_asset(generator, NUM_STEPS + 1, volatility=0.02)])
    return market, segment, generator.integers(0, 3, (NUM_STEPS, 8))


def played(paths, **settings):
    market, segment, actions = paths
    return play(market_env(**settings), market, segment, actions)


@pytest.mark.parametrize("fill", FILLS)
def test_equity_is_cash_plus_units_at_the_close(paths, fill):
    path = played(paths, fill=fill, trading_fees=0.001, borrow_interest_rate=0.05)
    closes = paths[0].close[0, 1 : NUM_STEPS + 1, None]
    assert path.equity.ravel() == pytest.approx((path.cash + path.units * closes).ravel(), rel=1e-5)


def test_a_higher_fee_never_raises_equity(paths):
    equities = [played(paths, trading_fees=fee).equity for fee in (0.0, 0.001, 0.005)]
    assert (equities[0] > 0).all()
    for lower, higher in pairwise(equities):
        assert (higher <= lower * (1 + 1e-5)).all()


def test_flat_earns_exactly_nothing_whatever_the_costs(paths):
    market, segment, actions = paths
    costs = {"trading_fees": 0.01, "slippage_bps": 50.0, "borrow_interest_rate": 0.5}
    path = played((market, segment, np.ones_like(actions)), **costs)
    assert (path.equity == 1.0).all()
    assert (path.reward == 0.0).all()


@pytest.mark.parametrize("fill", FILLS)
def test_an_untouched_long_and_an_untouched_short_earn_opposite_money(paths, fill):
    market, segment, _ = paths
    path = played((market, segment, np.tile([2, 0], (20, 1))), fill=fill)
    assert (path.equity[:, 0] - 1.0) == pytest.approx(-(path.equity[:, 1] - 1.0), abs=1e-5)
    assert np.abs(path.equity - 1.0).max() > 0.01


@pytest.mark.parametrize("fill", FILLS)
def test_buy_and_hold_is_its_closed_form(paths, fill):
    market, segment, actions = paths
    fee, moved = 0.002, 0.0005 + 0.0005
    path = played(
        (market, segment, np.full_like(actions, 2)), fill=fill, trading_fees=fee, slippage_bps=5.0, spread_bps=10.0
    )
    bought = {"next_open": market.open[0, 1], "next_close": market.close[0, 1], "close": market.close[0, 0]}[fill]
    expected = market.close[0, 1 : NUM_STEPS + 1].astype(float) / (bought * (1 + moved) * (1 + fee))
    assert path.equity[:, 0] == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("exposure", [0.3, 0.7, 1.0])
def test_cash_never_turns_negative_between_flat_and_fully_invested(paths, fill, exposure):
    path = played(paths, fill=fill, positions=[0.0, exposure / 2, exposure], trading_fees=0.05, slippage_bps=300.0)
    assert path.cash.min() >= 0.0


def test_a_full_position_leaves_no_crumb_of_cash():
    # A rounding error of 1e-7 left in cash would be 1 % of equity once the price has fallen to a hundred-thousandth.
    generator = np.random.default_rng(4)
    market, segment = world([random_asset(generator, 30, volatility=0.3)])
    path = play(
        market_env(positions=[0.0, 1.0], trading_fees=0.0031, slippage_bps=7.0), market, segment, np.arange(29) % 2
    )
    assert (path.cash[1::2] == 0.0).all()
    assert (path.units[::2] == 0.0).all()


def test_the_target_is_met_after_the_costs_of_the_trade():
    # u · p = e · (equity after costs), both sides of zero, next_close: seen at the very price of the fill.
    env = market_env(fill="next_close", positions=[-1.0, -0.5, 0.5, 1.0], trading_fees=0.03, slippage_bps=100.0)
    closes = [100.0, 90.0, 120.0, 105.0, 99.0]
    path = play(env, *one_asset(closes, closes), [3, 0, 2, 1])
    exposure = path.units[:, 0] * np.asarray(closes[1:]) / path.equity[:, 0]
    assert exposure.tolist() == pytest.approx([1.0, -1.0, 0.5, -0.5], abs=1e-6)
