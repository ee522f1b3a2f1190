"""A2C and DQN on a GPU in one command: speed by number of environments, share of the roof, seeds in one program.

    python benchmarks/gpu.py

Needs keras, jax (with CUDA), numpy and this repository, nothing else; without a GPU it stops, unless `--cpu`.
A2C: window 32 × 6, MLP 64-64, 5 steps. DQN: after every step of all N environments 4 updates of 2·N transitions, so
8 samples per environment step as everywhere else. Everything is measured twice: with matrix products of float32 as
they stand, and rounded to TF32. Operations: `trader.bench.flops`; roof: the best product of two matrices of 8192 rows
at the same precision.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

from gpu_tables import tables
from place import ROOT, common_parser, store
from tables import print_table

sys.path.insert(0, str(ROOT))

import build
import jax
import plain

from trader.bench.chunks import time_chunks
from trader.bench.flops import flops_per_env_step
from trader.bench.roof import best_gflops

ENVS = (1024, 4096, 16_384, 65_536)
SEEDS, SEED_ENVS = (1, 8, 32), 1024
TARGET, SEED_LIMIT = 50e6, 2.0
PRECISIONS = {"float32": "highest", "tf32": "tensorfloat32"}
REPLAY = 1_048_576  # a multiple of every number of environments


def config_of(agent: str, num_envs: int) -> Any:
    if agent == "a2c":
        return plain.A2c()
    pace = {"batch_size": 2 * num_envs, "train_freq": num_envs, "gradient_steps": 4}
    return plain.Dqn(buffer_size=REPLAY, learning_starts=num_envs, target_update_interval=10 * num_envs, **pace)


def roof_gflops(size: int) -> float:
    """Return the best product of two square float32 matrices at the default precision of now."""
    left, right = (jax.random.normal(jax.random.key(k), (size, size)) for k in range(2))
    product = jax.jit(jax.numpy.matmul)
    return best_gflops(lambda: product(left, right).block_until_ready(), size, time.perf_counter)


def speed(agent: str, num_envs: int, seconds: float, roof: float) -> dict[str, Any]:
    config = config_of(agent, num_envs)
    built = build.build(config, num_envs)
    pace = time_chunks(build.training(built, build.generated(build.Shape(bars=10_000))), seconds)
    rate, flops = pace.env_steps / pace.seconds, flops_per_env_step(config, built.policy)
    return {
        "agent": agent,
        "envs": num_envs,
        "env_steps_per_s": rate,
        "updates_per_s": pace.updates / pace.seconds,
        "flops_per_env_step": flops,
        "share_of_roof": 1e-9 * flops * rate / roof,
        "compile_s": pace.compile_s,
        "device_peak_mib": peak_mib(),
    }


def seed_costs(counts: tuple[int, ...], num_envs: int, seconds: float) -> list[dict[str, Any]]:
    """Return the time of equally many iterations of each seed, beside that of one seed."""
    agent, world = build.build(plain.A2c(), num_envs), build.generated(build.Shape(bars=10_000))
    found: list[dict[str, Any]] = []
    for count in counts:
        pace = time_chunks(build.training(agent, world, count), seconds)
        rate = pace.env_steps / pace.seconds
        relative = count * found[0]["env_steps_per_s"] / rate if found else 1.0
        found.append({"seeds": count, "envs": num_envs, "env_steps_per_s": rate, "relative": relative})
    return found


def peak_mib() -> float | None:
    peak = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return None if peak is None else peak / 2**20


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything at one precision; one process each, since XLA keeps what it compiled."""
    jax.config.update("jax_default_matmul_precision", PRECISIONS[arguments.precision])
    roof = roof_gflops(arguments.size)
    rows = [speed(agent, n, arguments.seconds, roof) for agent in ("a2c", "dqn") for n in arguments.envs]
    counts = (1, 2) if arguments.quick else SEEDS
    return {
        "precision": arguments.precision,
        "roof_gflops": roof,
        "rows": rows,
        "seeds": seed_costs(counts, min(SEED_ENVS, max(arguments.envs)), arguments.seconds),
    }


def device_name() -> str:
    """Return the model of the GPU, or say that there is none."""
    device = jax.devices()[0]
    return device.device_kind if device.platform == "gpu" else "the CPU"


def one_part(precision: str, arguments: argparse.Namespace) -> dict[str, Any]:
    words = [sys.executable, __file__, "--precision", precision, "--seconds", str(arguments.seconds)]
    words += ["--size", str(arguments.size), "--envs", *map(str, arguments.envs), *["--quick"] * arguments.quick]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = common_parser(__doc__)
    parser.add_argument("--cpu", action="store_true", help="measure on the CPU where there is no GPU")
    parser.add_argument("--envs", type=int, nargs="+", default=list(ENVS))
    parser.add_argument("--seconds", type=float, default=3.0, help="timed, of each row")
    parser.add_argument("--size", type=int, default=8192, help="rows of the matrices of the roof")
    parser.add_argument("--precision", choices=list(PRECISIONS), help=argparse.SUPPRESS)  # for the process of one part
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.envs, arguments.seconds, arguments.size = [64, 128], 0.1, 512
    if arguments.precision:
        print(json.dumps(measure(arguments)))
        return
    if jax.default_backend() != "gpu" and not (arguments.cpu or arguments.quick):
        sys.exit("gpu.py: JAX sees no GPU (pip install 'jax[cuda12]'); --cpu measures the CPU")
    figures = {
        "device": device_name(),
        "parts": [one_part(precision, arguments) for precision in PRECISIONS],
        "versions": {name: version(name) for name in ("jax", "keras", "numpy")},
        "target_env_steps_per_s": TARGET,
        "seed_limit": SEED_LIMIT,
    }
    for table in tables(figures):
        print_table(table)
    store(arguments, "gpu", figures)


if __name__ == "__main__":
    main()
