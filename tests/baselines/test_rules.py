"""Rule baselines against closed forms and plain loops."""

import numpy as np
import pytest

from tests.evaluation.decimal_oracle import days, env_of
from trader.baselines.rules import BASELINES, buy_and_hold, flat, momentum, random_targets, sma_crossover
from trader.evaluation.ledger import Prices, run_ledger

LADDER = [-1.0, 0.0, 1.0]


def walk(num_bars, seed=0):
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, num_bars)))


FIRST = 20


def equity_and_closed_form(fill, targets, **costs):
    """Return the ledger's equity from row 21 on and that of a purchase of everything at once, all costs paid.

    All money is paid once at p · (1 + s) · (1 + fee): equity(t) = cash · close(t) / that.
    """
    opens, closes = walk(300, 1), walk(300, 2)
    env = env_of(fill=fill, **{"fee": 0.001, "slippage": 7.0, "spread": 6.0, "borrow": 0.05, **costs})
    result = run_ledger(Prices("x", days(300), opens, closes), targets, FIRST, env)
    price = {"next_open": opens[FIRST + 1], "next_close": closes[FIRST + 1], "close": closes[FIRST]}[fill]
    return result.equity, 10_000 * closes[FIRST + 1 :] / (price * (1 + 0.0007 + 0.0003) * 1.001)


@pytest.mark.parametrize("fill", ["next_open", "next_close", "close"])
def test_buy_and_hold_equals_its_closed_form(fill):
    equity, expected = equity_and_closed_form(fill, buy_and_hold(walk(300, 2), FIRST, 298, [-1.0, 0.0]))
    np.testing.assert_allclose(equity, expected, rtol=1e-12)


@pytest.mark.parametrize("fill", ["next_open", "next_close", "close"])
def test_a_buy_and_hold_that_begins_a_bar_late_or_spares_a_cost_is_caught(fill):
    held = buy_and_hold(walk(300, 2), FIRST, 298, [-1.0, 0.0])
    late = np.concatenate([[0.0], held[1:]])
    for targets, costs in ((late, {}), (held, {"fee": 0.0}), (held, {"slippage": 0.0}), (held, {"spread": 0.0})):
        equity, expected = equity_and_closed_form(fill, targets, **costs)
        assert not np.allclose(equity, expected, rtol=1e-6)


def test_flat_is_cash():
    assert flat(walk(10), 2, 8, LADDER).tolist() == [0.0] * 7


def test_sma_crossover_equals_a_plain_loop_and_waits_for_200_bars():
    close = walk(420)
    expected = [
        0.0 if t < 199 else (1.0 if close[t - 49 : t + 1].mean() > close[t - 199 : t + 1].mean() else -1.0)
        for t in range(150, 419)
    ]
    targets = sma_crossover(close, 150, 418, LADDER)
    assert targets.tolist() == expected
    assert set(targets) == {-1.0, 0.0, 1.0}
    assert targets[:49].tolist() == [0.0] * 49


def test_momentum_equals_a_plain_loop_and_waits_for_252_bars():
    close = walk(900)
    expected = [0.0 if t < 252 else (1.0 if close[t] / close[t - 252] > 1 else -1.0) for t in range(200, 899)]
    targets = momentum(close, 200, 898, LADDER)
    assert targets.tolist() == expected
    assert set(targets) == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("rule", [sma_crossover, momentum])
def test_long_only_positions_are_never_short(rule):
    assert set(rule(walk(900), 300, 898, [0.0, 0.5, 1.0])) == {0.0, 1.0}


@pytest.mark.parametrize("rule", [sma_crossover, momentum])
def test_a_constant_price_has_no_trend(rule):
    assert set(rule(np.full(600, 0.1), 260, 598, LADDER)) == {-1.0}


@pytest.mark.parametrize("rule", BASELINES.values(), ids=BASELINES)
def test_no_rule_sees_a_bar_after_its_decision(rule):
    close = walk(600)
    later = close.copy()
    later[401:] = walk(199, 7)
    assert rule(close, 240, 400, LADDER).tolist() == rule(later, 240, 598, LADDER)[:161].tolist()


@pytest.mark.parametrize("rule", BASELINES.values(), ids=BASELINES)
def test_every_rule_gives_one_target_per_decision_on_a_short_file(rule):
    assert rule(walk(12), 3, 10, LADDER).shape == (8,)


@pytest.mark.parametrize("seed", range(20))
def test_random_is_a_true_circular_shift_of_the_agents_targets(seed):
    agent = np.arange(6.0)
    shifted = random_targets(agent, seed)
    shift = int(np.flatnonzero(shifted == 0.0)[0])
    assert shift >= 1
    assert shifted.tolist() == np.roll(agent, shift).tolist()
    assert shifted.tolist() == random_targets(agent, np.random.default_rng(seed)).tolist()


def test_random_reaches_every_shift():
    assert {int(random_targets(np.arange(4.0), seed)[0]) for seed in range(60)} == {1, 2, 3}


def test_random_of_a_single_decision_is_that_decision():
    assert random_targets(np.array([1.0]), 0).tolist() == [1.0]
