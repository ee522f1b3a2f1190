"""Tables as Markdown and on the screen, numbers as people read them."""

from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """A title, column names and rows of text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def count(value: float | None) -> str:
    """Return a whole number with separators, a dash for what does not exist."""
    return "–" if value is None else f"{value:,.0f}"


def spelt(number: float) -> str:
    """Return a size as short as it can be said, e.g. 16,384 or 10M."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if number >= unit and number % unit == 0:
            return f"{number // unit:g}{name}"
    return f"{number:,}"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds / 1e-6:.3g} µs"


def markdown(table: Table) -> str:
    """Return a Markdown table, its first column left-aligned, the others right-aligned."""
    rule = ["---", *["---:"] * (len(table.columns) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [table.columns, rule, *table.rows])


def print_table(table: Table) -> None:
    print(f"\n{table.title}\n")
    print(markdown(table))
