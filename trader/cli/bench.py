"""`trader bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trader.cli.params import BackendOption, DeviceOption, JsonOption, ThreadsOption, examples
from trader.errors import TraderError

if TYPE_CHECKING:
    from trader.bench.suite import Figures
    from trader.config import Experiment

EXAMPLES = examples(
    "trader bench",
    "trader bench --agent a2c --n-envs 256 --seconds 10",
    "trader bench --config configs/nasdaq-dqn.yaml --json",
)
MOST_SEEDS = 1024


def bench(
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Experiment file (YAML) to measure; default: the standard workload."),
    ] = None,
    agent: Annotated[
        Literal["a2c", "dqn", "reinforce"] | None,
        typer.Option(help="Only this agent of the standard workload; default: a2c and dqn."),
    ] = None,
    n_envs: Annotated[
        int | None, typer.Option(min=1, max=65_536, metavar="N", help="Environments stepped as one batch.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.01, max=3600, metavar="S", help="Seconds of each timed training.")
    ] = 5.0,
    seeds: Annotated[
        str, typer.Option(metavar="N,N,...", help="Numbers of seeds whose cost is compared with that of one.")
    ] = "1,2,4,8",
    backend: BackendOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Measure training and backtest on this machine: speed, share of what its matrix products allow, memory."""
    counts = parse_seeds(seeds)
    if config is not None and agent is not None:
        raise TraderError("trader bench: --agent belongs to the standard workload; with --config the file names it")
    experiments = _experiments(config, agent, n_envs, backend)
    from trader.cli.quiet import Compute, start_backend
    from trader.cores import num_cores

    start_backend(
        backend or experiments[0].backend, Compute(device, threads=threads, cpu_devices=min(max(counts), num_cores()))
    )
    from trader.bench.suite import Plan, run_suite
    from trader.cli.console import Console

    console = Console(silent=json)
    console.line(f"About {_forecast(len(experiments), seconds):.0f} s; what else runs here meanwhile slows the figures")
    base = config.parent if config is not None else Path()
    _deliver(run_suite(Plan(experiments, base, seconds, counts), console.line), json)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the numbers of `1,2,4,8`, ascending, with 1 among them, since all are compared with it.

    Raises:
        TraderError: something else than whole numbers of at least 1.

    Example:
        >>> parse_seeds("8,2")
        (1, 2, 8)
    """
    words = [word.strip() for word in text.split(",")]
    numbers = {int(word) if word.isascii() and word.isdecimal() and len(word) < 6 else 0 for word in words}
    if min(numbers) < 1 or max(numbers) > MOST_SEEDS:
        raise TraderError(f'--seeds: must be whole numbers of 1 to {MOST_SEEDS}, such as 1,2,4,8; received "{text}"')
    return tuple(sorted(numbers | {1}))


def _experiments(config: Path | None, agent: str | None, n_envs: int | None, backend: str | None) -> list[Experiment]:
    if config is None:
        from trader.bench.standard import standard_experiments

        return standard_experiments(agent, n_envs)
    from trader.config.load import load_experiment

    overrides = [] if n_envs is None else [f"train.n_envs={n_envs}"]
    return [load_experiment(config, overrides if backend is None else [*overrides, f'backend="{backend}"'])]


def _forecast(num_trainings: int, seconds: float) -> float:
    """Return roughly how long everything takes: each training also compiles and warms up."""
    return num_trainings * (seconds + 8.0) + 20.0


def _deliver(figures: Figures, as_json: bool) -> None:
    from trader.bench import words
    from trader.bench.suite import figures_json
    from trader.cli.console import print_json, print_table

    if as_json:
        print_json(figures_json(figures))
        return
    typer.echo()
    for table in (words.training_table(figures), words.seeds_table(figures)):
        print_table(*table)
        typer.echo()
    for line in (*words.undefined_lines(figures), words.roof_line(figures), words.backtest_line(figures)):
        typer.echo(line)
    typer.echo(words.machine_line(figures))
