"""Rich tables of a backtest and of an evaluation; readable as plain text, 100 columns wide, when not a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trader.evaluation.results import BacktestResult, Measure
from trader.report.numbers import finite
from trader.report.series import seeds_of, strategy_names
from trader.report.words import (
    NO_VALUE,
    NOT_ASSESSED,
    Spread,
    looks_phrase,
    metric_words,
    plain_sentence,
    show_short,
    spread,
    warnings_of,
)

HEADLINE_METRICS = (
    *("total_return", "gross_return", "cagr", "sharpe", "max_drawdown"),
    *("exposure", "turnover_per_year", "trades", "fees_paid"),
)
COLOURED = {"total_return", "gross_return", "cagr", "sharpe"}
GAIN, LOSS = "dodger_blue1", "dark_orange"  # told apart by every kind of colour vision; the sign is printed too
PLAIN_WIDTH = 100
BASELINES_PER_TABLE = 5


class CheckpointScore(NamedTuple):
    """One kept checkpoint of one seed, scored on a split; `best` is the one a backtest would play."""

    seed: int
    step: int
    metrics: dict[str, Measure]
    best: bool


def report_console(file: TextIO | None = None) -> Console:
    """Return a console for reports: the terminal's width, or 100 columns when the output is no terminal."""
    console = Console(file=file, highlight=False)
    return console if console.is_terminal else Console(file=file, highlight=False, width=PLAIN_WIDTH)


def print_backtest(console: Console, result: BacktestResult, page: Path | None = None) -> None:
    """Print the held-out table, one plain sentence, the warnings and the path of the report."""
    for table in backtest_tables(result, console):
        console.print(table)
    console.print(Text(plain_sentence(result), style="bold"))
    console.print(Text(f"Verdict: not assessed. {NOT_ASSESSED}"))
    console.print(Text(looks_phrase(result)))
    for warning in warnings_of(result):
        console.print(Text(f"Warning: {warning}", style=LOSS))
    if page is not None:
        console.print(Text(f"Report: {page}"), soft_wrap=True)


def backtest_tables(result: BacktestResult, console: Console) -> list[Table]:
    """Return the held-out table: metrics down, the agent's median and range and the baselines across.

    Baselines that do not fit beside the others (five at most) continue in a further table.
    """
    left, tables = strategy_names(result)[1:], []
    while left or not tables:
        count = min(BASELINES_PER_TABLE, len(left))
        while count > 1 and _width(_backtest_table(result, left[:count]), console) > console.width:
            count -= 1
        tables.append(_backtest_table(result, left[:count]))
        left = left[count:]
    return tables


def _width(table: Table, console: Console) -> int:
    return console.measure(table, options=console.options.update(width=10_000)).maximum


def _backtest_table(result: BacktestResult, baselines: Sequence[str]) -> Table:
    agent = seeds_of(result, result.agent)
    first, last = (moment.replace("T", " ").removesuffix(":00") for moment in result.timerange)
    table = _table(f"Held out {first} to {last}, net of costs unless it says gross")
    several = len(agent) > 1
    table.add_column("", no_wrap=True)
    titles = [f"{result.agent} {'median' if several else '1 seed'}"]
    titles += [f"of {len(agent)}: min … max"] if several else []
    for title in (*titles, *(name.replace("_", " ") for name in baselines)):
        table.add_column(Text(title), justify="right", no_wrap=True)
    for key in HEADLINE_METRICS:
        own = spread(agent, key)
        others = [_cell(key, spread(seeds_of(result, name), key).median) for name in baselines]
        ranges = [_range(key, own)] if several else []
        table.add_row(Text(_row_title(key)), _cell(key, own.median), *ranges, *others)
    return table


def evaluation_table(scores: Iterable[CheckpointScore], split: str = "valid") -> Table:
    """Return every kept checkpoint, seed by seed, highest log growth first, the best marked."""
    by_seed: dict[int, list[CheckpointScore]] = defaultdict(list)
    for score in scores:
        by_seed[score.seed].append(score)
    keys = ("log_growth", "total_return", "sharpe", "max_drawdown", "trades")
    table = _table(f"Checkpoints on the {split} dates, net of costs")
    for title in ("seed", "step", *(metric_words(key).label.lower() for key in keys), ""):
        table.add_column(title, justify="right", no_wrap=True)
    for seed in sorted(by_seed):
        for score in sorted(by_seed[seed], key=_growth, reverse=True):
            cells = [_cell(key, finite(score.metrics[key]) if key in score.metrics else None) for key in keys]
            mark = Text("best" if score.best else "", style="bold")
            table.add_row(str(seed), f"{score.step:,}", *cells, mark, style="bold" if score.best else "")
        table.add_section()
    return table


def _growth(score: CheckpointScore) -> tuple[float, int]:
    value = finite(score.metrics["log_growth"]) if "log_growth" in score.metrics else None
    return (float("-inf") if value is None else value, -score.step)  # ties: the earliest first


def _table(title: str) -> Table:
    return Table(title=Text(title), title_justify="left", box=None, pad_edge=False, padding=(0, 1))


def _row_title(key: str) -> str:
    words = metric_words(key)
    return {"turnover_per_year": "Turnover (×/y)", "fees_paid": "Fees paid"}.get(key, words.label)


def _cell(key: str, value: float | None) -> Text:
    if value is None or key not in COLOURED or value == 0:
        return Text(show_short(key, value))
    return Text(show_short(key, value), style=GAIN if value > 0 else LOSS)


def _range(key: str, own: Spread) -> Text:
    if own.low is None:
        return Text(NO_VALUE, style="dim")
    return Text(f"{show_short(key, own.low)} … {show_short(key, own.high)}".replace(" %", "%"), style="dim")
