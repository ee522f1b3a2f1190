"""`metrics.csv`, one durable row per validation, and the same numbers for TensorBoard.

Order matters: append the row of a step before the checkpoint of that step is written. Then `truncate_to` the
checkpoint's step leaves no step twice and none missing.
"""

from __future__ import annotations

import csv
import io
import numbers
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trader.errors import TraderError
from trader.runs.files import make_folder, read_bytes, write_text_atomic, write_whole, writing
from trader.runs.tensorboard_log import EventLog, start_events, write_scalars

STEP = "step"


@dataclass
class MetricsLog:
    """An open `metrics.csv`.

    Attributes:
        path: the file.
        columns: names of the columns, `step` first.
        last_step: step of the last row; -1 before the first.
        events: the TensorBoard file beside it, None when not asked for.
    """

    path: Path
    columns: tuple[str, ...]
    last_step: int
    events: EventLog | None = None


def start_metrics(path: Path, columns: Sequence[str], tensorboard: Path | None) -> MetricsLog:
    """Create `metrics.csv` with its header and nothing else.

    Args:
        path: the seed's `metrics.csv`; an existing one is emptied (a run killed before its first checkpoint).
        columns: names of the columns; the first must be `step`.
        tensorboard: folder of this seed's event files, None for none.

    Raises:
        ValueError: columns that are empty, twice there, or do not begin with `step`.
        TraderError: it cannot be written.
    """
    if list(columns[:1]) != [STEP] or len(set(columns)) < len(columns):
        raise ValueError(f"columns must begin with step and be unique; received {list(columns)}")
    make_folder(path.parent)
    write_text_atomic(path, _line(columns))
    events = start_events(tensorboard, 0) if tensorboard else None
    return MetricsLog(path, tuple(columns), -1, events)


def resume_metrics(path: Path, columns: Sequence[str], tensorboard: Path | None, step: int) -> MetricsLog:
    """Continue `metrics.csv` after the checkpoint of `step`: later rows are dropped, in TensorBoard too.

    Raises:
        TraderError: the file is missing, damaged, or has other columns.
    """
    truncate_to(path, step)
    header, rows = _parse(path)
    if header != list(columns):
        raise TraderError(f"{path}: columns are {','.join(header)}; this version writes {','.join(columns)}")
    events = start_events(tensorboard, step + 1) if tensorboard else None
    return MetricsLog(path, tuple(columns), int(rows[-1][0]) if rows else -1, events)


def append_metrics(log: MetricsLog, row: Mapping[str, Any]) -> None:
    """Append one row and flush it to the disk.

    Args:
        log: the open log; its `last_step` moves on.
        row: column -> number or None (an empty cell); columns left out are empty. Floats are written with `repr`, so
            equal values are equal bytes; NaN and infinities show a run that diverged.

    Raises:
        ValueError: an unknown column, no step, or a step that is not after the last one.
        TraderError: it cannot be written.
    """
    unknown = sorted(set(row) - set(log.columns))
    if unknown or not isinstance(row.get(STEP), numbers.Integral) or row[STEP] <= log.last_step:
        raise ValueError(f"row must have a step after {log.last_step} and known columns; received {dict(row)}")
    content = _line([_cell(row.get(name)) for name in log.columns]).encode()
    with writing(log.path):
        descriptor = os.open(log.path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        try:
            write_whole(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    log.last_step = int(row[STEP])
    if log.events:
        write_scalars(log.events, log.last_step, {key: float(row[key]) for key in row if row[key] is not None})


def truncate_to(path: Path, step: int) -> int:
    """Drop the rows after `step` and a torn last line.

    Returns:
        How many rows (whole or torn) were dropped.

    Raises:
        TraderError: the file is missing or a row before the last line is damaged.
    """
    text = _text(path)
    header, rows = _parse(path)
    kept = [row for row in rows if int(row[0]) <= step]
    write_text_atomic(path, "".join(_line(row) for row in [header, *kept]))
    return len(rows) - len(kept) + (not text.endswith("\n"))


def read_metrics(path: Path) -> list[dict[str, float | None]]:
    """Return the whole rows of `metrics.csv`; an empty cell is None, a torn last line is left out.

    Raises:
        TraderError: the file is missing or damaged.
    """
    header, rows = _parse(path)
    return [{name: float(cell) if cell else None for name, cell in zip(header, row, strict=True)} for row in rows]


def _text(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise TraderError(f"{path}: damaged: not UTF-8 text") from None


def _parse(path: Path) -> tuple[list[str], list[list[str]]]:
    whole = _text(path).rpartition("\n")[0]  # what follows the last line end was torn by a kill
    header, *rows = list(csv.reader(io.StringIO(whole))) or [[]]
    if header[:1] != [STEP]:
        raise TraderError(f'{path}: row 1: the first column must be "step"; received {",".join(header)[:80]!r}')
    last_step = -1
    for number, row in enumerate(rows, start=2):
        last_step = _check_row(path, number, row, len(header), last_step)
    return header, rows


def _check_row(path: Path, number: int, row: list[str], width: int, last_step: int) -> int:
    try:
        step = int(row[0])
        for cell in row[1:]:
            float(cell or 0)
    except (ValueError, IndexError):
        raise TraderError(f"{path}: row {number}: damaged: {','.join(row)[:80]!r}") from None
    if len(row) != width:
        raise TraderError(f"{path}: row {number}: must have {width} cells; received {len(row)}")
    if step <= last_step:
        raise TraderError(f"{path}: row {number}: step {step} must come after step {last_step}")
    return step


def _line(cells: Sequence[str]) -> str:
    return ",".join(cells) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, numbers.Integral):
        return str(int(value))
    # float() first: NumPy's own repr would say np.float32(0.1).
    return repr(float(value))
