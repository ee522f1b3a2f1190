"""One measurement of our training loop per process, printed as one JSON line."""

import argparse
import json
import os
from importlib.metadata import version
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import build
import numpy as np
import plain
import workload

import trader
from trader.agents.agent import Agent
from trader.agents.replay import BYTES_PER_TRANSITION
from trader.bench.chunks import time_chunks
from trader.bench.flops import flops_per_env_step
from trader.bench.machine import peak_memory_bytes


def shared_bars() -> build.World:
    """The bars of both sides as one asset whose rows are all used for training."""
    bars = workload.prices()
    years = np.full(workload.NUM_BARS, 1 / 252)
    years[0] = 0.0
    columns = (workload.features(), bars["open"], bars["close"], years)
    first, last = workload.WINDOW - 1, workload.NUM_BARS - 2
    rows = [np.array([row], np.int32) for row in (first, last)]
    return build.on_device([column[None].astype(np.float32) for column in columns], rows)


def config_of(arguments: argparse.Namespace) -> Any:
    network = plain.Network(net_arch=tuple(arguments.net_arch))
    if arguments.agent == "a2c":
        return plain.A2c(network=network)
    config = build.dqn_config(arguments.num_envs, arguments.batch_size, arguments.env_steps_per_update)
    return config._replace(network=network)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time whole chunks, after compilation and warm-up, for the asked seconds."""
    config = config_of(arguments)
    agent: Agent = build.build(config, arguments.num_envs)
    pace = time_chunks(build.training(agent, shared_bars()), arguments.seconds)
    backend = build.backend_name()
    return {
        "env_steps_per_s": pace.env_steps / pace.seconds,
        "updates_per_s": pace.updates / pace.seconds,
        "seconds": pace.seconds,
        "compile_s": pace.compile_s,
        "flops_per_env_step": flops_per_env_step(config, agent.policy),
        "weights": build.num_weights(agent),
        "peak_mib": peak_memory_bytes() / 2**20,
        "bytes_per_transition": BYTES_PER_TRANSITION if config.name == "dqn" else None,
        "versions": {"trader": trader.__version__} | {name: version(name) for name in (backend, "keras", "numpy")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", choices=["a2c", "dqn"], required=True)
    parser.add_argument("--num-envs", type=int, required=True)
    parser.add_argument("--net-arch", type=int, nargs="+", default=workload.NET_ARCH)
    parser.add_argument("--batch-size", type=int, default=workload.DQN["batch_size"])
    parser.add_argument("--env-steps-per-update", type=int, default=workload.ENV_STEPS_PER_UPDATE)
    parser.add_argument("--seconds", type=float, default=10.0)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
