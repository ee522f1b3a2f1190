"""`trader config show|schema|init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trader.cli.params import SetOption, examples

app = typer.Typer(rich_markup_mode=None, no_args_is_help=False, help="Write, read and explain experiment files.")


@app.command(
    "show",
    short_help="Print every key, its value and meaning.",
    epilog=examples("trader config show configs/quickstart.yaml --set env.fill=next_close"),
)
def show(
    config: Annotated[Path, typer.Argument(metavar="FILE", help="Experiment file (YAML).")], set_: SetOption = None
) -> None:
    """Print the resolved config: every key, its value, its meaning and range."""
    from trader.config.docs import commented_yaml
    from trader.config.load import load_experiment

    typer.echo(commented_yaml(load_experiment(config, set_ or ())), nl=False)


@app.command(
    "schema",
    short_help="Print the JSON schema, for editors.",
    epilog=examples("trader config schema > experiment.schema.json"),
)
def schema() -> None:
    """Print the JSON schema of experiment files, for editors."""
    from trader.cli.console import print_json
    from trader.config.docs import json_schema

    print_json(json_schema())


@app.command("init", short_help="Write a commented starter.", epilog=examples("trader config init my-experiment.yaml"))
def init(path: Annotated[Path, typer.Argument(metavar="PATH", help="File to write; must not exist yet.")]) -> None:
    """Write a commented starter: every key with its default, meaning and range."""
    from trader.config.docs import write_starter

    write_starter(path)
    typer.echo(f"Wrote {path}; next: trader train --config {path}")
