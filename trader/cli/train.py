"""`trader train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from trader.cli.params import (
    BackendOption,
    CompileCacheOption,
    Device,
    DeviceOption,
    RunsDirOption,
    SetOption,
    ThreadsOption,
    command_line,
    examples,
)
from trader.errors import TraderError

if TYPE_CHECKING:
    from trader.config import Experiment

EXAMPLES = examples(
    "trader train --config configs/quickstart.yaml",
    "trader train --config configs/nasdaq-dqn.yaml --set agent.gamma=0.9 --seeds 3",
    "trader train --resume runs/quickstart/20240101T120000Z-1a2b",
)


def train(
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Experiment file (YAML) to start a run of.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Interrupted run to finish: folder or name.")
    ] = None,
    set_: SetOption = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of the first repetition.")] = None,
    seeds: Annotated[int | None, typer.Option(metavar="N", help="Number of independent repetitions.")] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the run: its folder below --runs-dir.")
    ] = None,
    runs_dir: RunsDirOption = Path("runs"),
    backend: BackendOption = None,
    device: DeviceOption = "auto",
    compile_cache: CompileCacheOption = None,
    threads: ThreadsOption = None,
    inexact: Annotated[
        bool, typer.Option("--inexact", help="Resume although config, prices or versions differ.")
    ] = False,
) -> None:
    """Train agents on the training dates of an experiment, or finish an interrupted run."""
    if (config is None) == (resume is None):
        raise TraderError("trader train: give either --config FILE or --resume RUN")
    overrides = [*(set_ or ()), *_overrides({"seed": seed, "seeds": seeds, "name": name, "backend": backend})]
    if config is not None:
        _start(config, overrides, runs_dir, _Asked(device, compile_cache, threads))
    else:
        _resume(str(resume), overrides, runs_dir, _Asked(device, compile_cache, threads), inexact)


def _overrides(named: dict[str, int | str | None]) -> list[str]:
    """Return options as `--set` texts; JSON quoting keeps a name such as `on` or `1e3` text."""
    import json

    return [f"{key}={json.dumps(value)}" for key, value in named.items() if value is not None]


class _Asked(NamedTuple):
    """What the options say about computing."""

    device: Device
    compile_cache: Path | None
    threads: int | None

    def start(self, experiment: Experiment) -> None:
        from trader.cli.quiet import Compute, start_backend
        from trader.cores import num_cores

        train = experiment.train
        groups = min(
            train.seeds_per_program or experiment.seeds, experiment.seeds, num_cores() // train.devices_per_seed
        )
        devices = max(groups, 1) * train.devices_per_seed
        compute = Compute(self.device, train.precision, self.compile_cache, self.threads, devices)
        start_backend(experiment.backend, compute)


def _start(config: Path, overrides: list[str], runs_dir: Path, asked: _Asked) -> None:
    from trader.config.load import load_experiment

    experiment = load_experiment(config, overrides)
    asked.start(experiment)
    from trader.cli.console import Console
    from trader.runs import execute
    from trader.runs.options import TrainOptions

    options = TrainOptions(experiment, config.parent, runs_dir, asked.device, command_line())
    typer.echo(f"Run: {execute.train(options, Console())}")


def _resume(run: str, overrides: list[str], runs_dir: Path, asked: _Asked, inexact: bool) -> None:
    from trader.runs.folder import find_run

    found = find_run(run, runs_dir)
    from trader.runs.manifest import read_manifest
    from trader.runs.stored import stored_experiment

    asked.start(stored_experiment(found, read_manifest(found.path), overrides))
    from trader.cli.console import Console
    from trader.runs import execute
    from trader.runs.options import ResumeOptions

    options = ResumeOptions(found, tuple(overrides), inexact, command_line())
    typer.echo(f"Run: {execute.resume(options, Console())}")
