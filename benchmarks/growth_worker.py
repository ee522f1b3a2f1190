"""One growth curve on one backend per process, printed as one JSON line; see `growth.py`."""

import argparse
import json
import os
import resource
import statistics
import time
from importlib.metadata import version
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import build
from growth_curves import CURVES, Curve, bytes_needed, config_at

from trader.agents.agent import Agent
from trader.bench.machine import peak_memory_bytes

MAX_GROWTH = 4


class Point:
    """One size: its compiled training and what was timed.

    A compiler that sees new shapes, or constants in place of arguments, traces `iterate` again: so tracings count
    compilations.
    """

    def __init__(self, curve: Curve, size: int):
        self.size, self.sizes = size, curve.at(size)
        self.shape = build.Shape(self.sizes.assets, self.sizes.bars, self.sizes.features, self.sizes.window)
        self.traces, self.times, self.second = 0, [], None
        agent = self._counted(build.build(config_at(curve, self.sizes), self.sizes.envs, self.shape))
        self.training = build.Training(agent, build.generated(self.shape), self.sizes.seeds)
        first = self.seconds(1)
        self.compile_s = max(0.0, first - self.seconds(1))
        self.n = 1

    def _counted(self, agent: Agent) -> Agent:
        def iterate(*arguments: Any) -> Any:
            self.traces += 1
            return agent.iterate(*arguments)

        return agent._replace(iterate=iterate)

    def seconds(self, n: int) -> float:
        began = time.perf_counter()
        self.counts = self.training.advance(n)
        return time.perf_counter() - began

    def warm_up(self, chunk_seconds: float) -> None:
        """Fill the replay, learn at least once, and find out how many iterations a chunk takes."""
        while self.counts.updates < 1:
            self.n = self._longer(self.seconds(self.n), 1.0)
        self.n = 1
        while (took := self.seconds(self.n)) < chunk_seconds / 2:
            self.n = self._longer(took, chunk_seconds)

    def _longer(self, took: float, wanted: float) -> int:
        return max(1, min(MAX_GROWTH * self.n, int(self.n * wanted / max(took, 1e-6))))

    def time_chunk(self) -> None:
        self.times.append(self.seconds(self.n) / self.n)

    def try_second_data_set(self) -> None:
        """Time the first call with other prices of the same shape beside later ones."""
        before, usual = self.traces, statistics.median(self.times) * self.n
        self.training.world = build.generated(self.shape, seed=1)
        float(self.training.world.market.features[-1, -1, -1])  # it has arrived on the device
        first = self.seconds(self.n)
        later = min(usual, *(self.seconds(self.n) for _ in range(3)))
        self.second = {"new_traces": self.traces - before, "first_s": first, "first_over_next": first / later}

    def record(self, smallest: "Point") -> dict[str, Any]:
        pairs = zip(self.times, smallest.times, strict=True)
        return {
            "size": self.size,
            "seconds": statistics.median(self.times),
            "all_seconds": self.times,
            "relative": statistics.median(own / other for own, other in pairs),
            "fastest_relative": min(self.times) / min(smallest.times),
            "iterations_per_chunk": self.n,
            "env_steps_per_iteration": self.training.trainer.agent.steps_per_iteration * self.sizes.seeds,
            "compile_s": self.compile_s,
            "estimated_bytes": bytes_needed(self.sizes),
            "peak_mib": self.peak / 2**20,
            "second": self.second,
        }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    curve = CURVES[arguments.curve]
    points: list[Point] = []
    for size in arguments.sizes:
        point = Point(curve, size)
        point.warm_up(arguments.seconds)
        if curve.limit == "flat" and points:
            point.n = points[0].n  # equal chunks: what a chunk costs once must not hide in a longer one
        point.peak = peak_memory_bytes()
        points.append(point)
    for turn in range(arguments.rounds):
        for point in points if turn % 2 == 0 else reversed(points):
            point.time_chunk()
    for point in points:
        if arguments.curve.startswith("bars"):
            point.try_second_data_set()
    backend = build.backend_name()
    return {
        "points": [point.record(points[0]) for point in points],
        "versions": {name: version(name) for name in (backend, "keras", "numpy")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curve", choices=list(CURVES), required=True)
    parser.add_argument("--sizes", type=int, nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2, help="of a chunk")
    parser.add_argument("--memory-gib", type=float, default=16.0)
    arguments = parser.parse_args()
    # What the estimate missed ends this process, not the machine.
    limit = int((arguments.memory_gib + 4) * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    print(json.dumps(measure(arguments)))


if __name__ == "__main__":
    main()
