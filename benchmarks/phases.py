"""Runs `backtest.py` or `startup.py` on both backends and stores what they print."""

import json
import subprocess
import sys
from typing import Any

from place import HERE, ROOT, common_parser, store
from process import say
from speed_blocks import BACKENDS
from tables import Table, print_table

TOTALS = {"backtest": "after_imports_s", "startup": "to_first_update_s"}


def table(part: str, figures: dict[str, Any]) -> Table:
    """One row per phase, one column per backend."""
    found = figures["backends"]
    phases = list(dict.fromkeys(phase for one in found.values() for phase in one["phase_s"]))
    rows = [(phase, *(_seconds(one["phase_s"].get(phase)) for one in found.values())) for phase in phases]
    rows.append(("all", *(_seconds(one[TOTALS[part]]) for one in found.values())))
    rounds = min((one["rounds"] for one in found.values()), default=0)
    return Table(f"Seconds by phase, medians of {rounds} rounds", ("phase", *found), rows)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def main() -> None:
    parser = common_parser(__doc__)
    parser.add_argument("part", choices=list(TOTALS))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    found = {}
    for backend in BACKENDS:
        say(f"{arguments.part}: {rounds} rounds on {backend}")
        words = [sys.executable, str(HERE / f"{arguments.part}.py"), "--json", "--rounds", str(rounds)]
        done = subprocess.run([*words, "--backend", backend], stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False)
        if done.returncode:
            sys.exit(f"{arguments.part}.py on {backend} ended with {done.returncode}")
        found[backend] = json.loads(done.stdout)
    figures = {"backends": found}
    print_table(table(arguments.part, figures))
    store(arguments, arguments.part, figures)


if __name__ == "__main__":
    main()
