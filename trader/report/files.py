"""Write the four files of one backtest into its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from trader.errors import TraderError
from trader.evaluation.results import BacktestResult
from trader.report.html import report_html
from trader.report.numbers import report_text
from trader.report.tables_csv import write_equity, write_trades


def write_report(folder: Path, result: BacktestResult) -> Path:
    """Write `report.html`, `report.json`, `equity.csv` and `trades.csv`; same result, same bytes.

    Args:
        folder: made when missing; a file is complete or absent, never half written.
        result: one look at held-out dates.

    Returns:
        The path of `report.html`.

    Raises:
        TraderError: the folder cannot be written (full disk, read-only).
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write_all(folder, result)
    except OSError as error:
        raise TraderError(f"{folder}: cannot write the report: {error.strerror or error}") from error


def _write_all(folder: Path, result: BacktestResult) -> Path:
    _write_whole(folder / "equity.csv", lambda file: write_equity(file, result))
    _write_whole(folder / "trades.csv", lambda file: write_trades(file, result))
    _write_whole(folder / "report.json", lambda file: file.write(report_text(result).encode()))
    page = folder / "report.html"
    _write_whole(page, lambda file: file.write(report_html(result).encode()))
    return page


def _write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
