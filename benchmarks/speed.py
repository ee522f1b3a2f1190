"""Speed of our training loop beside other libraries, one process after the other on this machine.

Before the rounds each side tries its numbers of environments (if it has several) and one thread beside its libraries'
default; the fastest goes on and is measured anew. In each round all sides of a block run in turn, in the opposite order
in every other round, so that a machine that slows down slows all. A ratio is that of two measurements of one round.
"""

import argparse
import sys
from typing import Any

from place import RESULTS, common_parser, store, stored
from process import Job, MeasurementError, run, say
from search import fastest
from speed_blocks import Block, Side, blocks
from speed_tables import print_tables

SIZES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class Measured:
    """One side's choices and rounds; a side that failed keeps the reason."""

    def __init__(self, side: Side, tried: list[dict[str, Any]]):
        self.side, self.job, self.size, self.tried = side, None, 0, tried
        self.rounds: list[dict[str, Any]] = []
        self.error: str | None = None

    def choose(self, arguments: argparse.Namespace) -> None:
        """Find the number of environments and of threads."""
        short = times_of(self.side, arguments.try_seconds, arguments.warmup)

        def job(size: int) -> Job:
            return self.side.job(size, short, arguments.peer_python)

        try:
            self.size = self.side.sizes[0]
            if len(self.side.sizes) > 1:
                self.size = fastest(self.side.sizes, lambda size: self._try(job(size), size))
            threads = max(arguments.threads, key=lambda n: self._try(job(self.size).with_threads(n), self.size))
        except MeasurementError as error:
            self.fail(error)
            return
        whole = times_of(self.side, arguments.seconds, arguments.warmup)
        self.job = self.side.job(self.size, whole, arguments.peer_python).with_threads(threads)

    def _try(self, job: Job, size: int) -> float:
        for tried in self.tried:
            if (tried["envs"], tried["threads"]) == (size, job.threads):
                return tried["env_steps_per_s"]
        figures = run(job)
        self.tried.append({"envs": size} | {key: figures[key] for key in ("threads", "env_steps_per_s")})
        return figures["env_steps_per_s"]

    def measure(self) -> None:
        if self.job is None:
            return
        try:
            self.rounds.append(run(self.job))
        except MeasurementError as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        say(f"  {self.side.title}: {error}")
        self.job, self.rounds, self.error = None, [], str(error)

    def record(self) -> dict[str, Any]:
        named = {"title": self.side.title, "work": self.side.work, "backend": self.side.backend, "envs": self.size}
        threads = self.job.threads if self.job else None
        return named | {"threads": threads, "tried": self.tried, "rounds": self.rounds, "error": self.error}


def times_of(side: Side, seconds: float, warmup: float) -> tuple[str, ...]:
    """Ours warms up by itself."""
    return ("--seconds", str(seconds)) if side.work else ("--seconds", str(seconds), "--warmup", str(warmup))


def measure_block(block: Block, arguments: argparse.Namespace, tried: dict[Side, list[Any]]) -> dict[str, Any]:
    """Measure a block; `tried` keeps what ours tried for the next block."""
    sides = [Measured(side, tried.setdefault(side, [])) for side in block.sides]
    for side in sides:
        say(f"{block.key}: choosing environments and threads of {side.side.key}")
        side.choose(arguments)
    for turn in range(arguments.rounds):
        for side in sides if turn % 2 == 0 else reversed(sides):
            say(f"{block.key}: round {turn + 1} of {arguments.rounds}: {side.side.key}")
            side.measure()
    return {"title": block.title, "sides": {side.side.key: side.record() for side in sides}}


def main() -> None:
    parser = common_parser(__doc__)
    parser.add_argument("--peer-python", required=True, help="python of the environment with the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="measured time of each process")
    parser.add_argument("--warmup", type=float, default=2.0, help="unmeasured time before it, at least one update")
    parser.add_argument("--try-seconds", type=float, default=2.0, help="measured time while choosing")
    parser.add_argument("--threads", type=int, nargs="+", default=[0, 1], help="numbers to choose from; 0 = default")
    parser.add_argument("--only", nargs="+", help="blocks to measure; the other stored ones stay as they are")
    arguments = parser.parse_args()
    search = SIZES
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.warmup, arguments.try_seconds = 1, 0.5, 0.3, 0.3
        arguments.threads, search = [1], (8, 64)
    chosen = [block for block in blocks(search) if not arguments.only or block.key in arguments.only]
    if not chosen:
        sys.exit(f"--only: blocks are {', '.join(block.key for block in blocks(search))}")
    tried: dict[Side, list[Any]] = {}
    figures = {"seconds": arguments.seconds, "num_rounds": arguments.rounds, "blocks": _kept(arguments)}
    for block in chosen:
        figures["blocks"][block.key] = measure_block(block, arguments, tried)
        store(arguments, "speed", figures)  # after each block: an interrupted suite keeps what it has
    print_tables(figures)


def _kept(arguments: argparse.Namespace) -> dict[str, Any]:
    before = stored(arguments.results or RESULTS, "speed") if arguments.only else None
    return before["blocks"] if before and before["quick"] == arguments.quick else {}


if __name__ == "__main__":
    main()
