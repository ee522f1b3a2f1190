"""`train.precision`: hidden layers may compute in bfloat16; weights, heads and what is learnt from stay float32."""

from typing import Any

import numpy as np
import pytest
from keras import ops

from tests.agents.markets import CONFIGS, ar1_market, market_env, on_device, segment_of
from trader.agents.agent import Agent
from trader.agents.build import build_agent
from trader.agents.networks import build_network, initial_weights
from trader.config import MlpNetwork, TrainConfig
from trader.lanes import begin, build_trainer

NETWORK = MlpNetwork(net_arch=[16], activation="tanh")
OPTIONS: dict[str, dict[str, Any]] = {
    "dqn": {"buffer_size": 64, "learning_starts": 16, "train_freq": 8, "gradient_steps": 2, "batch_size": 16},
    "a2c": {"n_steps": 2},
    "reinforce": {},
}


def agent_of(name: str, precision: str) -> Agent:
    env = market_env(positions=[0.0, 1.0], max_episode_duration=8)
    config = CONFIGS[name](name=name, network=NETWORK, **OPTIONS[name])
    return build_agent(config, TrainConfig(n_envs=8, total_timesteps=1_000, precision=precision), env, num_features=2)


def outputs(precision: str) -> np.ndarray:
    model = build_network(NETWORK, (2, 2), 4, {"q_values": 3}, precision)
    for variable, value in zip(model.variables, initial_weights(model, 3), strict=True):
        variable.assign(value)
    window = np.random.default_rng(0).standard_normal((50, 2, 2)).astype(np.float32)
    return ops.convert_to_numpy(model([window, np.full((50, 4), 0.3, np.float32)]))


def test_bfloat16_rounds_what_hidden_layers_say_and_nothing_more():
    exact, rounded = outputs("float32"), outputs("mixed_bfloat16")
    assert exact.dtype == rounded.dtype == np.float32
    # 8 bits: relative steps of 2⁻⁸ in each of 16 hidden units of size ≤ 1
    assert 1e-4 < np.abs(exact - rounded).max() < 0.05
    assert (outputs("tf32") == exact).all()  # a matter of the GPU's products, not of the network


@pytest.mark.parametrize("name", OPTIONS)
def test_agents_learn_in_mixed_precision_with_float32_weights(name: str):
    agent = agent_of(name, "mixed_bfloat16")
    assert agent.policy.get_layer("hidden_0").compute_dtype == "bfloat16"
    assert {str(variable.dtype) for variable in agent.policy.variables} == {"float32"}
    market, segment = on_device(ar1_market(200), segment_of((2, 180)))
    trainer = build_trainer(agent)
    lanes = begin(trainer, market, segment, [1])
    before = [ops.convert_to_numpy(variable.value) + 0 for variable in agent.policy.variables]
    lanes = trainer.chunk(market, segment, lanes, ops.convert_to_tensor(5, "int32"))
    after = [ops.convert_to_numpy(variable.value) for variable in agent.policy.variables]
    assert float(lanes.carry.stats.updates) > 0
    assert all(np.isfinite(weight).all() for weight in after)
    assert any((old != new).any() for old, new in zip(before, after, strict=True))
    assert all(weight.dtype == np.float32 for weight in after)


def test_equal_seeds_start_alike_and_kernels_are_orthogonal():
    model = build_network(MlpNetwork(net_arch=[6]), (2, 2), 4, {"policy": 3, "value": 1})
    one, again, other = (initial_weights(model, seed) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(one, again, strict=True))
    assert (one[0] != other[0]).any()
    by_path = {variable.path: value for variable, value in zip(model.variables, one, strict=True)}
    for path, gain in (("hidden_0/kernel", 2**0.5), ("policy/kernel", 0.01), ("value/kernel", 1.0)):
        kernel = by_path[path]
        gram = kernel.T @ kernel if kernel.shape[0] >= kernel.shape[1] else kernel @ kernel.T
        np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=1e-6)
    assert all((by_path[f"{layer}/bias"] == 0).all() for layer in ("hidden_0", "policy", "value"))
