"""Memory: bytes of a stored transition, a process holding 10 million of them, a long NASDAQ run from 10 % to its end.

The replay is filled by playing, so that every page of it is resident; what it takes is the difference between a process
with 10 million transitions and one with 10 thousand. The NASDAQ run is `trader train --config configs/nasdaq-dqn.yaml`
with one seed; its resident memory is read from /proc at every notice of progress.
"""

import argparse
import io
import json
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from place import ROOT, common_parser, store
from process import Job, MeasurementError, run, say
from speed_blocks import BACKENDS
from tables import Table, print_table, spelt

MIB = 2**20
MAX_BYTES, MAX_REPLAY_MB, MAX_GROWTH = 40, 512, 0.02
SMALL, LARGE, STEPS = 10_000, 10_000_000, 5_000_000
FIRST_SHARE = 0.10
CONFIG = ROOT / "configs" / "nasdaq-dqn.yaml"


def resident_bytes(key: str = "VmRSS") -> int:
    """Return a line of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{key}:")).split()[1])


def hold_replay(capacity: int) -> dict[str, Any]:
    """Fill a replay, learn once, and say what the process holds."""
    import build
    from growth_curves import CURVES, Sizes, config_at

    config = config_at(CURVES["replay"], Sizes(envs=16, replay=capacity))
    agent = build.build(config, 16)
    training = build.Training(agent, build.generated(build.Shape()))
    n = min(2_000, capacity // 16)
    while training.advance(n).updates < 1:
        pass
    training.advance(10)
    return {
        "capacity": config.buffer_size,
        "resident_bytes": resident_bytes(),
        "peak_bytes": resident_bytes("VmHWM"),
        "storage_bytes": storage_bytes(agent.variables, config.buffer_size),
    }


def storage_bytes(variables: list[Any], capacity: int) -> int:
    """Return the bytes of all variables with a row for each transition."""
    sizes = {"float32": 4, "int32": 4, "uint32": 4, "float16": 2, "bfloat16": 2, "int16": 2, "int8": 1, "uint8": 1}
    total = 0
    for variable in variables:
        elements = 1
        for axis in variable.shape:
            elements *= int(axis)
        if variable.shape and capacity in tuple(variable.shape):
            total += elements * sizes[str(variable.dtype)]
    return total


def watch_run(steps: int, folder: Path, backend: str) -> dict[str, Any]:
    """Train one seed through the command line and note resident memory at every notice of progress."""
    os.environ["TRADER_LEDGER"] = str(folder / "ledger.jsonl")
    from trader.cli.console import Console
    from trader.cli.main import run as command

    seen: list[tuple[int, int]] = []
    update = Console.update

    def on_update(self: Any, done_steps: int, *rest: Any) -> None:
        if not seen or done_steps >= seen[-1][0] + steps // 200:
            seen.append((done_steps, resident_bytes()))
        update(self, done_steps, *rest)

    Console.update = on_update
    words = ["--seeds", "1", "--backend", backend, "--runs-dir", str(folder)]
    words += ["--set", f"train.total_timesteps={steps}"]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as complaints:
        code = command(["train", "--config", str(CONFIG), *words])
    if code:
        sys.exit(f"trader train ended with {code}: {complaints.getvalue()[-300:]}")
    return {"steps": steps, "samples": seen}


def growth_of(samples: list[tuple[int, int]], steps: int) -> dict[str, float]:
    """Return resident memory at 10 % and at the end, and how far it ever rose above that of 10 %."""
    later = [(step, held) for step, held in samples if step >= FIRST_SHARE * steps]
    first, last, most = later[0][1], later[-1][1], max(held for _, held in later)
    return {"first_bytes": first, "last_bytes": last, "end_growth": last / first - 1, "most_growth": most / first - 1}


def replay_figures(quick: bool, backend: str) -> dict[str, Any]:
    sizes = (SMALL, 20 * SMALL) if quick else (SMALL, LARGE)
    options = [("--hold", str(size)) for size in sizes]
    small, large = (run(Job(sys.executable, "memory.py", option, backend)) for option in options)
    return {
        "small": small,
        "large": large,
        "bytes_per_transition": large["storage_bytes"] / large["capacity"],
        "replay_mb": (large["resident_bytes"] - small["resident_bytes"] + small["storage_bytes"]) / 1e6,
    }


def run_figures(steps: int, backend: str) -> dict[str, Any]:
    found = run(Job(sys.executable, "memory.py", ("--watch", str(steps)), backend))
    return found | growth_of(found["samples"], steps)


def table(figures: dict[str, Any]) -> Table:
    columns = ("figure", "backend", "measured", "limit")
    rows = [row for backend, found in figures["replay"].items() for row in _replay_rows(backend, found)]
    rows += [_run_row(backend, found) for backend, found in figures["run"].items()]
    rows += [(name, "–", f"not measured: {reason}", "–") for name, reason in figures["errors"].items()]
    return Table("Memory", columns, rows)


def _replay_rows(backend: str, found: dict[str, Any]) -> list[tuple[str, ...]]:
    rows, size = found["large"]["capacity"], spelt(found["large"]["capacity"])
    return [
        ("bytes per stored transition", backend, f"{found['bytes_per_transition']:.0f}", str(MAX_BYTES)),
        (
            f"resident memory of {size} transitions",
            backend,
            f"{found['replay_mb']:.0f} MB",
            f"{MAX_REPLAY_MB} MB" if rows == LARGE else "–",
        ),
        (f"process that holds them, peak {found['large']['peak_bytes'] / MIB:,.0f} MiB", backend,
         f"{found['large']['resident_bytes'] / MIB:,.0f} MiB", "–"),
    ]  # fmt: skip


def _run_row(backend: str, found: dict[str, Any]) -> tuple[str, ...]:
    held = f"{found['first_bytes'] / MIB:,.0f} → {found['last_bytes'] / MIB:,.0f} MiB"
    growth = f"{found['end_growth']:+.1%}, at most {found['most_growth']:+.1%}"
    title = f"resident memory of the NASDAQ DQN run, 10 % → 100 % of {spelt(found['steps'])} steps"
    return (title, backend, f"{held} ({growth})", f"+{MAX_GROWTH:.0%}")


def main() -> None:
    parser = common_parser(__doc__)
    parser.add_argument("--steps", type=int, help="of the NASDAQ run")
    parser.add_argument("--hold", type=int, help=argparse.SUPPRESS)  # these two are given to processes of their own
    parser.add_argument("--watch", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.hold:
        print(json.dumps(hold_replay(arguments.hold)))
    elif arguments.watch:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(watch_run(arguments.watch, Path(folder), os.environ["KERAS_BACKEND"])))
    else:
        report(arguments, arguments.steps or (100_000 if arguments.quick else STEPS))


def report(arguments: argparse.Namespace, steps: int) -> None:
    figures: dict[str, Any] = {"replay": {}, "run": {}, "errors": {}}
    for backend in BACKENDS:
        for name, measure in (
            ("replay", lambda b: replay_figures(arguments.quick, b)),
            ("run", lambda b: run_figures(steps, b)),
        ):
            say(f"memory: {name} on {backend}")
            try:
                figures[name][backend] = measure(backend)
            except MeasurementError as error:
                figures["errors"][f"{name}, {backend}"] = str(error)
                say(f"  {error}")
    print_table(table(figures))
    store(arguments, "memory", figures)


if __name__ == "__main__":
    main()
