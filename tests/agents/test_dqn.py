"""DQN, run eagerly from the outside: what it played, what it stored, what its weights became."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from tests.agents import numpy_agent as oracle
from tests.agents.markets import ar1_market, market_env, on_device, rough_env, rough_market, segment_of, small_agent
from trader import backend
from trader.agents import replay
from trader.agents.dqn import pace
from trader.config import DqnConfig
from trader.envs import bars

NUM_ENVS = 6
ROUGH = rough_market()
SEGMENT = segment_of((2, 57))
GAMMA = 0.9


def in_order(key, shape, high):
    """Stands for random rows: 0, 1, 2, … over and over."""
    return keras.ops.reshape(keras.ops.arange(int(np.prod(shape)), dtype="int32"), shape) % high


def numpy_of(variables):
    return [np.asarray(variable.value, np.float64) for variable in variables]


def online_and_target(agent):
    num = len(agent.policy.variables)
    return numpy_of(agent.variables[:num]), numpy_of(agent.variables[num : 2 * num])


def stored(agent):
    storage, env = agent.variables[-1], agent.env.config
    layout = replay.Layout(len(env.positions), env.num_actions, GAMMA)
    return replay.Transitions(*(np.asarray(x) for x in replay.gather(storage, layout, np.arange(storage.shape[0]))))


def targets(config, env, record, x_after, online, target, masks):
    rung = record.action if env.actions == "targets" else record.rung + record.action - 1
    mask = oracle.rung_mask(env.actions, len(env.positions), rung) if masks else np.ones((len(rung), 3), bool)
    values = oracle.outputs(target, x_after)[0]
    selector = oracle.outputs(online, x_after)[0] if config.double else values
    best = np.where(mask, selector, -np.inf).argmax(axis=1)
    return record.reward + record.discount * values[np.arange(len(best)), best]


def numpy_updates(config, env, record, weights, num_updates, flaw=None):
    """Weights after `num_updates` full-batch updates; `flaw` plants one mistake."""
    target = [w.copy() for w in weights]
    optimizer = oracle.OPTIMIZERS[config.optimizer](weights)
    x, x_after = (oracle.inputs(ROUGH, env.window_size, record, after) for after in (0, 1))
    if flaw == "account before the step":
        x_after[:, -4:] = x[:, -4:]
    if flaw == "window before the step":
        x_after[:, :-4] = x[:, :-4]
    rows = np.arange(len(record.t))
    for _ in range(num_updates):
        aim = targets(config, env, record, x_after, weights, target, flaw != "no mask")

        def loss(w, aim=aim):
            error = oracle.outputs(w, x)[0][rows, record.action] - aim
            size = np.abs(error)
            huber = np.where(size <= 1, error**2 / 2, size - 0.5)
            return (huber if config.loss == "huber" else error**2).mean()

        gradients = oracle.clipped(oracle.gradient(loss, weights), config.max_grad_norm)
        optimizer.step(weights, gradients, [config.learning_rate] * len(weights))
    return weights


CASES = {
    "double": {"actions": "orders", "optimizer": "adam", "loss": "huber", "double": True, "max_grad_norm": None},
    "plain": {"actions": "orders", "optimizer": "rmsprop", "loss": "mse", "double": False, "max_grad_norm": 0.05},
    "targets": {"actions": "targets", "optimizer": "rmsprop", "loss": "huber", "double": True, "max_grad_norm": 1.0},
}


@pytest.fixture(params=CASES)
def learnt(request, played, monkeypatch):
    """An agent that played 9 vector steps and then learnt 3 times from all of them, and its weights before."""
    monkeypatch.setattr(backend, "randint", in_order)
    options = dict(CASES[request.param])
    env = rough_env(options.pop("actions"))
    size = 9 * NUM_ENVS
    options |= {"buffer_size": size, "batch_size": size, "learning_starts": size, "gradient_steps": 3}
    options |= {"train_freq": NUM_ENVS, "learning_rate": 0.01, "gamma": GAMMA, "target_update_interval": 10_000}
    agent = small_agent("dqn", env, NUM_ENVS, **options)
    agent.restart(5)
    before, _ = online_and_target(agent)
    market, segment = on_device(ROUGH, SEGMENT)
    carry = agent.start(market, segment, 1)
    for _ in range(9):
        carry = agent.iterate(market, segment, carry)
    assert float(carry.stats.updates) == 3
    config = DqnConfig(name="dqn", **options)
    return agent, config, before, played


def test_updates_are_those_of_numpy(learnt):
    agent, config, before, played = learnt
    record = played.records()
    assert {0.0, np.float32(GAMMA)} == set(record.discount)
    expected = numpy_updates(config, agent.env.config, record, before, 3)
    for ours, theirs in zip(online_and_target(agent)[0], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "flaw", ["no mask", "account before the step", "window before the step", "time limits end everything"]
)
def test_a_flawed_target_is_noticed(learnt, flaw):
    agent, config, before, played = learnt
    record = played.records()
    if flaw == "time limits end everything":
        truncated = np.concatenate([outcome.truncated for outcome, _ in played])
        record = record._replace(discount=np.where(truncated, 0, record.discount))
    flawed = numpy_updates(config, agent.env.config, record, before, 3, flaw)
    distance = max(np.abs(a - b).max() for a, b in zip(online_and_target(agent)[0], flawed, strict=True))
    all_legal = flaw == "no mask" and agent.env.config.actions == "targets"
    assert distance < 1e-4 if all_legal else distance > 3e-4


def test_the_replay_holds_what_was_played_and_time_limits_keep_their_discount(learnt):
    agent, _, _, played = learnt
    record, rows = played.records(), stored(agent)
    for name, kept, was in zip(record._fields, rows, record, strict=True):
        np.testing.assert_allclose(kept, was, rtol=3e-7, atol=0, err_msg=name)
    truncated = np.concatenate([outcome.truncated for outcome, _ in played])
    terminated = np.concatenate([outcome.terminated for outcome, _ in played])
    assert truncated.any()
    assert terminated.any()
    assert not (truncated & terminated).any()
    np.testing.assert_array_equal(rows.discount, np.where(terminated, 0, np.float32(GAMMA)))


def test_an_account_goes_on_where_it_was_until_its_episode_ends(learnt):
    *_, played = learnt
    for (outcome, record), (_, following) in pairwise(played):
        going_on = ~(outcome.truncated | outcome.terminated)
        np.testing.assert_array_equal(record.next_account[going_on], following.account[going_on])
        np.testing.assert_array_equal(record.t[going_on] + 1, following.t[going_on])
        assert (following.account[~going_on] == 0).all()


def smooth(num_envs=4, **options):
    env = market_env(positions=[-1.0, 0.0, 1.0], actions="orders", max_episode_duration=20)
    small = {"buffer_size": 64, "batch_size": 4, "learning_starts": 0, "learning_rate": 0.01, "gradient_steps": 1}
    agent = small_agent("dqn", env, num_envs, **(small | options))
    agent.restart(0)
    return agent, *on_device(ar1_market(80), segment_of((2, 77)))


def quickest(agent):
    """Eager TensorFlow compiles nothing; a loop outside a compiled function JAX would compile at every call."""
    is_jax = keras.backend.backend() == "jax"
    return backend.compiled(agent.iterate, agent.variables) if is_jax else agent.iterate


@pytest.mark.parametrize("tau", [1.0, 0.25])
def test_the_target_network_moves_every_interval_by_tau(tau):
    agent, market, segment = smooth(train_freq=4, target_update_interval=12, tau=tau)
    iterate, carry = quickest(agent), agent.start(market, segment, 0)
    _, old = online_and_target(agent)
    for iteration in range(1, 8):
        carry = iterate(market, segment, carry)
        online, target = online_and_target(agent)
        share = tau if 4 * iteration in (12, 24) else 0.0
        for slow, fast, before in zip(target, online, old, strict=True):
            np.testing.assert_allclose(slow, share * fast + (1 - share) * before, atol=1e-7)
        old = target
    assert any((a != b).any() for a, b in zip(online, target, strict=True))


@pytest.mark.parametrize(("num_envs", "train_freq"), [(16, 4), (4, 16), (1, 4), (16, 16)])
def test_every_train_freq_steps_bring_gradient_steps_updates(num_envs, train_freq):
    agent, market, segment = smooth(num_envs, train_freq=train_freq, gradient_steps=2)
    iterate, carry = quickest(agent), agent.start(market, segment, 0)
    for _ in range(3):
        carry = iterate(market, segment, carry)
    steps = int(carry.step)
    assert steps == 3 * agent.steps_per_iteration == float(carry.stats.steps)
    assert float(carry.stats.updates) == 2 * steps // train_freq


def test_vector_steps_and_updates_of_each_pace():
    def paced(num_envs, train_freq):
        return tuple(pace(DqnConfig(name="dqn", train_freq=train_freq, gradient_steps=3), num_envs))

    assert [paced(16, 4), paced(4, 16), paced(1, 4), paced(16, 16)] == [(1, 12), (4, 3), (4, 3), (1, 3)]


def test_nothing_is_learnt_before_learning_starts():
    agent, market, segment = smooth(train_freq=4, learning_starts=12)
    iterate, carry, (before, _) = quickest(agent), agent.start(market, segment, 0), online_and_target(agent)
    for updates in (0, 0, 1, 2):
        carry = iterate(market, segment, carry)
        assert float(carry.stats.updates) == updates
        changed = any((a != b).any() for a, b in zip(before, online_and_target(agent)[0], strict=True))
        assert changed == (updates > 0)


def test_exploration_draws_every_legal_order_and_no_other(played):
    agent, market, segment = smooth(train_freq=4, learning_starts=9_000, exploration_initial_eps=1.0)
    carry = agent.start(market, segment, 3)
    for _ in range(40):
        carry = agent.iterate(market, segment, carry)
    record = played.records()
    mask = oracle.rung_mask("orders", 3, record.rung)
    assert mask[np.arange(len(mask)), record.action].all()
    seen = set(zip(record.rung.tolist(), record.action.tolist(), strict=True))
    assert seen == {(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)}


def test_the_greedy_policy_never_takes_an_illegal_order():
    agent, market, segment = smooth()
    state = agent.start(market, segment, 0).env
    obs = bars.observe(agent.env, market, state)
    for legal in range(3):
        mask = keras.ops.convert_to_tensor(np.tile(np.arange(3) == legal, (4, 1)))
        assert np.asarray(agent.act_greedy(obs, mask)).tolist() == [legal] * 4


def test_exploration_falls_after_learning_starts_over_its_share_of_the_rest():
    agent, *_ = smooth(learning_starts=2_000, exploration_fraction=0.5, exploration_final_eps=0.1)
    rates = [agent.exploration(step) for step in (0, 2_000, 4_000, 6_000, 10_000)]
    assert rates == pytest.approx([1, 1, 0.55, 0.1, 0.1])
