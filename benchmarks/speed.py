"""Speed and memory of our training loop beside Stable-Baselines3, one process after the other on this machine.

Every figure of the report is a median over rounds of this run. Ours and a peer are measured next to each other, and the
order alternates from round to round, so that a machine that slows down slows both.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
REPORT = HERE.parent / "docs" / "benchmarks.md"
PEERS = ("gym-anytrading", "gym-trading-env")
TIMEOUT_SECONDS = 600
THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Work:
    """One row: our environments beside the peers' environments, at equal batch and updates per environment step."""

    title: str
    agent: str
    our_envs: int
    peer_envs: int


WORKS = (
    Work("A2C, 8 environments, 5 steps", "a2c", 8, 8),
    Work("A2C, 64 environments, 5 steps", "a2c", 64, 64),
    Work("DQN, 1 update of 32 per 4 environment steps; peer with 1 environment", "dqn", 16, 1),
    Work("DQN, the same; peer with 16 environments", "dqn", 16, 16),
)


@dataclass
class Samples:
    """Measurements of one command, one dictionary per round."""

    rounds: list[dict] = field(default_factory=list)

    def median(self, key: str) -> float | None:
        values = [measured[key] for measured in self.rounds if measured[key] is not None]
        return statistics.median(values) if values else None


def run_once(python: str, script: str, arguments: list[str], threads: int) -> dict:
    """Measure in a process of its own; `threads` 0 leaves the library's default."""
    command = [python, str(HERE / script), *arguments]
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", *THREAD_VARIABLES)}
    if threads:
        clean |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, env=clean)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"asked_threads": threads}


class Bench:
    """Runs the measurements and keeps their samples."""

    def __init__(self, peer_python: str, times: list[str]):
        self.peer_python, self.times = peer_python, times
        self.ours: dict[tuple, Samples] = {}
        self.peers: dict[tuple, Samples] = {}

    def measure_ours(self, work: Work, peer: str) -> None:
        arguments = ["--agent", work.agent, "--num-envs", str(work.our_envs), *self.times]
        self._measure(self.ours.setdefault((work, peer), Samples()), sys.executable, "ours.py", arguments)

    def measure_peer(self, work: Work, peer: str) -> None:
        arguments = ["--env", peer, "--agent", work.agent, "--num-envs", str(work.peer_envs), *self.times]
        self._measure(self.peers.setdefault((work, peer), Samples()), self.peer_python, "peers_sb3.py", arguments)

    def _measure(self, samples: Samples, python: str, script: str, arguments: list[str]) -> None:
        """The first round tries one thread and the library's default; the better of the two goes on."""
        tries = [samples.rounds[0]["asked_threads"]] if samples.rounds else [0, 1]
        measured = [run_once(python, script, arguments, threads) for threads in tries]
        samples.rounds.append(max(measured, key=lambda one: one["env_steps_per_s"]))

    def measure(self, num_rounds: int) -> None:
        for turn in range(num_rounds):
            for work in WORKS:
                for peer in PEERS:
                    print(f"round {turn + 1} of {num_rounds}: {work.title}, {peer}", file=sys.stderr, flush=True)
                    pair = [self.measure_ours, self.measure_peer]
                    for measure in pair if turn % 2 == 0 else reversed(pair):
                        measure(work, peer)


def threads_of(samples: Samples) -> str:
    return str(samples.rounds[0]["asked_threads"] or "default")


def count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def speed_rows(bench: Bench) -> list[list[str]]:
    rows = []
    for (work, peer), theirs in bench.peers.items():
        ours = bench.ours[work, peer]
        pairs = zip(ours.rounds, theirs.rounds, strict=True)
        ratio = statistics.median(a["env_steps_per_s"] / b["env_steps_per_s"] for a, b in pairs)
        rows.append(
            [
                work.title,
                peer,
                count(ours.median("env_steps_per_s")),
                count(theirs.median("env_steps_per_s")),
                f"{ratio:.1f}",
                count(ours.median("updates_per_s")),
                count(theirs.median("updates_per_s")),
                f"{threads_of(ours)} / {threads_of(theirs)}",
            ]
        )
    return rows


def memory_rows(bench: Bench) -> list[list[str]]:
    rows = []
    for (work, peer), theirs in bench.peers.items():
        ours = bench.ours[work, peer]
        stored = [count(side.median("bytes_per_transition")) for side in (ours, theirs)]
        peaks = [count(side.median("peak_mib")) for side in (ours, theirs)]
        rows.append([work.title, peer, *stored, *peaks])
    return rows


CONDITIONS = """## What is equal, and what is not

- Network inputs: 196 on both sides, a window of 32 bars × 6 features and four account values. The peers' environments
  have no account values beside their window, so a subclass appends four that they keep anyway (position, profit, bars
  since the last trade or episode, and zero where they have no fourth).
- Network: two hidden layers of 64 with ReLU; A2C's actor and critic share them. Adam, equal learning rates, gradient
  clipping, batch and updates per environment step. DQN: uniform replay of 100,000 transitions, one update of 32 per 4
  environment steps (ours: 4 updates after every 16 steps of 16 environments).
- Ours accounts for fees, slippage, borrow interest, shorts, ruin and action masks, fills at the next open and plays
  252-bar episodes. Gym-Trading-Env charges fees and interest and plays the same positions and episodes. gym-anytrading
  knows two positions, charges fees in its profit but not in its reward, and plays the whole file.
- Stable-Baselines3 runs its environments in one process (`DummyVecEnv`) on the CPU. On both sides the first round tries
  one thread and the library's default; the better goes on.
- Peak memory is that of the whole process, libraries and compiler included.
"""

SPEED_HEAD = [
    "work",
    "peer's environment",
    "ours, env steps/s",
    "peer, env steps/s",
    "ratio",
    "ours, updates/s",
    "peer, updates/s",
    "threads, ours / peer",
]
MEMORY_HEAD = [
    "work",
    "peer's environment",
    "ours, bytes per stored transition",
    "peer, bytes per stored transition",
    "ours, peak memory (MiB)",
    "peer, peak memory (MiB)",
]


def machine() -> str:
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{cpu_model()}, {num_cores()} cores, {system}"


def table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---", "---", *["---:"] * (len(head) - 2)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spelt(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def report(bench: Bench, num_rounds: int, seconds: float) -> str:
    first = next(iter(bench.ours))
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"""# Speed and memory beside Stable-Baselines3

Written by `make bench`; every figure comes from one run of it. Figures move with the machine and its load, ratios less.

- Date: {today}
- Machine: {machine()}
- Ours: {spelt(bench.ours[first].rounds[0]["versions"])}
- Peers: {spelt(bench.peers[first].rounds[0]["versions"])}
- {num_rounds} rounds of {seconds:g} seconds after warm-up and compilation; medians. A ratio is the median of the ratios
  of measurements taken next to each other.

## Speed

{table(SPEED_HEAD, speed_rows(bench))}

## Memory

{table(MEMORY_HEAD, memory_rows(bench))}

{CONDITIONS}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", required=True, help="python of the environment with the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time of each process")
    parser.add_argument("--warmup", type=float, default=2.0, help="unmeasured time before it")
    parser.add_argument("--quick", action="store_true", help="one short round, printed but not written")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.warmup = 1, 2.0, 1.0
    bench = Bench(arguments.peer_python, ["--warmup", str(arguments.warmup), "--seconds", str(arguments.seconds)])
    bench.measure(arguments.rounds)
    text = report(bench, arguments.rounds, arguments.seconds)
    print(text)
    if not arguments.quick:
        REPORT.write_text(text, encoding="utf-8")
        print(f"Written to {REPORT.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
