"""A program: what each agent of given weights does on given observations; run on each backend, the files compare.

`KERAS_BACKEND=… python -m tests.greedy_actions FILE SEED` writes of every agent actions, masked outputs and
the weights that the seed starts from as `.npz`.
"""

import sys
from typing import Any

import numpy as np
from keras import ops

from tests.agents.markets import market_env, small_agent
from trader.agents.agent import Agent
from trader.agents.losses import masked
from trader.config import MlpNetwork
from trader.envs.bars import Observation

NUM = 20_000


def first_weights(agent: Agent, seed: int) -> np.ndarray:
    agent.restart(seed)
    return np.concatenate([np.ravel(ops.convert_to_numpy(variable.value)) for variable in agent.policy.variables])


def with_weights(agent: Agent, generator: np.random.Generator) -> Agent:
    for variable in agent.policy.variables:
        variable.assign(generator.standard_normal(variable.shape).astype(np.float32) / np.sqrt(variable.shape[0]))
    return agent


def answers(name: str, seed: int) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    env = market_env(positions=[-1.0, -0.5, 0.0, 0.5, 1.0], window_size=8)
    agent = small_agent(name, env, network=MlpNetwork(net_arch=[32, 32]))
    first = first_weights(agent, seed)
    agent = with_weights(agent, generator)
    seen = np.random.default_rng(0)
    window, account = seen.standard_normal((NUM, 8, 2)), seen.standard_normal((NUM, 4))
    allowed = seen.random((NUM, 5)) < 0.7
    allowed[:, 2] = True
    obs = Observation(*(ops.convert_to_tensor(x.astype(np.float32)) for x in (window, account)))
    mask = ops.convert_to_tensor(allowed)
    outputs = agent.policy(list(obs))
    scores = masked(outputs[0] if isinstance(outputs, list | tuple) else outputs, mask)
    action = ops.convert_to_numpy(agent.act_greedy(obs, mask))
    return {f"{name}/action": action, f"{name}/scores": ops.convert_to_numpy(scores), f"{name}/first": first}


if __name__ == "__main__":
    found: dict[str, Any] = {}
    for agent_name in ("a2c", "dqn", "reinforce"):
        found |= answers(agent_name, int(sys.argv[2]))
    np.savez(sys.argv[1], **found)
