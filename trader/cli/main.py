"""The entry of the `trader` command: commands, exit codes, one line per failure."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType

import typer

from trader import __version__
from trader.cli import bench, configs, judge, prices, runs, train
from trader.cli.failures import DONE, INTERRUPTED, report_failure
from trader.cli.params import examples

app = typer.Typer(
    name="trader",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "TRADER", "max_content_width": 120},
    help="From a price file to an honest, out-of-sample verdict on a deep reinforcement-learning trading agent."
    " Every option may also stand in an environment variable, named in its help.",
    epilog=examples("trader train --config configs/quickstart.yaml", "trader train --help", "trader --version"),
)
app.command("train", epilog=train.EXAMPLES, short_help="Train agents, or finish an interrupted run.")(train.train)
app.command("evaluate", epilog=judge.EVALUATE_EXAMPLES, short_help="Score every checkpoint on validation dates.")(
    judge.evaluate
)
app.command("backtest", epilog=judge.BACKTEST_EXAMPLES, short_help="Play agents and baselines on held-out dates.")(
    judge.backtest
)
app.command("report", epilog=judge.REPORT_EXAMPLES, short_help="Say where the newest report lies.")(judge.report)
app.command("bench", epilog=bench.EXAMPLES, short_help="Measure speed and memory on this machine.")(bench.bench)
app.add_typer(runs.app, name="runs")
app.add_typer(prices.app, name="data")
app.add_typer(configs.app, name="config")


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; prints at most one line on stderr.

    Args:
        arguments: words after `trader`.
    """
    command = typer.main.get_command(app)
    words = list(arguments) or ["--help"]
    if words == ["--version"]:  # by hand: as an option it would need a callback of the whole app
        typer.echo(f"trader {__version__}")
        return DONE
    try:
        code = command.main(args=words, prog_name="trader", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return DONE  # the reader of our output (`| head`) has seen enough
    except (Exception, KeyboardInterrupt) as error:
        return report_failure(error)
    # Typer turns Ctrl-C into this code before it reaches us.
    return report_failure(KeyboardInterrupt()) if code == INTERRUPTED else int(code or DONE)


def main() -> None:
    """Run the command line of this process and end with its exit code."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    sys.exit(run(sys.argv[1:]))


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    """A polite kill ends like Ctrl-C: what can be resumed is saved, exit code 130."""
    raise KeyboardInterrupt
