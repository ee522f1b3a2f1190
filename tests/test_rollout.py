"""The greedy pass against a plain loop of steps and against the ledger."""

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

from tests.envs.worlds import market_env, numbers, on_device, random_asset, world
from trader import backend, rollout
from trader.agents.agent import Agent
from trader.envs import bars
from trader.evaluation.ledger import Prices, orders_to_targets, run_ledger
from trader.rollout import GreedyPass, greedy_pass, greedy_passes, log_growth

LENGTHS, FIRST = (40, 25, 33), [3, 5, 1]
COSTS = {"trading_fees": 0.002, "slippage_bps": 5.0, "spread_bps": 4.0, "borrow_interest_rate": 0.2}


class Policy(NamedTuple):
    """What a greedy pass reads of a network."""

    variables: list[keras.Variable]


def agent_of(env, act, *variables: keras.Variable) -> Agent:
    """An agent that only acts, by these variables."""
    unused: Any = None
    policy: Any = Policy(list(variables))
    return Agent("test", env, policy, list(variables), 1, unused, unused, unused, act, unused)


def follows_the_sign(obs, mask):
    """Long after a rise, short after a fall, one of them withheld by the mask or by a large drawdown."""
    score = obs.window[:, -1, 0] + 0.01 * obs.account[:, 0] + 0.02 * obs.account[:, 3]
    wanted = ops.stack([-score, 0.001 + 0.0 * score, score], axis=1)
    return ops.cast(ops.argmax(ops.where(mask, wanted, -1e9), axis=1), "int32")


def always(action):
    return lambda obs, mask: ops.zeros_like(obs.window[:, 0, 0], "int32") + action


def three_assets():
    generator = np.random.default_rng(21)
    assets = [random_asset(generator, n, volatility=0.05) for n in LENGTHS]
    features = np.full((3, max(LENGTHS), 1), np.nan, np.float32)
    for row, (_, closes, _) in zip(features, assets, strict=True):
        row[1 : len(closes), 0] = np.diff(np.log(closes))
    return world(assets, features=features, first=FIRST)


def plain_loop(env, act, market, segment, asset):
    """Return (actions, equity) of one asset, one decision after the other."""
    market, rows = on_device(market), on_device(segment)
    state = bars.begin(env, np.int32([asset]), np.int32([segment.first[asset]]))
    actions, equity = [], []
    for _ in range(segment.first[asset], segment.last[asset] + 1):
        action = act(bars.observe(env, market, state), bars.action_mask(env, state))
        out = bars.step(env, market, rows, state, action)
        state = out.state
        actions.append(int(action[0]))
        equity.append(float(out.equity[0]))
    return actions, equity


@pytest.mark.parametrize("actions", ["targets", "orders"])
def test_the_pass_equals_a_plain_loop_for_assets_of_different_length(actions):
    env = market_env(window_size=2, actions=actions, max_episode_duration=5, **COSTS)
    market, segment = three_assets()
    played = greedy_pass(agent_of(env, follows_the_sign))(on_device(market), segment)
    num_steps = max(segment.last - segment.first) + 1
    assert played.action.shape == played.equity.shape == played.alive.shape == (num_steps, 3)
    assert np.isfinite(played.equity).all()
    for m in range(3):
        expected, equity = plain_loop(env, follows_the_sign, market, segment, m)
        n = len(expected)
        assert n == LENGTHS[m] - 1 - FIRST[m]
        assert played.alive[:, m].tolist() == [True] * n + [False] * (num_steps - n)
        assert played.action[:n, m].tolist() == expected
        assert played.equity[:n, m] == pytest.approx(equity, rel=2e-6)
        assert (played.equity[n:, m] == played.equity[n - 1, m]).all()  # the end is repeated
        targets = orders_to_targets(expected, [-1, 0, 1]) if actions == "orders" else np.asarray(expected) - 1.0
        assert played.exposure[:n, m].tolist() == targets.tolist()
        assert len(set(expected)) > 1


def test_the_pass_does_not_end_at_the_duration_of_an_episode():
    env = market_env(window_size=2, max_episode_duration=2)
    market, segment = three_assets()
    played = greedy_pass(agent_of(env, always(2)))(on_device(market), segment)
    closes, opens = market.close[0], market.open[0]
    assert played.equity[-1, 0] == pytest.approx(closes[LENGTHS[0] - 1] / opens[FIRST[0] + 1], rel=1e-5)


def test_one_pass_serves_segments_of_any_length():
    env = market_env(window_size=2)
    market, segment = three_assets()
    run = greedy_pass(agent_of(env, always(2)))
    whole = run(on_device(market), segment)
    head = run(on_device(market), segment._replace(last=segment.first + 9))
    assert head.alive.all()
    assert (head.equity == whole.equity[:10]).all()


def steady_world(growth, num_rows, jitter=0.0):
    """Prices that go to and fro by `growth` a bar, so that the right side of each bar earns it."""
    log_close = np.where(np.arange(num_rows) % 2, growth, 0.0)
    log_close += jitter * np.random.default_rng(2).standard_normal(num_rows)
    closes = (100 * np.exp(log_close)).astype(np.float32).astype(float)
    rising = np.where(np.arange(num_rows) % 2, 0.0, 1.0)[None, :, None]
    market, segment = world([(closes, closes, np.full(num_rows, 1 / 365))], features=rising)
    return market, segment, closes


def in_and_out(right):
    return lambda obs, mask: ops.cast((obs.window[:, -1, 0] > 0.5) == right, "int32")


@pytest.mark.parametrize("right", [True, False])
def test_growth_and_loss_beyond_float32_agree_with_the_ledger(right):
    # Long on every rising bar only (or on every falling one): ±200 units of log growth; float32 ends at ±88.
    env = market_env(fill="close", positions=[0.0, 1.0], initial_cash=1.0, trading_fees=0.001, slippage_bps=2.0)
    market, segment, closes = steady_world(0.4, 1001, jitter=0.01)
    played = greedy_pass(agent_of(env, in_and_out(right)))(on_device(market), segment)
    times = np.datetime64("2020-01-01", "ns") + np.arange(1001) * np.timedelta64(1, "D")
    ledger = run_ledger(Prices("x", times, closes, closes), played.exposure[:, 0], 0, env.config)
    assert np.isfinite(played.equity).all()
    assert abs(np.log(ledger.equity[-1])) > 150
    assert np.log(played.equity[:, 0]) == pytest.approx(np.log(ledger.equity), rel=1e-4, abs=1e-4)
    assert played.equity[:, 0] == pytest.approx(ledger.equity, rel=1e-4)


@pytest.mark.parametrize("right", [True, False])
def test_rescaling_by_powers_of_two_changes_no_bit(right, monkeypatch):
    env = market_env(fill="close", positions=[0.0, 1.0], trading_fees=0.001, slippage_bps=2.0)
    market, segment, _ = steady_world(0.4, 121, jitter=0.01)  # to exp(±24): within float32, rescaled three times
    played = greedy_pass(agent_of(env, in_and_out(right)))(on_device(market), segment)
    monkeypatch.setattr(rollout, "_LARGE", 2.0**120)
    never_rescaled = greedy_pass(agent_of(env, in_and_out(right)))(on_device(market), segment)
    assert abs(np.log2(played.equity[-1, 0])) > 30
    assert (played.equity == never_rescaled.equity).all()


def test_a_ruined_account_goes_on_with_nothing_to_the_end_of_its_dates():
    prices = [100.0, 100.0, 250.0, 100.0, 90.0, 95.0]
    calm = [100.0, 100.0, 101.0, 102.0]
    market, segment = world([(prices, prices, np.ones(6) / 365), (calm, calm, np.ones(4) / 365)])
    env = market_env()
    played = greedy_pass(agent_of(env, always(0)))(on_device(market), segment)
    assert played.equity[:, 0].tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert played.alive[:, 0].all()
    assert played.alive[:, 1].tolist() == [True] * 3 + [False] * 2
    assert played.equity[:3, 1].tolist() == pytest.approx([1.0, 0.99, 0.98])


def test_log_growth_is_the_mean_over_assets_with_ruin_at_a_thousandth():
    # Asset 0: log 1.5; asset 1 is worth 2 before its ruin: log 2 + log 0.001; padding of asset 1 is not read.
    equity = np.array([[1.2, 2.0], [1.1, 0.0], [1.5, 0.0], [1.5, 99.0]])
    alive = np.array([[True, True], [True, True], [True, True], [False, False]])
    played = GreedyPass(np.zeros((4, 2), int), np.zeros((4, 2)), equity, alive)
    assert log_growth(played) == pytest.approx((np.log(1.5) + np.log(2.0) + np.log(0.001)) / 2)


def test_log_growth_of_a_ruin_on_the_first_bar():
    played = GreedyPass(np.zeros((1, 1), int), np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1), bool))
    assert log_growth(played) == pytest.approx(np.log(0.001))


def test_the_pass_reads_the_weights_of_the_moment():
    level = keras.Variable(0, dtype="int32", trainable=False)
    env = market_env(positions=[0.0, 1.0])
    prices = [100.0, 100.0, 110.0, 121.0]
    market, segment = world([(prices, prices, np.ones(4) / 365)])

    def act(obs, mask):
        return ops.zeros_like(obs.window[:, 0, 0], "int32") + level.value

    run = greedy_pass(agent_of(env, act, level))
    assert run(on_device(market), segment).equity[-1, 0] == 1.0
    level.assign(1)
    assert run(on_device(market), segment).equity[-1, 0] == pytest.approx(1.21)
    assert numbers(level.value) == 1


@pytest.mark.skipif(not backend.MAPS_SEEDS, reason="this backend plays one seed after the other")
def test_one_pass_of_several_seeds_equals_each_alone_bit_for_bit():
    threshold = keras.Variable(0.0, trainable=False)
    env = market_env(window_size=2, **COSTS)
    market, segment = three_assets()

    def act(obs, mask):
        return ops.cast(obs.window[:, -1, 0] > threshold.value, "int32") * 2

    agent = agent_of(env, act, threshold)
    levels, alone = [-0.05, 0.0, 0.03, 0.06], []  # as many as divide over the devices
    for level in levels:
        threshold.assign(level)
        alone.append(greedy_pass(agent)(on_device(market), segment))
    together = greedy_passes(agent, backend.grid(1))([ops.convert_to_tensor(levels)], on_device(market), segment)
    assert float(threshold.value) == pytest.approx(0.06)
    assert len({played.exposure.tobytes() for played in alone}) == 4
    for ours, theirs in zip(together, alone, strict=True):
        assert all((mine == other).all() for mine, other in zip(ours, theirs, strict=True))
