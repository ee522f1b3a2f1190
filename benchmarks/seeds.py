"""What 2, 4 and 8 seeds in one program cost beside one, on JAX.

As `trader train` does, the seeds are shared out over as many devices as the CPU has cores; one seed runs on one of
them. One process holds the programs of all numbers of seeds, compiled; chunks of equally many iterations of each seed
are timed in turn, in the opposite order in every other round. A figure is the median of the rounds' own ratios.
"""

import argparse
import json
import os
import statistics
import sys
import time
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

from place import common_parser, num_cores, store
from process import Job, MeasurementError, run, say
from tables import Table, print_table

COUNTS, LIMIT = (1, 2, 4, 8), 8.5
WORKS = {"A2C, 8 environments": ("a2c", 8), "A2C, 64 environments": ("a2c", 64), "DQN, 16 environments": ("dqn", 16)}
COLUMNS = ("work", "seeds", "time beside one seed (least … most)", "env steps/s of all seeds", "limit")


def measure_work(agent: str, num_envs: int, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Return one record per number of seeds."""
    import build
    import plain

    config = plain.A2c() if agent == "a2c" else build.dqn_config(num_envs, 32, 4)
    world, groups = build.generated(build.Shape()), {}
    for count in COUNTS:
        groups[count] = build.Training(build.build(config, num_envs), world, count)
        while groups[count].advance(20).updates < count:
            pass
    n, size = _chunk(groups[1], seconds), groups[1].trainer.agent.steps_per_iteration
    times: dict[int, list[float]] = {count: [] for count in COUNTS}
    for turn in range(rounds):
        for count in COUNTS if turn % 2 == 0 else reversed(COUNTS):
            times[count].append(_seconds(groups[count], n))
    return [_record(count, times, n * size) for count in COUNTS]


def _seconds(group: Any, n: int) -> float:
    began = time.perf_counter()
    group.advance(n)
    return time.perf_counter() - began


def _chunk(group: Any, seconds: float) -> int:
    n = 1
    while (took := _seconds(group, n)) < seconds / 2:
        n = max(1, min(4 * n, int(n * seconds / took)))
    return n


def _record(count: int, times: dict[int, list[float]], steps: int) -> dict[str, Any]:
    ratios = [own / one for own, one in zip(times[count], times[1], strict=True)]
    speed = count * steps / statistics.median(times[count])
    return {"seeds": count, "ratios": ratios, "env_steps_per_s": speed, "seconds": statistics.median(times[count])}


def table(figures: dict[str, Any]) -> Table:
    rows = [_row(work, one) for work, records in figures["works"].items() for one in records]
    return Table("Seeds in one program (JAX)", COLUMNS, rows)


def _row(work: str, one: dict[str, Any]) -> tuple[str, ...]:
    ratios = one["ratios"]
    cost = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f})"
    limit = f"at most {LIMIT}" if one["seeds"] == COUNTS[-1] else "–"
    return (work, str(one["seeds"]), cost, f"{one['env_steps_per_s']:,.0f}", limit)


def main() -> None:
    parser = common_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--chunk-seconds", type=float, default=0.5, help="about how long a chunk of one seed takes")
    parser.add_argument("--work", choices=list(WORKS), help=argparse.SUPPRESS)  # given to the process of one work
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.chunk_seconds = 3, 0.05
    if arguments.work:
        print(json.dumps({"records": measure_work(*WORKS[arguments.work], arguments.rounds, arguments.chunk_seconds)}))
        return
    options = ("--rounds", str(arguments.rounds), "--chunk-seconds", str(arguments.chunk_seconds))
    devices = f"--xla_force_host_platform_device_count={num_cores()}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {devices}".strip()
    works, errors = {}, {}
    for work in WORKS:
        say(f"seeds: {work}")
        try:
            works[work] = run(Job(sys.executable, "seeds.py", ("--work", work, *options), threads=1))["records"]
        except MeasurementError as error:
            errors[work] = str(error)
            say(f"  {error}")
    figures = {"works": works, "errors": errors, "num_rounds": arguments.rounds, "limit": LIMIT}
    print_table(table(figures))
    store(arguments, "seeds", figures)


if __name__ == "__main__":
    main()
