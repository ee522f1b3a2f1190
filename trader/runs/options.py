"""What a command asks of a run, as plain frozen records, and how a long job tells where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from trader.config import Experiment
    from trader.evaluation.results import BacktestResult, Measure
    from trader.runs.folder import RunFolder

Device = Literal["auto", "cpu", "gpu"]


class Console(Protocol):
    """Where a long job tells how it stands; the command line gives a bar or plain lines, a test a list."""

    def line(self, text: str) -> None:
        """Say one sentence (an estimate, a resumed step, a warning)."""
        ...

    def begin(self, label: str, total_steps: int, done_steps: int = 0) -> None:
        """Begin a counted job, e.g. `seed 0`; `done_steps` were done before (resume)."""
        ...

    def update(self, done_steps: int, figures: Mapping[str, float]) -> None:
        """Report steps done so far and the newest figures, e.g. `{"valid/log_growth": 0.01}`; cheap to call often."""
        ...

    def end(self) -> None:
        """End the counted job."""
        ...


@dataclass(frozen=True)
class TrainOptions:
    """`trader train --config`.

    Attributes:
        experiment: validated, every override applied.
        base: folder of the config file; relative `data.path` starts there.
        runs_dir: folder that holds all runs.
        device: where to compute; the backend was started with it.
        command: the command line as typed, for the manifest.
    """

    experiment: Experiment
    base: Path
    runs_dir: Path
    device: Device
    command: tuple[str, ...]


@dataclass(frozen=True)
class ResumeOptions:
    """`trader train --resume`; `overrides` are `key.path=value` to be applied to the run's stored config.

    Attributes:
        inexact: go on although config, input bars or package versions differ (recorded in the manifest).
    """

    run: RunFolder
    overrides: tuple[str, ...]
    inexact: bool
    command: tuple[str, ...]


@dataclass(frozen=True)
class EvaluateOptions:
    """`trader evaluate`: every kept checkpoint of every seed on a split that is not held out."""

    runs: tuple[RunFolder, ...]
    split: Literal["valid", "train"]


@dataclass(frozen=True)
class BacktestOptions:
    """`trader backtest`.

    Attributes:
        timerange: first and last date, both included; None = the test segment.
        checkpoint: `best`, `last` or a step.
        price_files: other price files asked for by `--data`; empty = those of the config.
        fee: replaces `env.trading_fees`; None = as trained.
    """

    run: RunFolder
    timerange: tuple[date, date] | None
    checkpoint: Literal["best", "last"] | int
    price_files: tuple[Path, ...]
    fee: float | None
    command: tuple[str, ...]


class Scored(NamedTuple):
    """One kept checkpoint of one seed on a split; `best` marks the one a backtest would play."""

    seed: int
    step: int
    metrics: dict[str, Measure]
    best: bool


class Evaluated(NamedTuple):
    """What `evaluate` found for one run."""

    run: RunFolder
    scores: tuple[Scored, ...]


class Backtested(NamedTuple):
    """A backtest that still has to be written into its (new) folder."""

    folder: Path
    result: BacktestResult
