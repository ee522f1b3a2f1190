"""`trader data check|describe|export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trader.cli.params import ConfigOption, JsonOption, SetOption, examples
from trader.errors import CheckFailedError, TraderError

if TYPE_CHECKING:
    from trader.data.checks import Finding

app = typer.Typer(rich_markup_mode=None, no_args_is_help=False, help="Check, describe and export price bars.")


@app.command(
    "check",
    short_help="Look for every fault of price files.",
    epilog=examples(
        "trader data check prices/AAPL.csv",
        "trader data check BTC_USD-Hourly.csv --order descending --json",
    ),
)
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="CSV or Parquet files of bars.")],
    date_format: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="strptime format of the time column; default: ISO 8601.")
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Time zone of naive time stamps (IANA name).")] = "UTC",
    order: Annotated[
        Literal["ascending", "descending"], typer.Option(help="Order of rows in the files.")
    ] = "ascending",
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COLUMN", help="Our name for a column, e.g. close=Last; repeatable."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Look for every fault the loader would refuse or warn of; exit 3 when there is an error."""
    from trader.data.describe import check_files

    found = check_files(files, date_format, timezone, order, _columns(column or []))
    _print_findings(found, json)
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        codes = ", ".join(dict.fromkeys(finding.code for finding in errors))
        raise CheckFailedError(f"trader data check: {len(errors)} error(s): {codes}; see the findings on stdout")


def _columns(pairs: list[str]) -> dict[str, str]:
    split = {name: theirs for name, sign, theirs in (pair.partition("=") for pair in pairs) if sign}
    if len(split) < len(pairs):
        raise TraderError(f"--column: must be NAME=COLUMN such as close=Last, each once; received {' '.join(pairs)}")
    return split


def _print_findings(found: list[Finding], as_json: bool) -> None:
    from trader.cli.console import print_json, print_table

    if as_json:
        print_json([finding.record() for finding in found])
    elif not found:
        typer.echo("Nothing found: the bars are clean")
    else:
        columns = ("asset", "code", "severity", "count", "file", "row", "time", "message")
        print_table("Findings", columns, [[getattr(finding, column) for column in columns] for finding in found])


@app.command(
    "describe",
    short_help="Show bars, segments, features of a config.",
    epilog=examples("trader data describe --config configs/quickstart.yaml"),
)
def describe(config: ConfigOption, set_: SetOption = None, json: JsonOption = False) -> None:
    """Describe the bars of a config: assets, dates, segments, features, findings, repairs, fingerprint."""
    from trader.cli.console import in_short, print_json, print_records
    from trader.config.load import load_experiment
    from trader.data import describe as describing

    content = describing.describe(load_experiment(config, set_ or ()), config.parent)
    if json:
        print_json(content)
        return
    for key, value in content.items():
        if isinstance(value, list):
            print_records(key, value)
        else:
            typer.echo(f"{key}: {in_short(value)}")


@app.command(
    "export",
    short_help="Write a config's bars to CSV or Parquet.",
    epilog=examples("trader data export --config configs/quickstart.yaml nasdaq.csv"),
)
def export(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to write (.csv or .parquet), or a folder for several assets.")
    ],
    config: ConfigOption,
    set_: SetOption = None,
) -> None:
    """Write the bars of a config, repaired, to files that `source: csv` or `parquet` reads back unchanged."""
    from trader.config.load import load_experiment
    from trader.data import describe as describing

    for path in describing.export(load_experiment(config, set_ or ()), config.parent, out):
        typer.echo(f"Wrote {path}")
