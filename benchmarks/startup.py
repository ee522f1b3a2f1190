"""Where the time from `trader train` to the first update goes; every round is a process of its own.

`python benchmarks/startup.py` trains two short seeds of `configs/quickstart.yaml`. The last line is what a further seed
pays before its first update: with the program compiled already, next to nothing.
"""

import time

STARTED = time.time()  # before any other import: what came before is the interpreter's

import argparse  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from contextlib import redirect_stderr, redirect_stdout  # noqa: E402
from importlib import import_module  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

CONFIG = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
SPAWNED = "TRADER_BENCHMARK_SPAWNED"
STEPS = 2000
PHASES = {
    "interpreter": "python itself and this script's imports",
    "command line": "import trader.cli",
    "config": "read and check the YAML file",
    "backend": "import Keras and the compiler",
    "package": "import the rest of trader with pandas, TA-Lib, …",
    "data": "read, check, features, arrays",
    "run folder, network": "until the first seed begins",
    "compile": "until the first update of the first seed",
}
NEXT_SEED = "next seed"


class Marks:
    """Seconds between one event and the next, by the name of the phase that the event ends."""

    def __init__(self, started: float) -> None:
        self.seconds: dict[str, float] = {}
        self._last = started

    def end(self, phase: str) -> None:
        """End a phase; only its first end counts."""
        if phase not in self.seconds:
            now = time.time()
            self.seconds[phase] = now - self._last
            self._last = now

    def ending(self, module: Any, function: str, phase: str) -> None:
        """Let the first return of `module.function` end a phase."""
        inner = getattr(module, function)

        def call(*args: Any, **options: Any) -> Any:
            result = inner(*args, **options)
            self.end(phase)
            return result

        setattr(module, function, call)


def measure(folder: Path, config: Path, backend: str) -> dict[str, float]:
    """Train two short seeds in this process; return seconds by phase."""
    marks = Marks(float(os.environ[SPAWNED]))
    marks.end("interpreter")
    from trader.cli.main import run

    marks.end("command line")
    from trader.cli import quiet
    from trader.config import load

    marks.ending(load, "load_experiment", "config")
    inner = quiet.start_backend

    def start_backend(*args: Any, **options: Any) -> None:
        inner(*args, **options)
        marks.end("backend")
        _watch_training(marks)

    quiet.start_backend = start_backend
    keys = [f"train.{key}={STEPS}" for key in ("total_timesteps", "eval_freq", "save_freq")]
    words = [word for key in keys for word in ("--set", key)]
    words += ["--seeds", "2", "--backend", backend, "--runs-dir", str(folder)]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        code = run(["train", "--config", str(config), *words])
    if code:
        sys.exit(f"trader train {' '.join(words)} failed with {code}")
    return marks.seconds


def _watch_training(marks: Marks) -> None:
    console = import_module("trader.cli.console").Console
    marks.ending(import_module("trader.runs.execute"), "prepare", "data")
    marks.end("package")
    begin, update, begun = console.begin, console.update, []

    def on_begin(self: Any, *args: Any) -> None:
        marks.end("run folder, network")
        begun.append(time.time())
        begin(self, *args)

    def on_update(self: Any, *args: Any) -> None:
        marks.end("compile")
        if len(begun) == 2:
            marks.seconds.setdefault(NEXT_SEED, time.time() - begun[1])
        update(self, *args)

    console.begin, console.update = on_begin, on_update


def summary(rounds: list[dict[str, float]], config: Path, backend: str) -> dict[str, Any]:
    """Return medians over the rounds, with machine and versions."""
    totals = [sum(one[phase] for phase in PHASES) for one in rounds]
    return {
        "config": config.name,
        "phase_s": {phase: statistics.median(one[phase] for one in rounds) for phase in PHASES},
        "to_first_update_s": statistics.median(totals),
        "to_first_update_range_s": [min(totals), max(totals)],
        "next_seed_s": statistics.median(one.get(NEXT_SEED, 0.0) for one in rounds),
        "rounds": len(rounds),
        "backend": backend,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "versions": {name: version(name) for name in ("trader", "keras", backend, "numpy", "pandas")},
    }


def print_summary(found: dict[str, Any]) -> None:
    where = f"{found['backend']}, {found['machine']}, medians of {found['rounds']} rounds"
    print(f"From `trader train` to the first update of {found['config']}; {where}")
    for phase, seconds in found["phase_s"].items():
        print(f"  {phase:20} {seconds:7.3f} s   {PHASES[phase]}")
    least, most = found["to_first_update_range_s"]
    print(f"  {'all':20} {found['to_first_update_s']:7.3f} s   ({least:.2f} … {most:.2f})")
    print(f"  {NEXT_SEED:20} {found['next_seed_s']:7.3f} s   from its begin to its first update")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--rounds", type=int, default=5, help="trainings, each in a process of its own")
    parser.add_argument("--backend", default="tensorflow")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # given to the process of one round
    arguments = parser.parse_args()
    if arguments.folder:
        print(json.dumps(measure(arguments.folder, arguments.config, arguments.backend)))
        return
    rounds = [_one_round(arguments.config, arguments.backend) for _ in range(arguments.rounds)]
    found = summary(rounds, arguments.config, arguments.backend)
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print_summary(found)


def _one_round(config: Path, backend: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as place:
        words = [sys.executable, __file__, "--folder", place, "--config", str(config), "--backend", backend]
        clean = {**os.environ, "TRADER_LEDGER": str(Path(place) / "ledger.jsonl"), SPAWNED: str(time.time())}
        done = subprocess.run(words, capture_output=True, text=True, env=clean, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
