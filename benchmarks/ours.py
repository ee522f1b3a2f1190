"""One measurement of our training loop per process, printed as one JSON line."""

import argparse
import json
import os
import resource
import time
from importlib.metadata import version

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import workload

from trader.agents.a2c import build_a2c
from trader.agents.agent import Agent
from trader.agents.dqn import build_dqn
from trader.agents.replay import BYTES_PER_TRANSITION
from trader.config import A2cConfig, DqnConfig, EnvConfig, TrainConfig
from trader.data.market import Market, Segment
from trader.envs.bars import MarketEnv
from trader.training import build_trainer, to_device

CHUNK_SECONDS = 0.5


def market() -> tuple[Market, Segment]:
    """The shared bars as one asset whose rows are all used for training."""
    bars = workload.prices()
    years = np.full(workload.NUM_BARS, 1 / 252)
    years[0] = 0.0
    columns = (workload.features(), bars["open"], bars["close"], years)
    arrays = Market(*(column[None].astype(np.float32) for column in columns))
    last = workload.NUM_BARS - 2
    return arrays, Segment(np.array([workload.WINDOW - 1], np.int32), np.array([last], np.int32))


def environment() -> MarketEnv:
    config = EnvConfig(
        window_size=workload.WINDOW,
        positions=workload.POSITIONS,
        trading_fees=workload.TRADING_FEES,
        borrow_interest_rate=workload.BORROW_RATE_PER_YEAR,
        max_episode_duration=workload.EPISODE_BARS,
    )
    return MarketEnv(config, reward_scale=0.01, return_deviation=0.01)


def a2c(train: TrainConfig) -> Agent:
    asked = dict(workload.A2C)
    rate = asked.pop("learning_rate")
    config = A2cConfig(name="a2c", actor_learning_rate=rate, critic_learning_rate=rate, **asked)
    return build_a2c(config, train, environment(), workload.NUM_FEATURES)


def dqn(train: TrainConfig) -> Agent:
    """Plain targets, since Stable-Baselines3 has no double DQN."""
    updates = max(train.n_envs // workload.ENV_STEPS_PER_UPDATE, 1)
    train_freq = updates * workload.ENV_STEPS_PER_UPDATE
    config = DqnConfig(name="dqn", train_freq=train_freq, gradient_steps=updates, double=False, **workload.DQN)
    return build_dqn(config, train, environment(), workload.NUM_FEATURES)


def num_weights(agent: Agent) -> int:
    return sum(int(np.prod(weight.shape)) for weight in agent.policy.trainable_variables)


def measure(arguments: argparse.Namespace) -> dict:
    """Time whole chunks between warm-up (compilation included) and the asked seconds."""
    agent = {"a2c": a2c, "dqn": dqn}[arguments.agent](TrainConfig(n_envs=arguments.num_envs))
    trainer = build_trainer(agent)
    bars, segment = (to_device(part) for part in market())
    agent.restart(0)
    carry = agent.start(bars, segment, 0)

    def run(carry, n: int):
        carry = trainer.chunk(bars, segment, carry, keras.ops.convert_to_tensor(n, "int32"))
        return carry, int(carry.step), float(carry.stats.updates)  # reading them waits for the device

    carry, _, _ = run(carry, 1)  # compiles
    started, n, steps, updates, chunk = time.perf_counter(), 1, 0, 0.0, 0.0
    while updates < 1 or time.perf_counter() - started < arguments.warmup or chunk < CHUNK_SECONDS / 2:
        began = time.perf_counter()
        carry, steps, updates = run(carry, n)
        chunk = time.perf_counter() - began
        n = min(4 * n, max(1, int(n * CHUNK_SECONDS / chunk)))
    begun, first_steps, first_updates = time.perf_counter(), steps, updates
    while time.perf_counter() - begun < arguments.seconds:
        carry, steps, updates = run(carry, n)
    elapsed = time.perf_counter() - begun
    return {
        "env_steps_per_s": (steps - first_steps) / elapsed,
        "updates_per_s": (updates - first_updates) / elapsed,
        "seconds": elapsed,
        "weights": num_weights(agent),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "bytes_per_transition": BYTES_PER_TRANSITION if arguments.agent == "dqn" else None,
        "versions": {name: version(name) for name in ("trader", keras.backend.backend(), "keras", "numpy")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", choices=["a2c", "dqn"], required=True)
    parser.add_argument("--num-envs", type=int, required=True)
    parser.add_argument("--warmup", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
