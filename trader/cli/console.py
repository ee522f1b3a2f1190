"""Progress and tables on stdout: a bar and rich tables on a terminal, plain lines elsewhere; stderr is for failures."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_PERIOD = 5.0  # seconds between plain progress lines


class Console:
    """Implements `trader.runs.options.Console` on stdout; silent when stdout is for JSON."""

    def __init__(self, silent: bool = False) -> None:
        self._silent = silent
        self._label, self._total, self._told = "", 0, 0.0
        self._first: tuple[int, float] | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def line(self, text: str) -> None:
        if self._silent:
            return
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            typer.echo(text)

    def begin(self, label: str, total_steps: int, done_steps: int = 0) -> None:
        self._label, self._total, self._first = label, total_steps, None
        self._told = time.monotonic()
        if sys.stdout.isatty() and not self._silent:
            self._bar, self._task = _start_bar(label, total_steps, done_steps)

    def update(self, done_steps: int, figures: Mapping[str, float]) -> None:
        now = time.monotonic()
        # The first chunk is mostly compilation, so speed counts from its end.
        first_steps, began = self._first = self._first or (done_steps, now)
        words = progress_words(done_steps - first_steps, self._total - done_steps, now - began, figures)
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done_steps, status=words)
        elif now - self._told >= PLAIN_PERIOD or done_steps >= self._total:
            self._told = now
            self.line(", ".join(filter(None, [f"{self._label}: {done_steps:,} of {self._total:,} steps", words])))

    def end(self) -> None:
        if self._bar:
            self._bar.stop()
        self._bar = self._task = None


def progress_words(num_steps: int, steps_left: int, seconds: float, figures: Mapping[str, float]) -> str:
    """Return speed, time left and the newest figures in words.

    Example:
        >>> progress_words(1000, 2000, 0.5, {"valid/log_growth": 0.0125})
        '2,000 steps/s, 1 s left, valid/log_growth 0.0125'
    """
    speed = num_steps / seconds if seconds > 0 else 0.0
    known = [f"{speed:,.0f} steps/s", f"{steps_left / speed:,.0f} s left"] if speed > 0 else []
    return ", ".join([*known, *(f"{name} {value:.4g}" for name, value in figures.items())])


def print_json(content: Any) -> None:
    """Print strict JSON (no NaN or Infinity) on stdout."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: rich on a terminal; elsewhere aligned plain lines, one a row however long, for grep."""
    cells = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(title, columns, cells)
        return
    typer.echo(title)
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in (columns, *cells):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


def _print_rich(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console as RichConsole
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    RichConsole(highlight=False).print(table)


def print_records(title: str, records: Sequence[Mapping[str, object]]) -> None:
    """Print records as a table, a column for every key that any of them has; nothing for none."""
    if records:
        columns = list(dict.fromkeys(key for record in records for key in record))
        print_table(title, columns, [[in_short(record.get(column, "")) for column in columns] for record in records])


def in_short(value: object) -> object:
    """Return a float with six digits, as people read it, and anything else as it is.

    Example:
        >>> in_short(251.63778934392548), in_short(1e-07), in_short("AAPL")
        ('251.638', '1e-07', 'AAPL')
    """
    return f"{value:.6g}" if isinstance(value, float) else value


def _start_bar(label: str, total_steps: int, done_steps: int) -> tuple[Progress, TaskID]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[status]}")
    bar = Progress(*columns)
    bar.start()
    return bar, bar.add_task(label, total=total_steps, completed=done_steps, status="")
