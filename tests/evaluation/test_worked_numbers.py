"""Accounts worked by hand, to the cent: 10,000 of cash, prices chosen so that the steps fit on paper."""

import numpy as np
import pytest

from tests.evaluation.decimal_oracle import days, env_of
from trader.evaluation.ledger import Prices, orders_to_targets, run_ledger
from trader.evaluation.trades import trades_of

CENT = 0.005
OPENS = np.array([98.0, 100.0, 105.0, 104.0])
CLOSES = np.array([100.0, 102.0, 104.0, 103.0])


def cents(values):
    return pytest.approx(values, abs=CENT)


def buy_then_sell(fill):
    """Buy 100 % at decision 0, sell at decision 1; fee 0.1 %, slippage 10 bps."""
    env = env_of(fill=fill, fee=0.001, slippage=10.0)
    return run_ledger(Prices("x", days(4), OPENS, CLOSES), [1.0, 0.0, 0.0], 0, env)


def test_buy_at_open_100_and_sell_at_open_105():
    # Buy: fill 100 · 1.001 = 100.10; one unit all in 100.10 · 1.001 = 100.2001; units 10,000 / 100.2001 = 99.80030
    #   fee 99.80030 · 100.10 · 0.001 = 9.99; slippage 99.80030 · 0.10 = 9.98; cash 0; at 102: 10,179.63
    # Sell: fill 105 · 0.999 = 104.895; proceeds 99.80030 · 104.895 = 10,468.55; fee 10.47; slippage 10.48
    #   cash 10,468.55 - 10.47 = 10,458.08
    result = buy_then_sell("next_open")
    assert result.fill_price[:2].tolist() == cents([100.10, 104.895])
    assert result.units.tolist() == pytest.approx([99.80030, 0, 0], abs=1e-5)
    assert result.fees.tolist() == cents([9.99, 10.47, 0])
    assert result.slippage.tolist() == cents([9.98, 10.48, 0])
    assert result.cash.tolist() == cents([0, 10_458.08, 10_458.08])
    assert result.equity.tolist() == cents([10_179.63, 10_458.08, 10_458.08])


def test_buy_at_next_close_102_and_sell_at_next_close_104():
    # Buy: 102 · 1.001 · 1.001 = 102.204102; units 97.84343; fee 97.84343 · 102.102 · 0.001 = 9.99
    #   slippage 97.84343 · 0.102 = 9.98; marked at 102 at once: 9,980.03
    # Sell: 104 · 0.999 = 103.896; proceeds 10,165.54; fee 10.17; slippage 97.84343 · 0.104 = 10.18; cash 10,155.38
    result = buy_then_sell("next_close")
    assert result.units.tolist() == pytest.approx([97.84343, 0, 0], abs=1e-5)
    assert result.fees.tolist() == cents([9.99, 10.17, 0])
    assert result.slippage.tolist() == cents([9.98, 10.18, 0])
    assert result.equity.tolist() == cents([9_980.03, 10_155.38, 10_155.38])


def test_buy_at_close_100_and_sell_at_close_102():
    # Buy at the close of the decision bar, 100: as above 99.80030 units, fee 9.99, slippage 9.98; at 102: 10,179.63
    # Sell at close 102: fill 101.898; proceeds 99.80030 · 101.898 = 10,169.45; fee 10.17; slippage 10.18
    #   cash 10,169.45 - 10.17 = 10,159.28
    result = buy_then_sell("close")
    assert result.units.tolist() == pytest.approx([99.80030, 0, 0], abs=1e-5)
    assert result.fees.tolist() == cents([9.99, 10.17, 0])
    assert result.slippage.tolist() == cents([9.98, 10.18, 0])
    assert result.equity.tolist() == cents([10_179.63, 10_159.28, 10_159.28])


def test_a_short_pays_interest_over_the_weekend_and_is_covered_on_monday():
    # Thursday 2024-01-04: decide -1. Rate 10.95 % a year = 0.03 % a day. Fee 0.1 %.
    # Friday, open 50: cost of a unit 0.05; units -10,000 / 50.05 = -199.80020; proceeds 9,990.01; fee 9.99
    #   cash 10,000 + 9,990.01 - 9.99 = 19,980.02; at close 51: 19,980.02 - 10,189.81 = 9,790.21; nothing was owed yet
    # Monday: 3 days · 0.03 % · 10,189.81 = 9.17; cover at open 49: 9,790.21; fee 9.79
    #   cash 19,980.02 - 9.17 - 9,790.21 - 9.79 = 10,170.85
    times = np.array(["2024-01-04", "2024-01-05", "2024-01-08"], dtype="datetime64[ns]")
    opens, closes = np.array([50.0, 50.0, 49.0]), np.array([50.0, 51.0, 48.0])
    result = run_ledger(Prices("x", times, opens, closes), [-1.0, 0.0], 0, env_of(fee=0.001, borrow=0.1095))
    assert result.borrow.tolist() == cents([0, 9.17])
    assert result.fees.tolist() == cents([9.99, 9.79])
    assert result.equity.tolist() == cents([9_790.21, 10_170.85])
    (trade,) = trades_of(result)
    assert (trade.side, trade.exit_time, trade.bars_held) == ("short", times[2], 1)
    assert (trade.gross_pnl, trade.borrow, trade.net_pnl) == cents((199.80, 9.17, 170.85))


def test_with_fill_close_the_weekend_is_owed_on_what_is_held_after_the_trade():
    # Short 10,000 / 50 = 200 units at Friday's close 50: 3 days · 0.03 % · 200 · 50 = 9.00 on Monday.
    times = np.array(["2024-01-05", "2024-01-08", "2024-01-09"], dtype="datetime64[ns]")
    prices = np.array([50.0, 50.0, 50.0])
    result = run_ledger(Prices("x", times, prices, prices), [-1.0, 0.0], 0, env_of(fill="close", borrow=0.1095))
    assert result.borrow.tolist() == cents([9.00, 0])
    assert trades_of(result)[0].borrow == cents(9.00)


def test_a_levered_long_pays_interest_on_negative_cash():
    # Exposure 2: 200 units at 100, cash -10,000; a day at 0.03 % = 3.00.
    prices = np.full(4, 100.0)
    result = run_ledger(Prices("x", days(4), prices, prices), [2.0, 2.0, 2.0], 0, env_of(borrow=0.1095))
    assert result.borrow.tolist() == cents([0, 3.00, 3.00])
    assert result.equity[-1] == cents(9_994.00)


def test_a_short_squeeze_ruins_and_closes_at_the_bankruptcy_price():
    # Short 100 units at 100: cash 20,000. Open 250 is past 20,000 / 100 = 200, where equity is exactly 0.
    opens, closes = np.array([100.0, 100.0, 250.0, 90.0, 80.0]), np.array([100.0, 120.0, 240.0, 80.0, 70.0])
    result = run_ledger(Prices("x", days(5), opens, closes), [-1.0, 1.0, 0.0, 1.0], 0, env_of())
    assert result.ruined
    assert result.equity.tolist() == [8_000.0, 0.0, 0.0, 0.0]
    assert result.units.tolist() == [-100.0, 0.0, 0.0, 0.0]
    assert (result.fill_price[1], result.ruin_price) == (200.0, 200.0)
    (trade,) = trades_of(result)
    assert (trade.exit_time, trade.exit_price, trade.net_pnl) == (result.time[1], 200.0, -10_000.0)


@pytest.mark.parametrize(("opened", "closed"), [(210.0, 150.0), (150.0, 210.0), (200.0, 100.0)])
def test_ruin_is_checked_at_the_open_and_at_the_close(opened, closed):
    opens, closes = np.array([100.0, 100.0, opened]), np.array([100.0, 100.0, closed])
    result = run_ledger(Prices("x", days(3), opens, closes), [-1.0, -1.0], 0, env_of())
    assert result.ruined
    assert result.equity.tolist() == [10_000.0, 0.0]


def test_a_position_bought_and_ruined_within_one_bar_is_one_trade():
    # 10 times 10,000 at 100 = 1,000 units, cash -90,000: bankrupt at 90, below which the bar closes.
    opens, closes = np.array([100.0, 100.0, 100.0]), np.array([100.0, 80.0, 100.0])
    result = run_ledger(Prices("x", days(3), opens, closes), [10.0, 1.0], 0, env_of())
    assert result.equity.tolist() == [0.0, 0.0]
    (trade,) = trades_of(result)
    assert (trade.entry_price, trade.exit_price, trade.units, trade.net_pnl) == pytest.approx((100, 90, 1_000, -10_000))
    assert trade.bars_held == 0


def test_costs_that_eat_the_rest_of_equity_ruin_at_the_fill():
    # Long 5 times: 500 units at 100 and cash -40,000. At 80.10 equity is 50; selling 500 units costs 0.1 % of 40,050
    # = 40.05 at fee 0.1 % (no ruin), and 400.50 at fee 1 % (ruin). The position is worth 0 at 40,000 / 500 = 80.
    opens, closes = np.array([100.0, 100.0, 80.10]), np.array([100.0, 100.0, 80.10])
    free = run_ledger(Prices("x", days(3), opens, closes), [5.0, 0.0], 0, env_of())
    assert free.equity[-1] == cents(50.0)
    ruined = run_ledger(Prices("x", days(3), opens, closes), [5.0, 0.0], 0, env_of(fee=0.01))
    assert ruined.ruined
    assert ruined.fees[1] == 0


def test_an_order_above_the_top_rung_is_refused_and_below_it_walks_the_rungs():
    ladder = [-1.0, 0.0, 1.0]
    assert orders_to_targets([2, 1, 0, 0, 2], ladder).tolist() == [1.0, 1.0, 0.0, -1.0, 0.0]
    with pytest.raises(ValueError, match="order 1 must stay within 3 positions; received 2"):
        orders_to_targets([2, 2], ladder)
    with pytest.raises(ValueError, match="order 0 must stay within 2 positions; received 0"):
        orders_to_targets([0], [0.0, 1.0])
    with pytest.raises(ValueError, match=r"order 0 must be 0 \(sell\), 1 \(hold\) or 2 \(buy\); received 3"):
        orders_to_targets([3], ladder)


def test_a_flip_splits_its_costs_by_units():
    # Spread 20 bps = 10 bps a side, fee 0.1 %. Long at open 100: 99.80030 units, fee 9.99, half-spread 9.98.
    # Flip to -1 at open 110: E0 = 99.80030 · 110 = 10,978.03; sell at 109.89; cost of a unit 0.11 + 0.10989 = 0.21989
    #   units = -(10,978.03 - 99.80030 · 0.21989) / (110 + 0.21989) = -10,956.088 / 110.21989 = -99.40209
    #   sold 199.20239: proceeds 21,890.35; fee 21.89; half-spread 21.91; cash 21,868.46
    #   at close 112: 21,868.46 - 11,133.03 = 10,735.43
    # Split, 99.80030 : 99.40209: fee 10.97 + 10.92, half-spread 10.98 + 10.93
    # Long: 10 · 99.80030 = 998.00 gross; 998.00 - (9.99 + 10.97) - (9.98 + 10.98) = 956.09
    # Short: -2 · 99.40209 = -198.80 gross; -198.80 - 10.92 - 10.93 = -220.66
    opens, closes = np.array([100.0, 100.0, 110.0]), np.array([100.0, 104.0, 112.0])
    result = run_ledger(Prices("x", days(3), opens, closes), [1.0, -1.0], 0, env_of(fee=0.001, spread=20.0))
    assert result.units.tolist() == pytest.approx([99.80030, -99.40209], abs=1e-5)
    assert (result.fees[1], result.spread[1], result.cash[1], result.equity[1]) == cents(
        (21.89, 21.91, 21_868.46, 10_735.43)
    )
    long, short = trades_of(result)
    assert (long.side, long.exit_time, long.bars_held) == ("long", result.time[1], 1)
    assert (long.gross_pnl, long.fees, long.spread, long.net_pnl) == cents((998.00, 20.96, 20.96, 956.09))
    assert (long.entry_price, long.exit_price) == cents((100.10, 109.89))
    assert (short.side, short.exit_time, short.bars_held) == ("short", None, 1)
    assert (short.gross_pnl, short.fees, short.spread, short.net_pnl) == cents((-198.80, 10.92, 10.93, -220.66))
    assert (short.entry_price, short.exit_price) == cents((109.89, 112.00))


def test_a_partial_reduction_realises_at_average_cost_within_one_trade():
    # 100 units at 100, up to 110: E = 11,000, target 0.5 keeps 50 units (5,500 / 110); out at 120.
    # Entry 100.00 for 100 units; exits 50 at 110 and 50 at 120 = 115.00 on average; P&L 1,500.
    prices = np.array([100.0, 100.0, 110.0, 120.0])
    result = run_ledger(Prices("x", days(4), prices, prices), [1.0, 0.5, 0.0], 0, env_of())
    (trade,) = trades_of(result)
    assert (trade.units, trade.entry_price, trade.exit_price) == pytest.approx((100, 100, 115))
    assert (trade.net_pnl, trade.bars_held) == (pytest.approx(1_500), 2)


def test_adding_to_a_position_averages_its_entry():
    # 50 units at 100 (cash 5,000); at 125 E = 11,250, target 1 = 90 units: 40 more at 125.
    # Entry (5,000 + 5,000) / 90 = 111.11; marked at 130: 11,700 - 10,000 = 1,700.
    prices = np.array([100.0, 100.0, 125.0, 130.0])
    result = run_ledger(Prices("x", days(4), prices, prices), [0.5, 1.0, 1.0], 0, env_of())
    (trade,) = trades_of(result)
    assert (trade.units, trade.entry_price, trade.exit_price) == pytest.approx((90, 111.1111, 130), abs=1e-4)
    assert (trade.exit_time, trade.net_pnl, trade.bars_held) == (None, pytest.approx(1_700), 3)


def test_nothing_asked_and_nothing_new_asked_trade_nothing():
    prices = np.array([100.0, 100.0, 110.0, 121.0, 133.1])
    result = run_ledger(Prices("x", days(5), prices, prices), [None, 0.5, 0.5, float("nan")], 0, env_of())
    assert result.units.tolist() == pytest.approx([0, 5_000 / 110, 5_000 / 110, 5_000 / 110])
    assert np.isnan(result.fill_price).tolist() == [True, False, True, True]
    assert np.isnan(result.target).tolist() == [True, False, False, True]


def test_rows_are_those_after_the_decisions():
    result = run_ledger(Prices("x", days(6), CLOSES.repeat(2)[:6], CLOSES.repeat(2)[:6]), [0.0, 0.0], 3, env_of())
    assert (result.time == days(6)[4:6]).all()
    with pytest.raises(ValueError, match="3 decisions from row 3 must leave one of 6 rows after the last"):
        run_ledger(Prices("x", days(6), np.ones(6), np.ones(6)), [0.0] * 3, 3, env_of())


def test_bars_beyond_the_reach_of_nanoseconds_pay_the_interest_of_their_dates():
    far = np.datetime64("2300-01-01", "us") + np.arange(6) * np.timedelta64(1, "D")
    prices = CLOSES.repeat(2)[:6]
    near, late = (run_ledger(Prices("x", time, prices, prices), [-1.0, -1.0], 3, env_of()) for time in (days(6), far))
    assert late.borrow.tolist() == near.borrow.tolist()
    assert str(late.time[0]).startswith("2300-01-05")
