"""The environment worked by hand: 10,000 of cash is 1.0 to the environment; equity below is money."""

import numpy as np
import pytest

from tests.envs.worlds import market_env, one_asset, play
from trader.envs import bars
from trader.envs.rewards import MIN_RATIO

CASH, CENT = 10_000.0, 0.02
OPENS = [98.0, 100.0, 105.0, 104.0]
CLOSES = [100.0, 102.0, 104.0, 103.0]
SHORT, FLAT, LONG = 0, 1, 2
SELL, HOLD, BUY = 0, 1, 2


def money(values):
    return (np.asarray(values, float) * CASH).ravel().tolist()


def cents(values):
    return pytest.approx(values, abs=CENT)


@pytest.mark.parametrize(
    ("fill", "units", "equity", "cash"),
    [
        # Buy 100 · 1.001 · 1.001 = 100.2001 a unit: 99.80030 units; at 102: 10,179.63
        # Sell 105 · 0.999 · 0.999 = 104.790105 a unit: 10,458.08
        ("next_open", 99.80030, 10_179.63, 10_458.08),
        # Buy 102 · 1.001 · 1.001 = 102.204102 a unit: 97.84343 units; at 102: 9,980.03
        # Sell 104 · 0.999 · 0.999 = 103.792104 a unit: 10,155.38
        ("next_close", 97.84343, 9_980.03, 10_155.38),
        # Buy at the decision's own close 100: 99.80030 units; at 102: 10,179.63
        # Sell 102 · 0.999 · 0.999 = 101.796102 a unit: 10,159.28
        ("close", 99.80030, 10_179.63, 10_159.28),
    ],
)
def test_a_buy_and_a_sale_with_fee_and_slippage(fill, units, equity, cash):
    env = market_env(fill=fill, trading_fees=0.001, slippage_bps=10.0, reward="pnl")
    path = play(env, *one_asset(OPENS, CLOSES), [LONG, FLAT, FLAT])
    assert money(path.units) == pytest.approx([units, 0, 0], abs=2e-4)
    assert money(path.equity) == cents([equity, cash, cash])
    assert money(path.cash) == cents([0, cash, cash])
    assert money(path.reward) == cents([equity - CASH, cash - equity, 0])
    assert path.rung.ravel().tolist() == [LONG, FLAT, FLAT]
    assert path.truncated.ravel().tolist() == [False, False, True]


def test_half_the_spread_is_paid_on_each_side():
    # Spread 20 bps: buy at 100.10, sell at 105 · 0.999 = 104.895: 10,000 / 100.10 · 104.895 = 10,479.02
    env = market_env(spread_bps=20.0)
    path = play(env, *one_asset(OPENS, CLOSES), [LONG, FLAT])
    assert money(path.equity)[1] == cents(10_479.02)


def test_an_unchanged_target_trades_nothing_and_a_round_trip_without_costs_returns_the_cash():
    # Half of 10,000 at open 50: 100 units; kept at 60 and at 40 although their share drifts; sold at 50: 10,000.
    env = market_env(positions=[0.0, 0.5])
    path = play(env, *one_asset([50.0, 50.0, 50.0, 30.0, 50.0], [50.0, 60.0, 40.0, 45.0, 50.0]), [1, 1, 1, 0])
    assert money(path.units) == pytest.approx([100, 100, 100, 0], abs=1e-3)
    assert money(path.equity) == cents([11_000, 9_000, 9_500, 10_000])


def test_a_flip_pays_costs_on_both_legs():
    # Long at open 100 with fee 1 %: unit 101, units 10,000 / 101 = 99.00990; at close 100: 9,900.99
    # Flip at open 110: equity 10,891.09, fee of a unit 1.10; units −(10,891.09 − 99.00990 · 1.10) / (110 + 1.10)
    #   = −10,782.18 / 111.10 = −97.04931; sold 196.05921 · 110 = 21,566.51, fee 215.67; cash 21,350.85
    #   (equity at 110: 10,675.42, all of it short); at close 108: 21,350.85 − 97.04931 · 108 = 10,869.52
    env = market_env(trading_fees=0.01)
    path = play(env, *one_asset([100.0, 100.0, 110.0], [100.0, 100.0, 108.0]), [LONG, SHORT])
    assert money(path.units) == pytest.approx([99.00990, -97.04931], abs=1e-3)
    assert money(path.cash) == cents([0, 21_350.85])
    assert money(path.equity) == cents([9_900.99, 10_869.52])


def test_a_short_pays_interest_over_the_weekend_before_it_is_covered_on_monday():
    # Decide on Thursday; Friday's open 50, fee 0.1 %: units −10,000 / 50.05 = −199.80020; cash 19,980.02
    #   at close 51: 9,790.21. Monday: 3 days · 0.03 % · 199.80020 · 51 = 9.17; cover at 49 · 1.001 = 49.049 a unit
    #   19,980.02 − 9.17 − 199.80020 · 49.049 = 10,170.85
    env = market_env(trading_fees=0.001, borrow_interest_rate=0.1095)
    path = play(env, *one_asset([50.0, 50.0, 49.0], [50.0, 51.0, 48.0], days=[1, 1, 3]), [SHORT, FLAT])
    assert money(path.equity) == cents([9_790.21, 10_170.85])


def test_with_fill_close_the_weekend_is_owed_on_what_is_held_after_the_trade():
    # Short 200 units at Friday's close 50: 3 days · 0.03 % · 10,000 = 9.00 on Monday; at close 48: 10,391.00
    # Covered at Monday's close 48: nothing is owed on Tuesday.
    env = market_env(fill="close", borrow_interest_rate=0.1095)
    path = play(env, *one_asset([50.0] * 3, [50.0, 48.0, 60.0], days=[1, 3, 1]), [SHORT, FLAT])
    assert money(path.equity) == cents([10_391.00, 10_391.00])


def test_borrowed_cash_costs_interest():
    # Twice long at open 50: 400 units, cash −10,000; two days at 0.03 %: 6.00 the bar after; at close 50: 9,994.00
    env = market_env(positions=[0.0, 2.0], borrow_interest_rate=0.1095)
    path = play(env, *one_asset([50.0] * 3, [50.0] * 3, days=[1, 1, 2]), [1, 1])
    assert money(path.cash) == cents([-10_000, -10_006])
    assert money(path.equity) == cents([10_000, 9_994])


def test_a_short_squeeze_at_the_open_ruins_before_the_close_can_save_it():
    # Short 100 units from 100: cash 20,000. Open 210: equity 20,000 − 21,000 < 0; that the close is 90 helps nobody.
    env = market_env(scale=0.01)
    path = play(env, *one_asset([100.0, 100.0, 210.0, 90.0], [100.0, 100.0, 90.0, 80.0]), [SHORT, SHORT, SHORT])
    assert money(path.equity) == cents([10_000, 0, 0])
    assert path.equity[1, 0] == path.cash[1, 0] == path.units[1, 0] == 0.0
    assert path.terminated.ravel().tolist() == [False, True, True]
    assert path.reward.ravel().tolist() == pytest.approx([0, np.log(0.001) / 0.01, 0])


def test_a_short_squeeze_at_the_close_ruins_and_the_last_bar_is_not_truncated_too():
    # Short 100 units from 100: cash 20,000. Open 150 leaves 5,000; close 201 is 100 more than there is.
    env = market_env(scale=0.5)
    path = play(env, *one_asset([100.0, 100.0, 150.0], [100.0, 100.0, 201.0]), [SHORT, SHORT])
    assert money(path.equity) == cents([10_000, 0])
    assert path.terminated.ravel().tolist() == [False, True]
    assert path.truncated.ravel().tolist() == [False, False]
    assert path.reward[1, 0] == pytest.approx(np.log(MIN_RATIO) / 0.5)


def test_costs_that_exceed_what_is_left_ruin_at_the_fill():
    # Short 3 times at 100, fee 1 %: notional 3 · (10,000 − 1 % of it) = 30,000 / 1.03 = 29,126.21; units −291.26214
    #   cash 10,000 + 29,126.21 − 291.26 = 38,834.95; at close 100: 9,708.74
    # Open 133: equity 38,834.95 − 38,737.86 = 97.09; to cover costs 1 % of 38,737.86 = 387.38: ruin
    env = market_env(positions=[-3.0, 0.0], trading_fees=0.01)
    path = play(env, *one_asset([100.0, 100.0, 133.0], [100.0, 100.0, 100.0]), [0, 1])
    assert money(path.equity) == cents([9_708.74, 0])
    assert path.terminated.ravel().tolist() == [False, True]


def test_a_bankrupt_account_asks_for_positions_and_gets_nothing():
    env = market_env(reward="pnl", turnover_penalty=0.5)
    closes = [100.0, 100.0, 300.0, 300.0, 310.0, 320.0]
    path = play(env, *one_asset(closes, closes), [SHORT, SHORT, LONG, SHORT, LONG])
    assert path.units[1:].tolist() == path.equity[1:].tolist() == [[0.0]] * 4
    assert path.account[2:, 0, 3].tolist() == [-1.0] * 3  # drawdown
    assert path.reward[2:].tolist() == [[0.0]] * 3


@pytest.mark.parametrize("price", [100.0, 1e9])
def test_a_ruin_at_the_fill_of_an_order_counts_no_turnover(price):
    # The order of the bar of ruin is never filled: reward −1 (the cash is gone), no penalty for trading.
    env = market_env(reward="pnl", turnover_penalty=0.5)
    prices = [0.5 * price, 0.5 * price, 1.5 * price]
    path = play(env, *one_asset(prices, prices), [SHORT, LONG])
    assert path.terminated.ravel().tolist() == [False, True]
    assert path.reward[0, 0] == pytest.approx(-0.5)  # opening costs half the equity traded
    assert path.reward[1, 0] == pytest.approx(-1.0)


def test_orders_climb_one_rung_at_a_time_and_the_edges_are_masked():
    env = market_env(actions="orders", positions=[-1.0, -0.5, 0.0, 0.5, 1.0])
    path = play(env, *one_asset([100.0] * 7, [100.0] * 7), [BUY, BUY, HOLD, SELL, SELL, SELL])
    assert path.rung.ravel().tolist() == [3, 4, 4, 3, 2, 1]
    assert money(path.units) == pytest.approx([50, 100, 100, 50, 0, -50], abs=1e-3)
    assert path.mask[0, 0].tolist() == [True, True, True]
    assert path.mask[2, 0].tolist() == [True, True, False]  # on the top rung
    assert path.mask[3, 0].tolist() == [True, True, False]
    assert path.mask[4, 0].tolist() == [True, True, True]


def test_an_order_beyond_the_ladder_holds():
    env = market_env(actions="orders", positions=[0.0, 1.0])
    path = play(env, *one_asset([100.0, 100.0, 50.0], [100.0, 100.0, 50.0]), [BUY, BUY])
    assert path.rung.ravel().tolist() == [1, 1]
    assert money(path.units) == pytest.approx([100, 100], abs=1e-3)


@pytest.mark.parametrize(
    ("kind", "rung", "legal"),
    [
        ("orders", 0, [False, True, True]),
        ("orders", 1, [True, True, True]),
        ("orders", 2, [True, True, False]),
        ("targets", -1, [True, True, True]),
        ("targets", 2, [True, True, True]),
    ],
)
def test_mask_of_each_rung(kind, rung, legal):
    env = market_env(actions=kind)
    assert np.asarray(bars.rung_mask(env.config, np.int32([rung])))[0].tolist() == legal


def test_the_first_target_trades_even_when_it_is_the_highest_and_cash_is_no_rung():
    env = market_env(positions=[0.5, 1.0])
    path = play(env, *one_asset([100.0] * 3, [100.0] * 3), [0, 1])
    assert money(path.units) == pytest.approx([50, 100], abs=1e-3)
