"""How the time of a step grows with environments, window, features, assets, bars, replay and seeds.

One process per curve and backend holds all sizes, compiled; then chunks of all sizes are timed in turn, in the opposite
order in every other round. Exponent: slope of log time over log size, least squares over the top decade of the curve.
"""

import argparse
import math
import statistics
import sys
from typing import Any

from growth_curves import CURVES, QUICK, Curve, bytes_needed
from place import RESULTS, common_parser, memory_gib, store, stored
from process import Job, MeasurementError, run, say
from speed_blocks import BACKENDS
from tables import Table, duration, print_table, spelt

MAX_EXPONENT, MAX_CHANGE = 1.1, 0.10
COLUMNS = (
    "size",
    "time per iteration",
    "over the smallest size (fastest chunks)",
    "compile (s)",
    "second data set",
    "peak memory (MiB)",
)


def exponent(sizes: list[float], seconds: list[float]) -> float | None:
    """Return the slope of log seconds over log sizes in the top decade, None for less than two sizes there."""
    pairs = [(size, time) for size, time in zip(sizes, seconds, strict=True) if size >= max(sizes) / 10]
    if len(pairs) < 2:
        return None
    x, y = ([math.log(pair[part]) for pair in pairs] for part in (0, 1))
    mean = statistics.mean(x)
    spread = sum((a - mean) ** 2 for a in x)
    return sum((a - mean) * (b - statistics.mean(y)) for a, b in zip(x, y, strict=True)) / spread


def verdict(curve: Curve, points: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figure that the curve's limit speaks of, and whether it is kept."""
    if len(points) < 2:
        return {"figure": None, "kept": None, "words": "not measured"}
    if curve.limit == "flat":
        change = max(point["relative"] for point in points) - 1.0
        kept = change <= MAX_CHANGE
        return {"figure": change, "kept": kept, "words": f"slowest {change:+.1%} (limit +{MAX_CHANGE:.0%})"}
    slope = exponent([point["size"] for point in points], [point["seconds"] for point in points])
    if slope is None:
        return {"figure": None, "kept": None, "words": "not measured"}
    words = f"exponent {slope:.2f} over the top decade (limit {MAX_EXPONENT})"
    return {"figure": slope, "kept": slope <= MAX_EXPONENT, "words": words}


def fitting(curve: Curve, sizes: tuple[int, ...], limit_gib: float) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the sizes that fit into memory, and the others with the reason."""
    fits, skipped = [], []
    for size in sizes:
        needed = bytes_needed(curve.at(size)) / 2**30
        if needed <= limit_gib:
            fits.append(size)
        else:
            reason = f"needs about {needed:.1f} GiB, more than the {limit_gib:.1f} GiB allowed"
            skipped.append({"size": size, "reason": reason})
    return fits, skipped


def measure(key: str, backend: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return one curve on one backend; when its process fails, the largest size is given up and named."""
    curve = CURVES[key]
    if key == "seeds" and backend == "tensorflow":
        return {"points": [], "skipped": [{"size": None, "reason": "TensorFlow trains one seed after the other"}]}
    sizes, skipped = fitting(curve, QUICK[key] if arguments.quick else curve.sizes, arguments.memory_gib)
    while sizes:
        options = ("--curve", key, "--rounds", str(arguments.rounds), "--seconds", str(arguments.chunk_seconds))
        options += ("--memory-gib", str(arguments.memory_gib), "--sizes", *map(str, sizes))
        say(f"growth: {key} on {backend}: {', '.join(map(spelt, sizes))}")
        try:
            return run(Job(sys.executable, "growth_worker.py", options, backend)) | {"skipped": skipped}
        except MeasurementError as error:
            say(f"  {error}")
            skipped.append({"size": sizes.pop(), "reason": str(error)})
    return {"points": [], "skipped": skipped}


def table(key: str, backend: str, found: dict[str, Any]) -> Table:
    title = f"{CURVES[key].title}, {backend}: {verdict(CURVES[key], found['points'])['words']}"
    rows = [_row(point) for point in found["points"]]
    rows += [
        (spelt(one["size"]) if one["size"] else "all", f"skipped: {one['reason']}", *["–"] * 4)
        for one in found["skipped"]
    ]
    return Table(title, COLUMNS, rows)


def _row(point: dict[str, Any]) -> tuple[str, ...]:
    second = point.get("second")
    words = f"{second['new_traces']} compilations, {second['first_over_next']:.2f} × a later call" if second else "–"
    return (
        spelt(point["size"]),
        duration(point["seconds"]),
        f"{point['relative']:.2f} × ({point['fastest_relative']:.2f} ×)",
        f"{point['compile_s']:.1f}",
        words,
        f"{point['peak_mib']:,.0f}",
    )


def main() -> None:
    parser = common_parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(CURVES), help="curves to measure")
    parser.add_argument("--rounds", type=int, default=9, help="chunks of each size")
    parser.add_argument("--chunk-seconds", type=float, default=0.2, help="about how long a chunk takes")
    free = memory_gib("MemAvailable") or 8.0
    parser.add_argument("--memory-gib", type=float, default=0.6 * free, help="largest estimate of a size")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.chunk_seconds = 3, 0.05
    curves: dict[str, dict[str, Any]] = {}
    for key in arguments.only or CURVES:
        curves[key] = {}
        for backend in BACKENDS:
            found = measure(key, backend, arguments)
            curves[key][backend] = found | {"verdict": verdict(CURVES[key], found["points"])}
            print_table(table(key, backend, found))
            sys.stdout.flush()
        _store(arguments, curves)


def _store(arguments: argparse.Namespace, curves: dict[str, dict[str, Any]]) -> None:
    before = stored(arguments.results or RESULTS, "growth") if arguments.only else None
    kept = before["curves"] if before and before["quick"] == arguments.quick else {}
    store(arguments, "growth", {"curves": kept | curves, "num_rounds": arguments.rounds})


if __name__ == "__main__":
    main()
