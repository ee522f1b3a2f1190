"""Every reward against a plain NumPy loop over the equity path, and the sums they must telescope to."""

import numpy as np
import pytest

from tests.envs.worlds import market_env, one_asset, play, random_asset, world
from trader.envs import bars

COSTS = {"trading_fees": 0.002, "slippage_bps": 5.0, "spread_bps": 10.0, "borrow_interest_rate": 0.3}
LADDER = [-1.0, -0.5, 0.0, 1.0, 2.0]
NUM_STEPS = 40


@pytest.fixture(scope="module")
def paths():
    """Return (market, segment, actions): random targets on a random path; the last two decisions are flat."""
    generator = np.random.default_rng(11)
    market, segment = world([random_asset(generator, NUM_STEPS + 1)])
    actions = generator.integers(0, len(LADDER), (NUM_STEPS, 3))
    for t in range(1, NUM_STEPS):
        actions[t] = np.where(generator.random(3) < 0.4, actions[t], actions[t - 1])
    actions[-2:] = LADDER.index(0.0)
    return market, segment, actions


def played(paths, scale=1.0, **settings):
    env = market_env(scale, positions=LADDER, **{**COSTS, **settings})
    market, segment, actions = paths
    return play(env, market, segment, actions)


def returns_of(path):
    equity = np.concatenate([np.ones((1, 3)), path.equity.astype(float)])
    return equity[:-1], equity[1:]


def near(values):
    return pytest.approx(values, rel=1e-4, abs=2e-5)


def test_log_return(paths):
    path = played(paths)
    before, after = returns_of(path)
    assert path.reward.ravel() == near(np.log(after / before).ravel())


def test_pnl_sums_to_the_change_of_equity(paths):
    path = played(paths, reward="pnl")
    before, after = returns_of(path)
    assert path.reward.ravel() == near((after - before).ravel())
    assert path.reward.sum(axis=0) == near(path.equity[-1] - 1.0)


@pytest.mark.parametrize("fill", ["next_open", "next_close", "close"])
def test_realized_pnl_sums_to_final_less_initial_when_flat_at_the_end(paths, fill):
    path = played(paths, reward="realized_pnl", fill=fill)
    assert not path.units[-1].any()
    assert path.reward.sum(axis=0) == near(path.equity[-1] - 1.0)


def test_realized_pnl_against_an_average_cost_book(paths):
    path = played(paths, reward="realized_pnl", borrow_interest_rate=0.0)
    units, cash = (
        np.concatenate([np.zeros(3)[None] + x, y.astype(float)]) for x, y in ((0, path.units), (1, path.cash))
    )
    for n in range(3):
        basis = 0.0
        for t in range(NUM_STEPS):
            old, new = units[t, n], units[t + 1, n]
            price = (cash[t, n] - cash[t + 1, n]) / (new - old) if new != old else np.nan
            kept = min(abs(old), abs(new)) if old * new > 0 else 0.0
            expected = (abs(old) - kept) * np.sign(old) * (price - basis) if abs(old) > kept else 0.0
            opened = abs(new) - kept
            basis = (kept * basis + (opened * price if opened else 0.0)) / abs(new) if new else 0.0
            assert path.reward[t, n] == pytest.approx(expected, abs=1e-4)


def test_realized_pnl_pays_nothing_while_a_gain_is_only_on_paper():
    # Bought at 100, worth 110 and 120, half sold at 120: half of the gain of 20 % is paid.
    env = market_env(reward="realized_pnl", positions=[0.0, 0.5, 1.0])
    prices = [100.0, 100.0, 110.0, 120.0]
    path = play(env, *one_asset(prices, prices), [2, 2, 1])
    assert path.reward.ravel().tolist() == pytest.approx([0.0, 0.0, 0.1], abs=1e-6)


@pytest.mark.parametrize("fill", ["next_open", "next_close", "close"])
def test_ruin_realises_the_loss_of_everything(fill):
    env = market_env(reward="realized_pnl", fill=fill, trading_fees=0.01, borrow_interest_rate=0.5)
    path = play(env, *one_asset([100.0, 100.0, 210.0, 1.0], [100.0, 100.0, 250.0, 1.0]), [0, 0, 2])
    assert path.terminated[:2].ravel().tolist() == [False, True]
    assert path.reward.sum() == pytest.approx(-1.0, abs=1e-5)


def test_differential_sharpe_is_moody_and_saffells(paths):
    scale, rate = 0.02, 0.05
    path = played(paths, scale, reward="differential_sharpe", differential_sharpe_rate=rate)
    before, after = returns_of(path)
    for n in range(3):
        first, second = 0.0, scale**2
        for t in range(NUM_STEPS):
            simple = after[t, n] / before[t, n] - 1
            change_first, change_second = simple - first, simple**2 - second
            expected = (second * change_first - first * change_second / 2) / (second - first**2) ** 1.5
            first, second = first + rate * change_first, second + rate * change_second
            assert path.reward[t, n] == pytest.approx(expected, rel=2e-3, abs=2e-3)


def test_differential_sharpe_starts_anew_in_a_new_episode():
    env = market_env(0.01, reward="differential_sharpe", max_episode_duration=2)
    state = bars.begin(env, np.int32([0]), np.int32([0]))
    assert np.asarray(state.moments.first).tolist() == [0.0]
    assert np.asarray(state.moments.second).tolist() == pytest.approx([1e-4])


def test_drawdown_penalty_bites_beyond_its_threshold_only(paths):
    penalty = {"threshold": 0.1, "weight": 0.7}
    path, free = played(paths, drawdown_penalty=penalty), played(paths)
    equity = np.concatenate([np.ones((1, 3)), path.equity.astype(float)])
    drawdown = equity / np.maximum.accumulate(equity) - 1
    expected = 0.7 * np.maximum(-drawdown[1:] - 0.1, 0)
    assert (expected > 0).any()
    assert (expected == 0).any()
    assert (free.reward - path.reward).ravel() == near(expected.ravel())


def test_drawdown_penalty_of_the_classic_quarter_by_hand():
    # Long from 100; at 70 the drawdown is 30 %, 5 % beyond the quarter: 0.1 · 0.05 = 0.005 less.
    env = market_env(reward="pnl", drawdown_penalty={})
    path = play(env, *one_asset([100.0] * 3, [100.0, 100.0, 70.0]), [2, 2])
    assert path.reward.ravel().tolist() == pytest.approx([0.0, -0.3 - 0.005], abs=1e-6)


def test_turnover_penalty_counts_traded_notional_per_equity():
    # Buy 100 % (turnover 1), flip to −100 % without costs (turnover 2), stay (0): 0.01 each.
    env = market_env(reward="pnl", turnover_penalty=0.01)
    path = play(env, *one_asset([100.0] * 4, [100.0] * 4), [2, 0, 0])
    assert path.reward.ravel().tolist() == pytest.approx([-0.01, -0.02, 0.0], abs=1e-6)


@pytest.mark.parametrize("kind", ["log_return", "pnl", "realized_pnl"])
def test_the_reward_is_divided_by_its_scale_penalties_included(paths, kind):
    penalties = {"drawdown_penalty": {"threshold": 0.05, "weight": 0.2}, "turnover_penalty": 0.01}
    raw, scaled = played(paths, reward=kind, **penalties), played(paths, 0.02, reward=kind, **penalties)
    assert scaled.reward.ravel() == pytest.approx((raw.reward / 0.02).ravel(), rel=1e-3, abs=1e-3)
    assert (scaled.equity == raw.equity).all()


def test_the_log_reward_is_floored_at_a_thousandth_also_without_ruin():
    # Long at 100, then a price of 0.05: log(0.0005) is floored at log(0.001).
    env = market_env()
    path = play(env, *one_asset([100.0] * 3, [100.0, 100.0, 0.05]), [2, 2])
    assert path.reward[1, 0] == pytest.approx(np.log(0.001))
    assert not path.terminated.any()
