"""What the agent sees: the rows up to t, its account at close t, and nothing of row t + 1 (P2)."""

import numpy as np
import pytest

from tests.envs.worlds import legal_orders, market_env, one_asset, play, random_asset, world
from trader.envs import bars

ROWS, WINDOW, CUT = 30, 4, 20
LONG, SHORT, FLAT = 2, 0, 1


def numbered(assets, num_features=2):
    """Return features that name their own place: 1000 · asset + row + 0.1 · feature."""
    longest = max(len(asset[1]) for asset in assets)
    place = np.arange(longest)[None, :, None] + 1000 * np.arange(len(assets))[:, None, None]
    return place + 0.1 * np.arange(num_features)


def test_the_window_is_the_last_w_rows_of_the_own_asset_and_ends_with_the_decision():
    generator = np.random.default_rng(1)
    assets = [random_asset(generator, n) for n in (12, 9, 15)]
    market, segment = world(assets, features=numbered(assets), first=[5, 3, 8])
    path = play(market_env(window_size=WINDOW), market, segment, np.ones((2, 4), int), asset=[2, 0, 1, 2])
    for step in range(2):
        for n, (asset, first) in enumerate([(2, 8), (0, 5), (1, 3), (2, 8)]):
            rows = 1000 * asset + np.arange(first + step - WINDOW + 1, first + step + 1)
            expected = rows[:, None] + np.asarray([0.0, 0.1])
            assert path.window[step, n] == pytest.approx(expected, abs=1e-3)
            assert path.t[step, n] == first + step


def test_account_features_by_hand():
    # Short 100 % at open 100 → units −1, cash 2. Close 90: equity 1.1, exposure −0.9/1.1; return since entry +10 %.
    # Close 105: equity 0.95, peak 1.1. Two bars after the trade: age 2/22.
    prices = [100.0, 100.0, 90.0, 105.0, 105.0]
    path = play(market_env(), *one_asset([100.0, 100.0, 95.0, 95.0, 95.0], prices), [SHORT, SHORT, SHORT, FLAT])
    exposure, since_entry, age, drawdown = (path.account[:, 0, i].tolist() for i in range(4))
    assert exposure == pytest.approx([0.0, -1.0, -0.9 / 1.1, -1.05 / 0.95], abs=1e-6)
    assert since_entry == pytest.approx([0.0, 0.0, 5 * 0.1, 5 * -0.05], abs=1e-6)
    assert age == pytest.approx([0.0, 0.0, 1 / 21, 2 / 22])
    assert drawdown == pytest.approx([0.0, 0.0, 0.0, 0.95 / 1.1 - 1], abs=1e-6)


def test_the_entry_price_includes_costs_and_is_an_average():
    # Half bought at 100 · 1.01 = 101, doubled at 110 · 1.01 = 111.1: the average lies in between, weighted by units.
    env = market_env(positions=[0.0, 0.5, 1.0], trading_fees=0.01)
    closes = [100.0, 100.0, 110.0, 120.0, 120.0]
    path = play(env, *one_asset(closes, closes), [1, 2, 2, 0])
    first, both = path.units[0, 0], path.units[1, 0]
    basis = (first * 101.0 + (both - first) * 111.1) / both
    assert path.account[:, 0, 1].tolist() == pytest.approx(
        [0, 5 * (100 / 101 - 1), 5 * (110 / basis - 1), 5 * (120 / basis - 1)], abs=1e-5
    )


def test_account_features_are_clipped():
    # Ten times long from 100; at 91 equity is 0.1 of it: exposure 91; at 300 the return since entry is 200 %.
    env = market_env(positions=[0.0, 10.0])
    path = play(env, *one_asset([100.0] * 4, [100.0, 100.0, 91.0, 300.0]), [1, 1, 1])
    assert path.account[:, 0, 0].tolist() == pytest.approx([0.0, 5.0, 5.0])
    rich = play(env, *one_asset([100.0] * 3, [100.0, 300.0, 300.0]), [1, 1])
    assert rich.account[1, 0, 1] == 5.0


def test_nothing_seen_depends_on_the_initial_cash():
    generator = np.random.default_rng(2)
    market, segment = world([random_asset(generator, 12)])
    actions = generator.integers(0, 3, (11, 2))
    paths = [play(market_env(initial_cash=cash), market, segment, actions) for cash in (1.0, 1e9)]
    assert all((a == b).all() for a, b in zip(*paths, strict=True))


def with_another_future(market, generator):
    """Return the market with everything after row CUT replaced: bars, features, calendar."""

    def replaced(values):
        values = values.copy()
        values[:, CUT + 1 :] *= generator.uniform(0.8, 1.25, values[:, CUT + 1 :].shape).astype(np.float32)
        return values

    return type(market)(*map(replaced, market))


def leaks(env):
    """Return what a decision up to CUT, or a reward paid by then, reads of later rows."""
    generator = np.random.default_rng(3)
    market, segment = world([random_asset(generator, ROWS)], first=[WINDOW], last=[ROWS - 4])
    actions = generator.integers(0, len(env.config.positions), (ROWS - 3 - WINDOW, 3))
    if env.config.actions == "orders":
        actions = legal_orders(generator, len(actions), 3, 3, 1)
    one, other = (play(env, m, segment, actions) for m in (market, with_another_future(market, generator)))
    assert (one.equity[-1] != other.equity[-1]).any()
    decisions, paid = CUT - WINDOW + 1, CUT - WINDOW
    ends = dict.fromkeys(one._fields, paid) | dict.fromkeys(("window", "account", "mask", "t"), decisions)
    return [name for name, end in ends.items() if (getattr(one, name)[:end] != getattr(other, name)[:end]).any()]


COSTS = {"window_size": WINDOW, "trading_fees": 0.001, "slippage_bps": 5.0, "borrow_interest_rate": 0.1}


@pytest.mark.parametrize(
    "settings",
    [
        {"fill": "next_open"},
        {"fill": "next_close", "reward": "differential_sharpe"},
        {"fill": "close", "reward": "realized_pnl"},
        {"actions": "orders", "drawdown_penalty": {}, "turnover_penalty": 0.1},
    ],
    ids=str,
)
def test_observations_and_rewards_do_not_depend_on_what_comes_later(settings):
    assert leaks(market_env(**COSTS, **settings)) == []


def test_a_window_one_row_ahead_is_caught(monkeypatch):
    right = bars.windows
    monkeypatch.setattr(bars, "windows", lambda env, market, asset, t: right(env, market, asset, t + 1))
    assert leaks(market_env(**COSTS)) == ["window"]


def test_an_account_marked_one_row_ahead_is_caught(monkeypatch):
    right = bars.account_features
    monkeypatch.setattr(bars, "account_features", lambda market, state: right(market, state._replace(t=state.t + 1)))
    assert leaks(market_env(**COSTS)) == ["account"]


def test_a_fill_one_row_too_late_is_caught(monkeypatch):
    right = bars.at
    monkeypatch.setattr(bars, "at", lambda prices, asset, t: right(prices, asset, t + 1))
    assert {"account", "reward", "equity"} <= set(leaks(market_env(**COSTS)))
