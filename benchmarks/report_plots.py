"""Which plots the page of the benchmarks shows, from the stored results."""

from pathlib import Path
from typing import Any

from growth_curves import CURVES
from plots import Series, axis_from_zero, bar_chart, line_chart, log_axis
from speed_tables import best_of_ours, median_of, peers_of, works_of
from tables import duration

OURS = "trader, {backend}{more}"


def write_plots(folder: Path, results: dict[str, dict[str, Any] | None]) -> dict[str, str]:
    """Write every plot that the results allow; return file name by the name of what it shows."""
    plots = {}
    if results["speed"]:
        plots |= _speed_plots(results["speed"]["blocks"])
    if results["growth"]:
        for key, by_backend in results["growth"]["curves"].items():
            if any(len(found["points"]) > 1 for found in by_backend.values()):
                plots[f"growth-{key}"] = growth_plot(key, by_backend)
    if results["memory"] and results["memory"]["run"]:
        plots["memory-run"] = memory_plot(results["memory"]["run"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in plots.items():
        (folder / f"{name}.svg").write_text(text, encoding="utf-8")
    return {name: f"{name}.svg" for name in plots}


def _speed_plots(blocks: dict[str, Any]) -> dict[str, str]:
    plots = {}
    for key in ("a2c-8", "a2c-best", "dqn"):
        together = [blocks[name] for name in (key, f"{key}-others") if name in blocks]
        if bars := _bars(together):
            axis = axis_from_zero("environment steps per second", max(value for _, value, _ in bars))
            plots[f"speed-{key}"] = bar_chart(together[0]["title"], axis, bars)
    return plots


def _bars(blocks: list[dict[str, Any]]) -> list[tuple[str, float, str]]:
    sides = []
    for work in works_of(blocks[0]) if blocks else []:
        best = best_of_ours(blocks[0], work)
        more = "" if work == "equal updates" else f", {work}"
        sides.append((OURS.format(backend=best["backend"], more=more), best))
    sides += [(side["title"], side) for block in blocks for side in peers_of(block)]
    found = [(name, median_of(side, "env_steps_per_s")) for name, side in sides]
    return [(_short(name), speed, f"{speed:,.0f}") for name, speed in found if speed]


def _short(name: str) -> str:
    return name.replace("Stable-Baselines3", "SB3").replace(" environments", " env").replace(" environment", " env")


def growth_plot(key: str, by_backend: dict[str, Any]) -> str:
    """Time of an iteration over the size, and a dashed line along which time doubles with size."""
    curve = CURVES[key]
    series = [
        Series(backend, [(point["size"], point["seconds"]) for point in found["points"]])
        for backend, found in by_backend.items()
        if len(found["points"]) > 1
    ]
    sizes = [size for one in series for size, _ in one.points]
    times = [time for one in series for _, time in one.points]
    if curve.limit == "exponent":
        series.append(_proportional(series[0], max(times), max(sizes)))
    x = log_axis(curve.axis, sizes)
    y = log_axis("time per iteration", times, duration)
    return line_chart(curve.title, x, y, series)


def _proportional(series: Series, most: float, largest: float) -> Series:
    """A line of slope 1 through the last point, as far down as the times go."""
    size, time = series.points[-1]
    least = min(value for _, value in series.points)
    first = max(min(a for a, _ in series.points), size * least / time)
    return Series("proportional", [(first, time * first / size), (size, time)], dashed=True)


def memory_plot(runs: dict[str, Any]) -> str:
    series = [
        Series(backend, [(step / 1e6, held / 2**20) for step, held in found["samples"]])
        for backend, found in runs.items()
    ]
    x = axis_from_zero("environment steps (millions)", max(step for one in series for step, _ in one.points))
    y = axis_from_zero("resident memory (MiB)", max(held for one in series for _, held in one.points))
    return line_chart("Resident memory of the NASDAQ DQN run", x, y, series)
