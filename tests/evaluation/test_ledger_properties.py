"""P8: the account is exact, for any path of targets, prices, costs and fills."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.evaluation.decimal_oracle import days, decimal_account, env_of
from trader.evaluation.ledger import Prices, orders_to_targets, run_ledger
from trader.evaluation.trades import ordered_units, ruin_row, trades_of

FILLS = ("next_open", "next_close", "close")
LADDERS = ([0.0, 1.0], [-1.0, 0.0, 1.0], [-1.0, -0.5, 0.0, 0.5, 1.0], [-2.0, 0.0, 3.0])
EXAMPLES = settings(max_examples=120, deadline=None)


@st.composite
def paths(draw, max_bars=14):
    """Return (times, opens, closes, targets): prices of n + 1 bars with gaps of hours to weeks."""
    num_bars = draw(st.integers(1, max_bars))
    moves = st.floats(-0.375, 0.5, width=32)
    closes = 100 * np.cumprod([1 + draw(moves) for _ in range(num_bars + 1)])
    opens = closes * [1 + draw(moves) for _ in range(num_bars + 1)]
    hours = np.cumsum([draw(st.integers(1, 800)) for _ in range(num_bars + 1)])
    times = np.datetime64("2024-01-01", "ns") + hours * np.timedelta64(1, "h")
    ladder = draw(st.sampled_from(LADDERS))
    return times, opens, closes, draw(st.lists(st.sampled_from(ladder), min_size=num_bars, max_size=num_bars))


envs = st.builds(
    env_of,
    fill=st.sampled_from(FILLS),
    fee=st.sampled_from([0.0, 0.001, 0.02]),
    slippage=st.sampled_from([0.0, 10.0, 150.0]),
    spread=st.sampled_from([0.0, 20.0]),
    borrow=st.sampled_from([0.0, 0.02, 0.5]),
)


def play(path, env):
    times, opens, closes, targets = path
    return run_ledger(Prices("x", times, opens, closes), targets, 0, env)


def violations(result, env):
    """Return the names of the identities that the columns break."""
    scale = result.initial_cash + np.max(np.abs(result.units * result.close)) + np.max(np.abs(result.cash))
    change = np.diff(result.units, prepend=0.0)
    before = np.concatenate(([result.initial_cash], result.cash[:-1]))
    bought = change * np.nan_to_num(result.fill_price)
    orders = ordered_units(result)
    reference = np.nan_to_num(result.reference_price)
    moved = np.abs(orders) * reference / 1e4
    fill = reference * (1 + np.sign(orders) * (env.slippage_bps + env.spread_bps / 2) / 1e4)
    gaps = {
        "equity": result.equity - result.cash - result.units * result.close,
        "cash": result.cash - (before - bought - result.fees - result.borrow),
        "fees": result.fees - env.trading_fees * np.abs(orders) * fill,
        "slippage": result.slippage - moved * env.slippage_bps,
        "spread": result.spread - moved * env.spread_bps / 2,
        "trades": sum(trade.net_pnl for trade in trades_of(result)) - (result.equity[-1] - result.initial_cash),
    }
    row = ruin_row(result)
    if row is not None and change[row] == 0 != orders[row]:
        gaps["cash"][row] = 0  # bought and ruined within one bar: no price times zero units can pay for that
    return [name for name, gap in gaps.items() if np.max(np.abs(gap)) > 1e-9 * scale]


@EXAMPLES
@given(paths(), envs)
def test_every_identity_of_the_columns_holds(path, env):
    assert violations(play(path, env), env) == []


@EXAMPLES
@given(paths(), envs)
def test_equity_is_that_of_the_decimal_oracle(path, env):
    times, opens, closes, targets = path
    result = play(path, env)
    years = [(b - a) / np.timedelta64(1, "s") / (365 * 86_400) for a, b in pairwise(times)]
    equity, margin = decimal_account(opens.tolist(), closes.tolist(), years, targets, env)
    assume(margin > 1e-6)  # on the edge of ruin float64 may fall on the other side
    np.testing.assert_allclose(result.equity, equity, rtol=1e-9, atol=1e-9 * env.initial_cash)
    assert result.ruined == (equity[-1] == 0)


@EXAMPLES
@given(paths(), envs)
def test_open_and_closed_trades_sum_to_the_change_of_equity_with_their_prices(path, env):
    result = play(path, env)
    trades = trades_of(result)
    scale = env.initial_cash + sum(trade.units * (trade.entry_price + abs(trade.exit_price)) for trade in trades)
    for trade in trades:
        side = 1 if trade.side == "long" else -1
        by_prices = side * trade.units * (trade.exit_price - trade.entry_price)
        assert by_prices == pytest.approx(trade.gross_pnl - trade.slippage - trade.spread, abs=1e-9 * scale)
    for cost in ("fees", "slippage", "spread", "borrow"):
        paid = sum(getattr(trade, cost) for trade in trades)
        assert paid == pytest.approx(getattr(result, cost).sum(), abs=1e-9 * scale)
    assert all(trade.exit_time is not None for trade in trades[:-1])


@EXAMPLES
@given(paths(), st.sampled_from(FILLS), st.sampled_from([(0.0, 0.001), (0.001, 0.0011), (0.002, 0.03)]))
def test_a_higher_fee_never_raises_equity_while_it_is_positive(path, fill, fees):
    low, high = (play(path, env_of(fill=fill, fee=fee, slippage=5.0, borrow=0.1)) for fee in fees)
    least = 1e-9 * low.initial_cash  # a fall to exactly 0 leaves a rounding error of either sign
    alive = (low.equity > least) & (high.equity > least)
    assert np.all(high.equity[alive] <= low.equity[alive] * (1 + 1e-9))


@EXAMPLES
@given(paths(), envs)
def test_flat_earns_exactly_nothing(path, env):
    times, opens, closes, targets = path
    result = run_ledger(Prices("x", times, opens, closes), [0.0] * len(targets), 0, env)
    assert np.all(result.equity == env.initial_cash)
    assert trades_of(result) == []


@EXAMPLES
@given(paths(), st.sampled_from(FILLS))
def test_an_untouched_long_and_an_untouched_short_earn_opposite_money_at_zero_cost(path, fill):
    times, opens, closes, targets = path
    env = env_of(fill=fill)
    long, short = (run_ledger(Prices("x", times, opens, closes), [e] * len(targets), 0, env) for e in (1.0, -1.0))
    assume(not short.ruined)
    np.testing.assert_allclose(long.equity - 10_000, 10_000 - short.equity, atol=1e-7)


@EXAMPLES
@given(st.floats(1, 1000), st.sampled_from([1.0, -1.0, 0.5, 3.0]), st.sampled_from(FILLS))
def test_a_round_trip_at_equal_prices_costs_nothing_without_costs(price, exposure, fill):
    prices = np.full(4, price)
    result = run_ledger(Prices("x", days(4), prices, prices), [exposure, 0.0, 0.0], 0, env_of(fill=fill))
    assert result.equity[-1] == pytest.approx(10_000, rel=1e-12)
    assert result.units[-1] == 0


@EXAMPLES
@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.sampled_from([ladder for ladder in LADDERS]))
def test_orders_walk_the_rungs_one_by_one_or_are_refused(actions, ladder):
    rung, targets = ladder.index(0), []
    for action in actions:
        rung += action - 1
        if not 0 <= rung < len(ladder):
            with pytest.raises(ValueError, match=f"order {len(targets)} "):
                orders_to_targets(actions, ladder)
            return
        targets.append(ladder[rung])
    assert orders_to_targets(actions, ladder).tolist() == targets


def round_trip():
    env = env_of(fee=0.001, slippage=10.0)
    prices = np.array([99.0, 100.0, 105.0, 106.0])
    return run_ledger(Prices("x", days(4), prices, prices), [1.0, 0.0, 0.0], 0, env), env


def test_the_identities_pass_a_clean_round_trip():
    assert violations(*round_trip()) == []


def test_a_ledger_that_forgets_the_fee_on_the_exit_is_caught():
    result, env = round_trip()
    kept = np.array([0.0, 1.0, 1.0]) * result.fees[1]
    unpaid = replace(result, cash=result.cash + kept, equity=result.equity + kept)
    unlisted = replace(unpaid, fees=result.fees * [1, 0, 1])
    assert violations(unpaid, env) == ["cash", "trades"]
    assert violations(unlisted, env) == ["fees"]


def test_a_ledger_that_fills_at_the_price_before_slippage_is_caught():
    result, env = round_trip()
    assert violations(replace(result, fill_price=result.reference_price), env) == ["cash"]


def test_a_ledger_marked_at_the_open_is_caught():
    result, env = round_trip()
    marked = replace(result, equity=result.cash + result.units * 100.0)
    assert violations(replace(marked, close=result.close + 1), env) == ["equity"]
