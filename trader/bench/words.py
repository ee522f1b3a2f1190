"""The figures as people read them: one line about the machine, tables, one line about the backtest."""

from __future__ import annotations

from typing import NamedTuple

from trader.bench.seeds import SeedCost
from trader.bench.suite import Figures
from trader.bench.training import TrainingSpeed
from trader.evaluation.results import Measure, Undefined

_MIB = 2**20


class Table(NamedTuple):
    """A title, names of columns, cells."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def machine_line(figures: Figures) -> str:
    """Return processor, cores, graphics cards, versions (the backend's among them) and date in one line."""
    machine = figures.machine
    parts = [machine.cpu, f"{machine.cores} core{'s' * (machine.cores > 1)}", *machine.gpus]
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return f"{', '.join(parts)}; {versions}; {figures.date}"


def roof_line(figures: Figures) -> str:
    """Return the roof and what it is the better of."""
    roof = figures.roof
    return (
        f"Roof: {roof.gflops:,.0f} GFLOP/s, the better of NumPy's ({roof.numpy_gflops:,.0f}) and"
        f" {figures.machine.backend}'s ({roof.backend_gflops:,.0f}) product of float32 matrices"
    )


def training_table(figures: Figures) -> Table:
    """Return one row per trained experiment."""
    columns = ("agent", "envs", "network", "env steps/s", "updates/s", "of roof", "compile s", "replay B", "peak MiB")
    title = "Training (env steps of all environments; peak memory of the process so far)"
    return Table(title, columns, [_training_row(speed) for speed in figures.training])


def _training_row(speed: TrainingSpeed) -> tuple[str, ...]:
    return (
        speed.agent,
        f"{speed.n_envs:,}",
        "-".join(map(str, speed.net_arch)),
        f"{speed.env_steps_per_s:,.0f}",
        f"{speed.updates_per_s:,.0f}",
        _cell(speed.share_of_roof, ".0%"),
        f"{speed.compile_s:.1f}",
        _cell(speed.bytes_per_transition, ".0f"),
        f"{speed.peak_memory_bytes / _MIB:,.0f}",
    )


def seeds_table(figures: Figures) -> Table:
    """Return one row per number of seeds."""
    first = figures.training[0]
    columns = ("agent", "envs", "seeds", "time beside one seed", "env steps/s")
    rows = [(first.agent, f"{first.n_envs:,}", *_seed_cells(cost)) for cost in figures.seeds.costs]
    return Table(f"Seeds, {figures.seeds.how}", columns, rows)


def _seed_cells(cost: SeedCost) -> tuple[str, ...]:
    return str(cost.seeds), f"{cost.relative:.2f} ×", f"{cost.env_steps_per_s:,.0f}"


def backtest_line(figures: Figures) -> str:
    """Return the speed of a backtest and of its two halves."""
    speed = figures.backtest
    return (
        f"Backtest: {speed.bars_per_s:,.0f} bars/s ({speed.greedy_bars_per_s:,.0f} greedy pass,"
        f" {speed.ledger_bars_per_s:,.0f} ledger; {speed.bars:,} bars, compiled in {speed.compile_s:.1f} s)"
    )


def undefined_lines(figures: Figures) -> list[str]:
    """Return why a share of the roof is missing, a line for each such row."""
    shares = [(speed.agent, speed.share_of_roof) for speed in figures.training]
    return [f"{agent}: no share of the roof: {share.reason}" for agent, share in shares if isinstance(share, Undefined)]


def _cell(value: Measure, form: str) -> str:
    return "–" if isinstance(value, Undefined) else format(value, form)
