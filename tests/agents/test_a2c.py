"""A2C, run eagerly from the outside: from what it played, NumPy computes what its weights must become."""

import numpy as np
import pytest

from tests.agents import numpy_agent as oracle
from tests.agents.markets import on_device, rough_env, rough_market, segment_of, small_agent
from tests.agents.test_returns import targets_by_loop
from trader.agents import a2c
from trader.config import A2cConfig
from trader.envs import bars

NUM_ENVS = 8
ROUGH = rough_market()
SEGMENT = segment_of((2, 57))


def test_the_whole_loss_by_hand(run):
    config = A2cConfig(name="a2c", vf_coef=0.25, ent_coef=0.1)
    log_probs = np.log(np.array([[0.5, 0.5], [0.25, 0.75]], np.float32))
    values, targets = np.array([1, 2], np.float32), np.array([3, 1], np.float32)
    loss, entropy = run(lambda *x: a2c.a2c_loss(config, *x), log_probs, values, np.array([0, 1], np.int32), targets)
    policy = -(np.log(0.5) * 2 + np.log(0.75) * -1) / 2
    by_hand = (np.log(2) - 0.25 * np.log(0.25) - 0.75 * np.log(0.75)) / 2
    assert entropy == pytest.approx(by_hand)
    assert loss == pytest.approx(policy + 0.25 * (4 + 1) / 2 - 0.1 * by_hand)


CASES = {
    "td_0": {"actions": "orders", "n_steps": 1, "optimizer": "rmsprop", "max_grad_norm": 0.5},
    "five_steps": {"actions": "orders", "n_steps": 5, "optimizer": "adam", "max_grad_norm": None},
    "targets": {"actions": "targets", "n_steps": 4, "optimizer": "rmsprop", "max_grad_norm": 10.0},
}
RATES = {"actor_learning_rate": 0.01, "critic_learning_rate": 0.03, "gamma": 0.9, "ent_coef": 0.05, "vf_coef": 0.7}


def agent_of(case: str, duration: int = 3, **changes):
    options = dict(CASES[case])
    env = rough_env(options.pop("actions"), duration)
    options |= RATES | changes
    agent = small_agent("a2c", env, NUM_ENVS, **options)
    agent.restart(2)
    return agent, A2cConfig(name="a2c", **options)


def numpy_update(config, env, played, weights, optimizer):
    """One update from the (outcome, record) pairs of one rollout; weights are trunk, policy head, value head."""
    record = played.records()
    x, x_after = (oracle.inputs(ROUGH, env.window_size, record, after) for after in (0, 1))
    shape = (config.n_steps, NUM_ENVS)
    next_values = oracle.outputs(weights, x_after)[1].reshape(shape)
    ruined, out_of_time = (np.stack([getattr(o, name) for o, _ in played]) for name in ("terminated", "truncated"))
    discounts = config.gamma * (1 - ruined)
    aim = targets_by_loop(record.reward.reshape(shape), discounts, next_values, ruined | out_of_time).ravel()
    mask = oracle.rung_mask(env.actions, len(env.positions), record.rung)
    rows = np.arange(len(aim))
    advantage = aim - oracle.outputs(weights, x)[1][:, 0]

    def loss(w):
        logits, values = oracle.outputs(w, x)
        log_probs = oracle.log_softmax(logits, mask)
        policy = -(log_probs[rows, record.action] * advantage).mean()
        value = ((aim - values[:, 0]) ** 2).mean()
        return policy + config.vf_coef * value - config.ent_coef * oracle.entropy(log_probs).mean()

    gradients = oracle.clipped(oracle.gradient(loss, weights), config.max_grad_norm)
    optimizer.step(weights, gradients, [config.actor_learning_rate] * 4 + [config.critic_learning_rate] * 2)


def check_updates(case: str, played, num_updates: int = 3, duration: int = 3) -> None:
    """Raise AssertionError unless every update gives NumPy's weights."""
    agent, config = agent_of(case, duration)
    market, segment = on_device(ROUGH, SEGMENT)
    carry, weights = agent.start(market, segment, 3), oracle.weights_of(agent.policy)
    optimizer = oracle.OPTIMIZERS[config.optimizer](weights)
    for _ in range(num_updates):
        played.clear()
        carry = agent.iterate(market, segment, carry)
        numpy_update(config, agent.env.config, played, weights, optimizer)
        for ours, theirs in zip(oracle.weights_of(agent.policy), weights, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_updates_are_those_of_numpy(case, played):
    check_updates(case, played)


def test_rollouts_meet_ruin_and_time_limits(played):
    agent, _ = agent_of("five_steps")
    market, segment = on_device(ROUGH, SEGMENT)
    agent.iterate(market, segment, agent.start(market, segment, 3))
    earlier = [outcome for outcome, _ in played[:-1]]
    assert any(outcome.truncated.any() for outcome in earlier)
    assert any(outcome.terminated.any() for outcome in earlier)


def test_bootstrapping_a_time_limit_from_the_observation_after_the_reset_fails(played, monkeypatch):
    """Planted: the value of the state to go on from stands for that of the state before the reset."""
    check_updates("td_0", played, num_updates=6)
    going_on = {}
    reset = a2c.fresh_where_done

    def listening(*arguments):
        going_on["state"] = reset(*arguments)
        return going_on["state"]

    monkeypatch.setattr(a2c, "fresh_where_done", listening)
    monkeypatch.setattr(a2c, "observed_after", lambda env, market, record: bars.observe(env, market, going_on["state"]))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_updates("td_0", played, num_updates=6)


def test_never_bootstrapping_a_time_limit_fails(played, monkeypatch):
    """Planted: a time limit counts as a ruin."""
    play = a2c.play

    def ending(*arguments):
        outcome, record = play(*arguments)
        return outcome, record._replace(discount=record.discount * (1.0 - np.asarray(outcome.truncated, np.float32)))

    monkeypatch.setattr(a2c, "play", ending)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_updates("five_steps", played)


@pytest.mark.parametrize(
    ("rate", "still", "moving"),
    [
        ("critic_learning_rate", ["value"], ["hidden_0", "policy"]),
        ("actor_learning_rate", ["hidden_0", "policy"], ["value"]),
    ],
)
def test_the_trunk_moves_at_the_actors_rate_and_the_value_head_at_the_critics(rate, still, moving):
    agent, _ = agent_of("five_steps", **{rate: 1e-12})

    def kernels():
        return {layer.name: layer.get_weights()[0] for layer in agent.policy.layers if layer.get_weights()}

    before = kernels()
    market, segment = on_device(ROUGH, SEGMENT)
    agent.iterate(market, segment, agent.start(market, segment, 3))
    after = kernels()
    assert all((before[name] == after[name]).all() for name in still)
    assert all((before[name] != after[name]).any() for name in moving)


def test_only_legal_orders_are_sampled(played):
    agent, _ = agent_of("five_steps")
    market, segment = on_device(ROUGH, SEGMENT)
    carry = agent.start(market, segment, 0)
    for _ in range(4):
        carry = agent.iterate(market, segment, carry)
    record = played.records()
    mask = oracle.rung_mask("orders", 3, record.rung)
    assert mask[np.arange(len(mask)), record.action].all()
    assert set(record.action) == {0, 1, 2}
    assert int(carry.step) == 4 * agent.steps_per_iteration == 4 * 5 * NUM_ENVS
