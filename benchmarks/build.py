"""What is timed on our side: a generated market, an environment, an agent; needs keras, numpy, a backend and trader."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import plain
import workload
from keras import ops

from trader.agents.a2c import build_a2c
from trader.agents.agent import Agent
from trader.agents.dqn import build_dqn
from trader.bench.chunks import Advance, Counts
from trader.data.market import Market, Segment
from trader.envs.bars import MarketEnv
from trader.lanes import Lanes, Trainer, begin, build_trainer

DEVIATION = 0.01


class Shape(NamedTuple):
    """Sizes of a generated market."""

    assets: int = 1
    bars: int = workload.NUM_BARS
    features: int = workload.NUM_FEATURES
    window: int = workload.WINDOW


USUAL = Shape()


class World(NamedTuple):
    """Bars and decision rows on the device."""

    market: Market
    segment: Segment


def generated(shape: Shape, seed: int = 0) -> World:
    """Independent prices about 100 and standard-normal features: their content costs nobody anything."""
    rng = np.random.default_rng(seed)
    rows = (shape.assets, shape.bars)
    close = 100.0 * np.exp(np.float32(DEVIATION) * rng.standard_normal(rows, dtype=np.float32))
    opens = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    years = np.full(rows, 1 / 252, np.float32)
    years[:, 0] = 0.0
    features = rng.standard_normal((*rows, shape.features), dtype=np.float32)
    first = np.full(shape.assets, shape.window - 1, np.int32)
    return on_device((features, opens, close, years), (first, np.full(shape.assets, shape.bars - 2, np.int32)))


def on_device(columns: Sequence[np.ndarray], rows: Sequence[np.ndarray]) -> World:
    return World(Market(*map(ops.convert_to_tensor, columns)), Segment(*map(ops.convert_to_tensor, rows)))


def environment(window: int = workload.WINDOW) -> MarketEnv:
    return MarketEnv(plain.Env(window_size=window), reward_scale=DEVIATION, return_deviation=DEVIATION)


def build(config: Any, num_envs: int, shape: Shape = USUAL, precision: str = "float32") -> Agent:
    """Return the agent of a plain config."""
    make: Callable[..., Agent] = {"a2c": build_a2c, "dqn": build_dqn}[config.name]
    total = max(plain.Train().total_timesteps, 4 * getattr(config, "learning_starts", 0))  # exploration falls over it
    train = plain.Train(total_timesteps=total, n_envs=num_envs, precision=precision)
    return make(config, train, environment(shape.window), shape.features)


def dqn_config(num_envs: int, batch_size: int, env_steps_per_update: int) -> plain.Dqn:
    """As many updates per environment step as asked for, after every step of the vector or less often."""
    updates = max(num_envs // env_steps_per_update, 1)
    return plain.Dqn(batch_size=batch_size, train_freq=updates * env_steps_per_update, gradient_steps=updates)


def num_weights(agent: Agent) -> int:
    return sum(int(np.prod(weight.shape)) for weight in agent.policy.trainable_variables)


class Training:
    """Seeds of an agent on a market, moved on by n iterations at a time; waits for the device."""

    def __init__(self, agent: Agent, world: World, num_seeds: int = 1):
        self.trainer: Trainer = build_trainer(agent, num_seeds)
        self.world, self.num_seeds = world, num_seeds
        self.lanes: Lanes = begin(self.trainer, world.market, world.segment, range(num_seeds))

    def advance(self, n: int) -> Counts:
        count = ops.convert_to_tensor(n, "int32")
        self.lanes = self.trainer.chunk(self.world.market, self.world.segment, self.lanes, count)
        carry = self.lanes.carry
        return Counts(self.num_seeds * int(carry.step), float(ops.sum(carry.stats.updates)))


def training(agent: Agent, world: World, num_seeds: int = 1) -> Advance:
    return Training(agent, world, num_seeds).advance


def backend_name() -> str:
    return keras.backend.backend()
