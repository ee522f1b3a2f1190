"""`trader runs list|show|verify|prune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trader.cli.params import JsonOption, RunArgument, RunsDirOption, examples
from trader.errors import CheckFailedError

app = typer.Typer(rich_markup_mode=None, no_args_is_help=False, help="Find, inspect, verify and prune runs.")


@app.command(
    "list",
    short_help="List runs and how they ended.",
    epilog=examples("trader runs list", "trader runs list quickstart --json"),
)
def list_runs(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only runs of this name.")] = None,
    json: JsonOption = False,
    runs_dir: RunsDirOption = Path("runs"),
) -> None:
    """List runs by name, oldest first: start (UTC, in the name), status, newest checkpoint's step, end."""
    from trader.cli.console import print_json, print_table
    from trader.runs.catalogue import list_runs as records_of

    found = [record for record in records_of(runs_dir) if name in (None, str(record["run"]).split("/")[0])]
    if json:
        print_json(found)
    elif not found:
        typer.echo(f"No runs{f' of the name {name}' if name else ''} in {runs_dir}")
    else:
        columns = ("run", "status", "step", "ended (UTC)")
        rows = [[*(_cell(record[key]) for key in columns[:3]), _to_the_second(record["ended"])] for record in found]
        print_table(f"Runs in {runs_dir}", columns, rows)
        for problem in filter(None, (record["problem"] for record in found)):
            typer.echo(f"Damaged: {problem}")


@app.command(
    "show",
    short_help="Show manifest, checkpoints, backtests of a run.",
    epilog=examples("trader runs show quickstart", "trader runs show quickstart --json"),
)
def show(run: RunArgument, json: JsonOption = False, runs_dir: RunsDirOption = Path("runs")) -> None:
    """Show what a run is: its manifest, seeds, checkpoints and backtests."""
    from trader.cli.console import print_json, print_table
    from trader.runs.catalogue import show_run
    from trader.runs.folder import find_run

    content = show_run(find_run(run, runs_dir))
    if json:
        print_json(content)
    else:
        print_table(str(content["run"]), ("what", "value"), [(key, _cell(value)) for key, value in content.items()])


@app.command(
    "verify", short_help="Look for changed or damaged files.", epilog=examples("trader runs verify quickstart")
)
def verify(run: RunArgument, json: JsonOption = False, runs_dir: RunsDirOption = Path("runs")) -> None:
    """Compare every file of a run with the sha256 that was written when it was finished; exit 3 if one differs."""
    from trader.cli.console import print_json
    from trader.runs.catalogue import verify_run
    from trader.runs.folder import find_run

    found = find_run(run, runs_dir)
    problems = verify_run(found)
    if json:
        print_json({"run": found.label, "problems": problems})
    else:
        for problem in problems:
            typer.echo(problem)
    if problems:
        raise CheckFailedError(f"runs verify: {found.label}: {len(problems)} files are not as they were written")
    if not json:
        typer.echo(f"{found.label}: every file is as it was written")


@app.command(
    "prune",
    short_help="Remove old checkpoints to free disk.",
    epilog=examples("trader runs prune quickstart", "trader runs prune quickstart --keep 3"),
)
def prune(
    run: RunArgument,
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="Newest checkpoints of each seed that stay.")] = 1,
    json: JsonOption = False,
    runs_dir: RunsDirOption = Path("runs"),
) -> None:
    """Remove old checkpoints to free disk; the best and the last of each seed always stay."""
    from trader.cli.console import print_json
    from trader.runs.catalogue import prune_run
    from trader.runs.folder import find_run

    found = find_run(run, runs_dir)
    removed = prune_run(found, keep)
    if json:
        print_json({"run": found.label, "removed": removed})
        return
    for name in removed:
        typer.echo(f"Removed {name}")
    if not removed:
        typer.echo(f"{found.label}: nothing to remove")


def _to_the_second(moment: object) -> str:
    """Return `2024-01-31 10:15:00` of an ISO moment, nothing of null."""
    return str(moment)[:19].replace("T", " ") if moment else ""


def _cell(value: object) -> str:
    """Return a manifest's value in one table cell: lists and mappings as JSON, null as nothing."""
    import json

    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
