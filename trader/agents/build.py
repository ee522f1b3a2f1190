"""From config records to an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trader.agents.a2c import build_a2c
from trader.agents.agent import Agent
from trader.agents.dqn import build_dqn
from trader.agents.reinforce import build_reinforce
from trader.envs.bars import MarketEnv

if TYPE_CHECKING:
    from trader.config import AgentConfig, TrainConfig


def build_agent(agent: AgentConfig, train: TrainConfig, env: MarketEnv, num_features: int) -> Agent:
    """Return the agent that `agent.name` asks for, living in `env` with F features a row."""
    if agent.name == "dqn":
        return build_dqn(agent, train, env, num_features)
    if agent.name == "a2c":
        return build_a2c(agent, train, env, num_features)
    return build_reinforce(agent, train, env, num_features)
