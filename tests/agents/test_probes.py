"""Markets whose answers are known: a price that rises by the same share every bar, each bar worth a reward of 1."""

import keras
import numpy as np
import pytest

from tests.agents.markets import market_env, market_of, on_device, segment_of, small_agent
from trader import training
from trader.config import MlpNetwork
from trader.envs import bars
from trader.lanes import build_trainer
from trader.rollout import log_growth

GROWTH, GAMMA = 0.01, 0.5
SEGMENT, VALID = segment_of((2, 150)), segment_of((160, 171))
OPTIONS = {
    "dqn": {
        "learning_rate": 0.01,
        "buffer_size": 1024,
        "learning_starts": 64,
        "train_freq": 8,
        "exploration_initial_eps": 1.0,
        "exploration_final_eps": 0.5,
        "target_update_interval": 64,
    },
    "a2c": {"actor_learning_rate": 0.02, "critic_learning_rate": 0.02, "n_steps": 2, "ent_coef": 0.0},
    "reinforce": {"learning_rate": 0.02, "ent_coef": 0.0},
}
STEPS = {"dqn": 4_000, "a2c": 8_000, "reinforce": 8_000}


@pytest.fixture(scope="module", params=OPTIONS)
def learnt(request):
    """A trainer after a second or two on the rising market, and what it observes there."""
    # A bar pays 1 while long, 0 in cash; time limits must not lower the values.
    env = market_env(scale=GROWTH, positions=[0.0, 1.0], max_episode_duration=8)
    network = MlpNetwork(net_arch=[16], activation="tanh")
    agent = small_agent(
        request.param, env, 8, STEPS[request.param], network=network, gamma=GAMMA, **OPTIONS[request.param]
    )
    market, segment = on_device(market_of(np.full(180, GROWTH), num_features=2), SEGMENT)
    trainer = build_trainer(agent)
    lanes, _ = training.start(trainer, training.Task(market, segment, VALID, 1.0), [1])
    num = STEPS[request.param] // agent.steps_per_iteration
    return trainer, market, trainer.chunk(market, segment, lanes, np.int32(num))


def test_each_agent_learns_to_be_long(learnt):
    trainer, market, lanes = learnt
    (played,) = trainer.greedy(market, VALID, lanes)
    assert played.exposure.tolist() == [[1.0]] * 12
    assert log_growth(played) == pytest.approx(12 * GROWTH, rel=1e-4)


@pytest.mark.parametrize("learnt", ["dqn", "a2c"], indirect=True)
def test_values_are_those_of_an_endless_stream_of_ones(learnt):
    """V = 1 / (1 − γ); being in cash now and long for ever after is worth γ·V. Time limits take nothing away."""
    trainer, market, lanes = learnt
    outputs = trainer.agent.policy(list(bars.observe(trainer.agent.env, market, lanes.carry.env)))
    if trainer.agent.name == "dqn":
        np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs), [[1.0, 2.0]] * 8, atol=0.15)
    else:
        np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs[1]), [[2.0]] * 8, atol=0.15)
