"""The oracle against brute force, closed forms, a finer grid, and the rules it must beat."""

import itertools

import numpy as np
import pytest

from trader.baselines.oracle import TOLERANCE, Law, law_of, oracle_targets, relative_value_iteration, solve
from trader.baselines.rules import BASELINES
from trader.config import EnvConfig
from trader.config.data import Ar1Market, GbmMarket, RandomWalkMarket, SyntheticSource
from trader.data.synthetic import generate
from trader.evaluation.ledger import Prices, run_ledger

HOUR = 1 / 8760
AR1 = Law(mean=0.0, deviation=0.01, autocorrelation=0.3, years_per_bar=HOUR)
WALK = Law(mean=-0.5e-4, deviation=0.01, autocorrelation=0.0, years_per_bar=HOUR)


def env_of(**changes) -> EnvConfig:
    return EnvConfig(**({"slippage_bps": 0.0, "borrow_interest_rate": 0.0, "trading_fees": 0.001} | changes))


def average_pay(transition, pay, policy) -> float:
    """Long-run pay of a fixed policy `[K, R]` from its best start: limit of the chain on (signal, rung)."""
    num_signals, num_rungs = policy.shape
    chain = np.zeros((num_signals, num_rungs, num_signals, num_rungs))
    reward = np.zeros((num_signals, num_rungs))
    for k, r in np.ndindex(policy.shape):
        chain[k, r, :, policy[k, r]] = transition[k]
        reward[k, r] = pay[k, r, policy[k, r]]
    size = num_signals * num_rungs
    # Squaring the chain that rests half of the time reaches its limit, periodic or not.
    lazy = 0.5 * (np.eye(size) + chain.reshape(size, size))
    for _ in range(40):
        lazy = lazy @ lazy
        lazy /= lazy.sum(axis=1, keepdims=True)
    return float((lazy @ reward.ravel()).max())


def best_by_brute_force(transition, pay) -> float:
    num_signals, num_rungs, _ = pay.shape
    allowed = [np.flatnonzero(np.isfinite(pay[k, r])) for k, r in np.ndindex(num_signals, num_rungs)]
    paths = (np.reshape(choice, (num_signals, num_rungs)) for choice in itertools.product(*allowed))
    return max(average_pay(transition, pay, policy) for policy in paths)


@pytest.mark.parametrize(("num_signals", "num_rungs"), [(2, 2), (3, 2), (2, 3)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_of_all_policies_is_found(num_signals, num_rungs, seed):
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.ones(num_signals), num_signals)
    held, cost = rng.normal(size=(num_signals, 1, num_rungs)), rng.random()
    pay = held - cost * np.abs(np.subtract.outer(np.arange(num_rungs), np.arange(num_rungs)))[None]
    policy, income = relative_value_iteration(transition, pay)
    best = best_by_brute_force(transition, pay)
    assert income == pytest.approx(best, abs=TOLERANCE)
    assert average_pay(transition, pay, policy) == pytest.approx(best, abs=TOLERANCE)


def test_the_best_of_all_orders_is_found():
    """Two signals, three rungs, one rung at a time."""
    transition = np.array([[0.9, 0.1], [0.3, 0.7]])
    pay = np.array([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]])[:, None, :] - np.zeros((2, 3, 3))
    pay[:, [0, 2], [2, 0]] = -np.inf
    _, income = relative_value_iteration(transition, pay)
    assert income == pytest.approx(best_by_brute_force(transition, pay), abs=TOLERANCE)
    free = np.where(np.isfinite(pay), pay, pay[:, [1], :])
    assert relative_value_iteration(transition, free)[1] == pytest.approx(1.0)


def test_a_chain_that_alternates_is_solved():
    """Planted trap: plain value iteration oscillates for ever on a periodic chain."""
    transition, pay = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 3.0])[:, None, None] * np.ones((2, 1, 1))
    assert relative_value_iteration(transition, pay)[1] == pytest.approx(2.0)


@pytest.mark.parametrize("fees", [0.0, 0.001, 0.003])
@pytest.mark.parametrize("actions", ["targets", "orders"])
@pytest.mark.parametrize("fill", ["next_open", "next_close", "close"])
def test_a_grid_twice_as_fine_changes_the_income_by_less_than_half_a_percent(fees, actions, fill):
    env = env_of(trading_fees=fees, actions=actions, fill=fill, slippage_bps=1.0, borrow_interest_rate=0.02)
    coarse, fine = (solve(AR1, env, num_points).income for num_points in (401, 801))
    assert abs(coarse - fine) < max(0.005 * fine, TOLERANCE)


def test_a_random_walk_with_fees_is_never_traded():
    env = env_of()
    oracle = solve(WALK, env)
    assert oracle.income == pytest.approx(0.0, abs=TOLERANCE)
    closes = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).standard_normal(2_000)))
    assert set(oracle_targets(oracle, env, closes, 1, 1_998)) == {0.0}


def test_free_trading_earns_the_expected_size_of_the_forecast():
    """E|φx| = φσ√(2/π); a short position loses the convexity of exp, σ² in half of the bars."""
    first_order = 0.3 * 0.01 * np.sqrt(2 / np.pi)
    income = solve(AR1, env_of(trading_fees=0.0)).income
    assert income == pytest.approx(first_order, rel=0.03)
    assert income == pytest.approx(first_order - 0.5 * 0.01**2, rel=0.002)


def test_a_fill_one_bar_later_earns_the_forecast_of_two_bars():
    income = solve(AR1, env_of(trading_fees=0.0, fill="next_close")).income
    assert income == pytest.approx(0.3**2 * 0.01 * np.sqrt(2 / np.pi) - 0.5 * 0.01**2, rel=0.01)


def test_income_falls_with_every_cost_and_orders_never_beat_targets():
    incomes = [solve(AR1, env_of(trading_fees=fee)).income for fee in (0.0, 0.0005, 0.001, 0.002)]
    assert incomes == sorted(incomes, reverse=True)
    base = solve(AR1, env_of()).income
    for dearer in ({"slippage_bps": 5.0}, {"spread_bps": 5.0}, {"borrow_interest_rate": 0.5}, {"actions": "orders"}):
        assert solve(AR1, env_of(**dearer)).income < base


def test_costs_that_hardly_let_one_trade_leave_next_to_nothing():
    """It once took half a minute to learn that this earns a hundred-millionth a bar."""
    assert 0 <= solve(AR1, env_of(trading_fees=0.005, fill="next_close")).income < 1e-7


def test_the_laws_of_synthetic_markets():
    assert law_of(Ar1Market(kind="ar1", autocorrelation=0.3, volatility=0.01), HOUR) == AR1
    assert law_of(RandomWalkMarket(kind="random_walk", volatility=0.01), HOUR) == pytest.approx(WALK)
    drifting = law_of(GbmMarket(kind="gbm", drift=0.001, volatility=0.01), HOUR)
    assert drifting == pytest.approx(Law(np.log(1.001) - 0.5e-4, 0.01, 0.0, HOUR))


@pytest.fixture(scope="module")
def prices():
    market = {"kind": "ar1", "autocorrelation": 0.3, "volatility": 0.01}
    source = {"source": "synthetic", "market": market, "length": 12_000, "bar": "1h", "seed": 5}
    frame = generate(SyntheticSource.model_validate(source)).frame
    return (
        frame.index.tz_localize(None).to_numpy().astype("datetime64[ns]"),
        frame["open"].to_numpy(),
        frame["close"].to_numpy(),
    )


@pytest.mark.parametrize("actions", ["targets", "orders"])
def test_targets_follow_the_policy_at_the_nearest_signal(prices, actions):
    env = env_of(actions=actions)
    closes, oracle, expected = prices[2], solve(AR1, env_of(actions=actions)), []
    rung = 1
    for t in range(300, 500):
        signal = np.log(closes[t] / closes[t - 1])
        rung = int(oracle.policy[np.abs(oracle.signals - signal).argmin(), rung])
        expected.append(env.positions[rung])
    assert oracle_targets(oracle, env, closes, 300, 499).tolist() == expected
    assert set(expected) == {-1.0, 0.0, 1.0}
    if actions == "orders":
        assert np.abs(np.diff(expected)).max() == 1


def test_targets_are_causal(prices):
    env, closes, oracle = env_of(), prices[2], solve(AR1, env_of())
    whole = oracle_targets(oracle, env, closes, 10, 2_000)
    for cut in (10, 57, 900):
        changed = closes.copy()
        changed[cut + 1 :] = 100 * np.exp(np.random.default_rng(cut).standard_normal(len(closes) - cut - 1))
        known = cut - 10 + 1
        np.testing.assert_array_equal(oracle_targets(oracle, env, changed, 10, 2_000)[:known], whole[:known])
        assert (oracle_targets(oracle, env, changed, 10, 2_000) != whole).any()


def income_of(prices, targets, env) -> float:
    stamps, opens, closes = prices
    result = run_ledger(Prices("ar1", stamps, opens, closes), targets, 260, env)
    return float(np.log(result.equity[-1] / result.initial_cash)) / len(targets)


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
def test_the_oracle_beats_every_rule_and_earns_what_it_expects(prices, fill):
    env, last = env_of(fill=fill), len(prices[2]) - 2
    oracle = solve(AR1, env)
    earned = income_of(prices, oracle_targets(oracle, env, prices[2], 260, last), env)
    for rule in BASELINES.values():
        assert earned > income_of(prices, rule(prices[2], 260, last, env.positions), env)
    # Four standard errors of the mean of 11,739 bars of 1 %.
    assert abs(earned - oracle.income) < 4 * 0.01 / np.sqrt(last - 259)
