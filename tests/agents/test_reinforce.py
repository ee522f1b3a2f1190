"""REINFORCE, run eagerly from the outside: from what it played, NumPy computes what its weights must become."""

import numpy as np
import pytest

from tests.agents import numpy_agent as oracle
from tests.agents.markets import on_device, rough_env, rough_market, segment_of, small_agent
from trader.config import ReinforceConfig
from trader.data.market import Market

NUM_EPISODES, NUM_STEPS = 12, 6
# Two assets: the second is too short for a whole episode.
ROUGH = Market(*(np.concatenate(x) for x in zip(rough_market(40, 0), rough_market(40, 1), strict=True)))
SEGMENT = segment_of((2, 37), (4, 7))
CASES = {
    "orders": {"optimizer": "adam", "max_grad_norm": None},
    "targets": {"optimizer": "rmsprop", "max_grad_norm": 0.05},
}


def agent_of(actions: str, **changes):
    options = CASES[actions] | {"learning_rate": 0.01, "ent_coef": 0.05, "gamma": 0.9} | changes
    agent = small_agent("reinforce", rough_env(actions, NUM_STEPS), NUM_EPISODES, **options)
    agent.restart(4)
    return agent, ReinforceConfig(name="reinforce", **options)


def living(played) -> np.ndarray:
    """Whether each step belongs to its episode, `[T, N]`: up to and with the step that ended it."""
    ended = np.stack([outcome.terminated | outcome.truncated for outcome, _ in played])
    before = np.concatenate([np.zeros((1, ended.shape[1]), int), np.cumsum(ended, axis=0)[:-1]])
    return before == 0


def normalised_returns(rewards: np.ndarray, alive: np.ndarray, gamma: float) -> np.ndarray:
    returns, following = np.zeros(rewards.shape), np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        following = np.where(alive[t], rewards[t] + gamma * following, 0)
        returns[t] = following
    return (returns - returns[alive].mean()) / returns[alive].std()


def numpy_update(config, env, played, weights, optimizer, alive):
    record = played.records()
    gain = normalised_returns(record.reward.reshape(alive.shape), alive, config.gamma).ravel()
    x = oracle.inputs(ROUGH, env.window_size, record, after=0)
    mask = oracle.rung_mask(env.actions, len(env.positions), record.rung)
    rows, counted = np.arange(len(gain)), alive.ravel()

    def loss(w):
        log_probs = oracle.log_softmax(oracle.outputs(w, x)[0], mask)
        policy = -(log_probs[rows, record.action] * gain)[counted].mean()
        return policy - config.ent_coef * oracle.entropy(log_probs)[counted].mean()

    gradients = oracle.clipped(oracle.gradient(loss, weights), config.max_grad_norm)
    optimizer.step(weights, gradients, [config.learning_rate] * len(weights))


@pytest.fixture(params=CASES)
def learnt(request, played):
    """Three updates of an agent beside those of NumPy: (agent, carry, NumPy's weights, those with dead steps)."""
    agent, config = agent_of(request.param)
    market, segment = on_device(ROUGH, SEGMENT)
    carry, weights = agent.start(market, segment, 3), oracle.weights_of(agent.policy)
    flawed = [w.copy() for w in weights]
    optimizer, other = (oracle.OPTIMIZERS[config.optimizer](weights) for _ in range(2))
    total = 0
    for _ in range(3):
        played.clear()
        carry = agent.iterate(market, segment, carry)
        alive = living(played)
        total += int(alive.sum())
        numpy_update(config, agent.env.config, played, weights, optimizer, alive)
        numpy_update(config, agent.env.config, played, flawed, other, np.ones_like(alive))
    return agent, carry, weights, flawed, total


def test_updates_are_those_of_numpy_and_dead_steps_weigh_nothing(learnt):
    agent, _, weights, flawed, _ = learnt
    ours = oracle.weights_of(agent.policy)
    for w, theirs in zip(ours, weights, strict=True):
        np.testing.assert_allclose(w, theirs, rtol=0, atol=1e-4)
    assert max(np.abs(w - other).max() for w, other in zip(ours, flawed, strict=True)) > 1e-3


def test_all_steps_count_towards_the_plan_but_only_living_ones_towards_the_mean_reward(learnt):
    agent, carry, _, _, total = learnt
    assert int(carry.step) == 3 * agent.steps_per_iteration == 3 * NUM_EPISODES * NUM_STEPS
    assert float(carry.stats.steps) == total < int(carry.step)


def test_an_episode_never_reads_beyond_its_segment(played):
    agent, _ = agent_of("orders")
    market, segment = on_device(ROUGH, SEGMENT)
    agent.iterate(market, segment, agent.start(market, segment, 3))
    record = played.records()
    assert set(record.asset) == {0, 1}
    assert (record.t <= SEGMENT.last[record.asset]).all()
    short = np.stack([r.asset for _, r in played])[0] == 1
    outcomes = [outcome for outcome, _ in played]
    assert outcomes[3].truncated[short].any()
    assert not outcomes[0].truncated[short].any()


def test_episodes_start_fresh_and_last_as_long_as_asked(played):
    agent, _ = agent_of("targets")
    market, segment = on_device(ROUGH, segment_of((2, 37), (2, 37)))
    carry = agent.start(market, segment, 3)
    for update in (1, 2):
        carry = agent.iterate(market, segment, carry)
        first = played[(update - 1) * NUM_STEPS][1]
        assert (first.rung == -1).all()
        assert (first.account == 0).all()
        last = played[update * NUM_STEPS - 1][0]
        survivors = living(played[(update - 1) * NUM_STEPS :])[-1]
        assert (last.truncated | last.terminated)[survivors].all()
    assert len(played) == 2 * NUM_STEPS


def test_episodes_per_update_may_exceed_the_number_of_environments(played):
    agent, _ = agent_of("orders", episodes_per_update=24)
    market, segment = on_device(ROUGH, SEGMENT)
    carry = agent.iterate(market, segment, agent.start(market, segment, 0))
    assert int(carry.step) == agent.steps_per_iteration == 24 * NUM_STEPS
    assert played[0][1].t.shape == (24,)
