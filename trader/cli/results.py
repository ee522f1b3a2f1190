"""What `trader evaluate` and `trader backtest` show: tables for people, the same content as JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from trader.cli.console import print_json
from trader.evaluation.results import Measure
from trader.report.console import CheckpointScore, evaluation_table, print_backtest, report_console
from trader.report.files import write_report
from trader.report.numbers import finite, reason_of, report_text
from trader.runs.options import Backtested, Evaluated, Scored
from trader.runs.results import discarded_on_failure, finish_backtest, write_evaluation


def print_evaluations(evaluated: Sequence[Evaluated], split: str, as_json: bool) -> None:
    """Write `evaluation.json` into every run and print its kept checkpoints, the best marked."""
    for found in evaluated:
        write_evaluation(found.run, _evaluation(found, split))
    if as_json:
        print_json([_evaluation(found, split) for found in evaluated])
        return
    console = report_console()
    for found in evaluated:
        console.print(found.run.label, markup=False, soft_wrap=True)
        console.print(evaluation_table([CheckpointScore(*score) for score in found.scores], split))


def deliver_backtest(backtested: Backtested, as_json: bool) -> None:
    """Write the four files of a backtest, then print its table and the path of the page (or `report.json`)."""
    with discarded_on_failure(backtested.folder):
        write_report(backtested.folder, backtested.result)
        page = finish_backtest(backtested.folder) / "report.html"
    if as_json:
        sys.stdout.write(report_text(backtested.result))
    else:
        print_backtest(report_console(), backtested.result, page)


def _evaluation(found: Evaluated, split: str) -> dict[str, object]:
    return {"run": found.run.label, "split": split, "checkpoints": [_checkpoint(score) for score in found.scores]}


def _checkpoint(score: Scored) -> dict[str, object]:
    return {
        "seed": score.seed,
        "step": score.step,
        "best": score.best,
        "metrics": {key: _measure(value) for key, value in score.metrics.items()},
    }


def _measure(value: Measure) -> object:
    number = finite(value)
    return number if number is not None else {"value": None, "reason": reason_of(value)}
