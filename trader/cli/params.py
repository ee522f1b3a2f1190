"""Options that several commands share, and the form of their examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Device = Literal["auto", "cpu", "gpu"]

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or a run's name for its newest.")]
RunsArgument = Annotated[
    list[str], typer.Argument(metavar="RUN...", help="Run folders, or runs' names for their newest.")
]
ConfigOption = Annotated[Path, typer.Option("--config", metavar="FILE", help="Experiment file (YAML).")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        envvar="TRADER_SET",
        help="Replace one value of the config, e.g. agent.gamma=0.9; repeatable.",
    ),
]
RunsDirOption = Annotated[
    Path, typer.Option("--runs-dir", metavar="FOLDER", envvar="TRADER_RUNS_DIR", help="Folder that holds all runs.")
]
BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        envvar="TRADER_BACKEND",
        help="Compiler under Keras: tensorflow or jax; default: the config's, or the run's.",
    ),
]
DeviceOption = Annotated[
    Device,
    typer.Option("--device", envvar="TRADER_DEVICE", help="Where to compute; auto takes a GPU when there is one."),
]
CompileCacheOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        envvar="TRADER_COMPILE_CACHE",
        help="Where jax keeps compiled programs for later runs; tensorflow keeps none.",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        envvar="TRADER_THREADS",
        help="CPU threads of each program; default: one on jax, tensorflow's own choice.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the same content for machines on stdout.")]


def examples(*lines: str) -> str:
    """Return the end of a command's help: its examples, one a line, not rewrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def command_line() -> tuple[str, ...]:
    """Return the command line as typed, for manifests."""
    import sys

    return ("trader", *sys.argv[1:])
