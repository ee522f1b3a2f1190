"""Share of the roof of A2C with 64 environments: operations of its matrix products a second over the best sgemm.

Each round measures, in turn and each in a process of its own, the matrix products of NumPy and of both compilers and
the training on both backends; a share is that of one round. Once with all cores for everyone, once with one core for
everyone. Operations: `trader.bench.flops`.
"""

import statistics
import sys
from typing import Any

from place import common_parser, store
from process import Job, MeasurementError, run, say
from speed_blocks import BACKENDS
from tables import Table, print_table

NETWORKS = ((64, 64), (256, 256))
NUM_ENVS = 64
LIMIT = 0.70
COLUMNS = ("network", "cores", "backend", "env steps/s", "GFLOP/s", "roof, GFLOP/s", "share (least … most)")


def jobs(cores: int, seconds: float) -> dict[str, Job]:
    """Return what one round measures with so many cores (0 = all), by name."""
    found = {f"roof {name}": Job(sys.executable, "sgemm.py", (), name, cores=cores) for name in BACKENDS}
    for network in NETWORKS:
        arch = "-".join(map(str, network))
        options = ("--agent", "a2c", "--num-envs", str(NUM_ENVS), "--seconds", str(seconds), "--net-arch")
        for name in BACKENDS:
            found[f"{arch} {name}"] = Job(sys.executable, "ours.py", (*options, *map(str, network)), name, cores=cores)
    return found


def roof_of(measured: dict[str, dict[str, Any]]) -> float:
    """Return the best matrix product of one round, in GFLOP/s."""
    found = [measured[name] for name in measured if name.startswith("roof ")]
    return max(max(one["numpy_gflops"], one["backend_gflops"]) for one in found)


def share_of(training: dict[str, Any], roof: float) -> float:
    return 1e-9 * training["flops_per_env_step"] * training["env_steps_per_s"] / roof


def measure(cores: int, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Return one record per network and backend."""
    taken: list[dict[str, dict[str, Any]]] = []
    for turn in range(rounds):
        say(f"roof: round {turn + 1} of {rounds}, {cores or 'all'} cores")
        order = list(jobs(cores, seconds).items())
        try:
            taken.append({name: run(job) for name, job in (order if turn % 2 == 0 else reversed(order))})
        except MeasurementError as error:
            say(f"  {error}")
    names = [name for name in jobs(cores, seconds) if not name.startswith("roof ")]
    return [_record(name, cores, taken) for name in names if taken]


def _record(name: str, cores: int, taken: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    network, backend = name.split()
    return {
        "network": network,
        "backend": backend,
        "cores": cores,
        "env_steps_per_s": statistics.median(one[name]["env_steps_per_s"] for one in taken),
        "flops_per_env_step": taken[0][name]["flops_per_env_step"],
        "roof_gflops": statistics.median(map(roof_of, taken)),
        "shares": [share_of(one[name], roof_of(one)) for one in taken],
        "versions": taken[0][name]["versions"],
    }


def table(figures: dict[str, Any]) -> Table:
    return Table(f"A2C, {NUM_ENVS} environments: share of the roof", COLUMNS, [_row(one) for one in figures["rows"]])


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    speed, shares = one["env_steps_per_s"], one["shares"]
    gflops = 1e-9 * one["flops_per_env_step"] * speed
    share = f"{statistics.median(shares):.0%} ({min(shares):.0%} … {max(shares):.0%})"
    cores = str(one["cores"] or "all")
    return (one["network"], cores, one["backend"], f"{speed:,.0f}", f"{gflops:.1f}", f"{one['roof_gflops']:.1f}", share)


def main() -> None:
    parser = common_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 0.5
    rows = [row for cores in (0, 1) for row in measure(cores, arguments.rounds, arguments.seconds)]
    figures = {"rows": rows, "num_rounds": arguments.rounds, "limit": LIMIT}
    print_table(table(figures))
    store(arguments, "roof", figures)


if __name__ == "__main__":
    main()
