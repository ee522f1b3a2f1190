"""`trader evaluate`, `trader backtest`, `trader report`: judging a finished run."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trader.cli.params import (
    BackendOption,
    CompileCacheOption,
    Device,
    DeviceOption,
    JsonOption,
    RunArgument,
    RunsArgument,
    RunsDirOption,
    command_line,
    examples,
)
from trader.errors import TraderError, nearest

if TYPE_CHECKING:
    from trader.runs.folder import RunFolder

EVALUATE_EXAMPLES = examples("trader evaluate quickstart", "trader evaluate quickstart nasdaq-a2c --split train --json")
BACKTEST_EXAMPLES = examples(
    "trader backtest quickstart",
    "trader backtest quickstart --timerange 20140101-20161231 --checkpoint last --fee 0.002",
)
REPORT_EXAMPLES = examples("trader report quickstart")


def evaluate(
    runs: RunsArgument,
    split: Annotated[
        Literal["valid", "train"], typer.Option(help="Dates to play; held-out dates are for backtest alone.")
    ] = "valid",
    json: JsonOption = False,
    runs_dir: RunsDirOption = Path("runs"),
    backend: BackendOption = None,
    device: DeviceOption = "auto",
    compile_cache: CompileCacheOption = None,
) -> None:
    """Play every kept checkpoint of every seed on the validation or training dates; the best is marked."""
    found = tuple(_playable(run, runs_dir) for run in runs)
    _start_backend(backend or _backend_of(found[0]), device, compile_cache)
    from trader.cli.console import Console
    from trader.cli.results import print_evaluations
    from trader.runs import judge
    from trader.runs.options import EvaluateOptions

    options = EvaluateOptions(found, split)
    print_evaluations(judge.evaluate(options, Console(silent=json)), split, json)


def backtest(
    run: RunArgument,
    timerange: Annotated[
        str | None,
        typer.Option(metavar="FROM-TO", help="First and last date, e.g. 20140101-20181231; default: test dates."),
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(metavar="WHICH", help="Checkpoint that plays: best, last or a step.")
    ] = "best",
    data: Annotated[
        list[Path] | None, typer.Option("--data", metavar="FILE", help="Other price file to play on; repeatable.")
    ] = None,
    fee: Annotated[
        float | None, typer.Option(metavar="R", help="Fraction of traded notional per side; default: as trained.")
    ] = None,
    json: JsonOption = False,
    runs_dir: RunsDirOption = Path("runs"),
    backend: BackendOption = None,
    device: DeviceOption = "auto",
    compile_cache: CompileCacheOption = None,
) -> None:
    """Play the run's agents and the baselines on held-out dates; writes report.html, report.json and two CSV files."""
    dates, which = parse_timerange(timerange), parse_checkpoint(checkpoint)
    if fee is not None and not 0 <= fee < 0.2:
        raise TraderError(f"--fee: must be a fraction ≥ 0 and < 0.2; received {fee:g}")
    found = _playable(run, runs_dir)
    _start_backend(backend or _backend_of(found), device, compile_cache)
    from trader.cli.console import Console
    from trader.cli.results import deliver_backtest
    from trader.runs import judge
    from trader.runs.options import BacktestOptions

    options = BacktestOptions(found, dates, which, tuple(data or ()), fee, command_line())
    deliver_backtest(judge.backtest(options, Console(silent=json)), json)


def report(run: RunArgument, runs_dir: RunsDirOption = Path("runs")) -> None:
    """Print where the report of a run's newest backtest lies (open it in a browser)."""
    from trader.runs.folder import find_run
    from trader.runs.results import result_folders

    found = find_run(run, runs_dir)
    folders = result_folders(found)
    if not folders:
        raise TraderError(f"{found.label}: no backtest yet; make one: trader backtest {found.label}")
    typer.echo(f"Report: {folders[-1] / 'report.html'}")


def _playable(run: str, runs_dir: Path) -> RunFolder:
    """Return a run that has checkpoints; told before the backend's slow start."""
    from trader.runs.checkpoints import checkpoint_steps
    from trader.runs.folder import find_run, no_checkpoints

    found = find_run(run, runs_dir)
    if not any(checkpoint_steps(found.checkpoints(seed)) for seed in found.seeds()):
        raise no_checkpoints(found)
    return found


def _backend_of(run: RunFolder) -> str:
    """Return the backend that a run was trained on; its weights load on any other as well."""
    from trader.runs.manifest import read_manifest

    return str(read_manifest(run.path).get("backend") or "tensorflow")


def _start_backend(backend: str, device: Device, compile_cache: Path | None) -> None:
    from trader.cli.quiet import Compute, start_backend

    start_backend(backend, Compute(device, compile_cache=compile_cache))


def parse_timerange(text: str | None) -> tuple[date, date] | None:
    """Return the dates of `20140101-20181231`, both included; None when not given.

    Raises:
        TraderError: not two dates of eight digits, or the last before the first.
    """
    if text is None:
        return None
    first, _, last = text.partition("-")
    try:
        if len(first) != 8 or len(last) != 8:
            raise ValueError
        dates = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise TraderError(f'--timerange: must be dates such as 20140101-20181231; received "{text}"') from None
    if dates[1] < dates[0]:
        raise TraderError(f"--timerange: ends ({dates[1]}) before it begins ({dates[0]})")
    return dates


def parse_checkpoint(text: str) -> Literal["best", "last"] | int:
    """Return `best`, `last` or the step.

    Raises:
        TraderError: neither.
    """
    if text == "best" or text == "last":
        return text
    if text.isascii() and text.isdecimal():
        return int(text)
    raise TraderError(f'--checkpoint: must be best, last or a step; received "{text}"{nearest(text, ("best", "last"))}')
