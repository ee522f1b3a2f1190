"""One CSV or Parquet file -> the columns we know, numbers checked, other columns ignored."""

from __future__ import annotations

import csv
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from trader.config.data import FileSource
from trader.data.bars import COLUMNS
from trader.data.stamps import parse_stamps
from trader.errors import TraderError, listing, nearest

# The first of these that the file has, in any case, is its time column.
TIME_NAMES = ("time", "timestamp", "datetime", "date")
MAPPABLE = ("time", *COLUMNS, "raw_close")


def read_file(path: Path, shown: str, source: FileSource) -> pd.DataFrame:
    """Return the columns of `RawBars.frame` but `file`, oldest row first if the declared order holds.

    Args:
        path: the file.
        shown: its name in messages.
        source: format, column names, date format, time zone and order as the user stated them.

    Raises:
        TraderError: the file cannot be read, or lacks a column, or holds a cell that is neither number nor blank.
    """
    table = _read_parquet(path, shown) if source.source == "parquet" else _read_csv(path, shown)
    if table.empty:
        raise TraderError(f"{shown}: has no rows")
    chosen = _choose_columns([str(name) for name in table.columns], source.columns, shown)
    if source.source == "csv":
        _refuse_repeated(path, list(chosen.values()), shown)
    table.columns = [str(name) for name in table.columns]
    time_column = chosen["time"]
    frame = parse_stamps(table[time_column], source.date_format, source.timezone, f'{shown}, column "{time_column}"')
    for name in MAPPABLE[1:]:
        if name in chosen:
            frame[name] = _numbers(table[chosen[name]], shown)
    if "volume" not in frame:
        frame["volume"] = 1.0
    frame["row"] = np.arange(2, len(frame) + 2)
    return frame.iloc[::-1].reset_index(drop=True) if source.order == "descending" else frame


def _read_csv(path: Path, shown: str) -> pd.DataFrame:
    try:
        header = pd.read_csv(path, nrows=0, encoding="utf-8-sig")
        text_columns = {name: "string" for name in header.columns if str(name).strip().lower() not in MAPPABLE[1:]}
        with warnings.catch_warnings():
            # Pandas drops what stands beyond the last column, and only warns.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(path, dtype=text_columns, encoding="utf-8-sig", index_col=False, low_memory=False)
    except pd.errors.ParserWarning:
        raise TraderError(f"{shown}{_longer_row(path)} (decimal or thousands commas must not stand bare)") from None
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise TraderError(f"{shown}: cannot be read as CSV ({_first_line(error)})") from None


def _longer_row(path: Path) -> str:
    with suppress(OSError, ValueError, csv.Error), path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        width = len(next(rows, []))
        for row in rows:
            if len(row) > width:
                return f", row {rows.line_num}: {len(row)} cells under a header of {width}"
    return ": a row has more cells than the header"  # a compressed file


def _refuse_repeated(path: Path, chosen: list[str], shown: str) -> None:
    # Read as a row, since pandas makes the names of a header unique.
    header = pd.read_csv(path, header=None, nrows=1, dtype="string", encoding="utf-8-sig").iloc[0].fillna("").tolist()
    for name in chosen:
        if header.count(name) > 1:
            raise TraderError(f'{shown}: {header.count(name)} columns are called "{name}"; rename all but one')


def _read_parquet(path: Path, shown: str) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise TraderError(f"{shown}: cannot be read as Parquet ({_first_line(error)})") from None
    if isinstance(table.index, pd.RangeIndex):
        return table
    if table.index.nlevels > 1:
        raise TraderError(f"{shown}: its index has {table.index.nlevels} levels; write one file per asset, by time")
    name = table.index.name or "time"
    return table if name in table.columns else table.reset_index(names=name)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _choose_columns(names: list[str], mapping: dict[str, str], shown: str) -> dict[str, str]:
    """Return our name -> the file's column for every column that is there or must be."""
    for ours in mapping:
        if ours not in MAPPABLE:
            allowed = listing(MAPPABLE)
            raise TraderError(f"data.columns.{ours}: unknown name{nearest(ours, MAPPABLE)}; allowed: {allowed}")
    chosen = {}
    for ours in MAPPABLE:
        if mapping.get(ours) == "" and ours == "volume":
            continue
        if ours in mapping:
            chosen[ours] = _find(mapping[ours], names, f"data.columns.{ours}", shown)
        elif ours == "time":
            chosen[ours] = _find_time(names, shown)
        elif ours in COLUMNS:
            chosen[ours] = _find(ours, names, "", shown)
    return chosen


def _find(wanted: str, names: list[str], key: str, shown: str) -> str:
    if wanted in names and key:
        return wanted
    same = [name for name in names if name.strip().lower() == wanted.lower()]
    if len(same) == 1:
        return same[0]
    if same:
        raise TraderError(f'{shown}: columns {listing(same)} all read "{wanted}"; name one in data.columns')
    where = f"{key}: {shown}" if key else shown
    more = ' (or write columns: {volume: ""} when it has none)' if wanted == "volume" and not key else ""
    raise TraderError(f'{where} has no column "{wanted}"{nearest(wanted, names)}; it has {listing(names)}{more}')


def _find_time(names: list[str], shown: str) -> str:
    for candidate in TIME_NAMES:
        if any(name.strip().lower() == candidate for name in names):
            return _find(candidate, names, "", shown)
    separators = [sign for sign in ";\t|" if len(names) == 1 and sign in names[0]]
    if separators:
        raise TraderError(f"{shown}: cells are separated by {separators[0]!r}; a CSV file here has commas and dots")
    raise TraderError(
        f"{shown} has no time column ({', '.join(TIME_NAMES)}); name it in data.columns.time; it has {listing(names)}"
    )


def _numbers(column: pd.Series, shown: str) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    texts = column.astype("string").str.strip()
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    # Blank and nan are holes that the checks report; anything else is not a number.
    blank = texts.isna() | texts.str.lower().isin(["", "nan", "null", "none", "na", "n/a"])
    bad = np.isnan(numbers) & ~blank.to_numpy(dtype=bool)
    if bad.any():
        position = int(bad.argmax())
        raise TraderError(
            f'{shown}, row {position + 2}, column "{column.name}": "{texts.iloc[position]}" is not a number'
            " (such as 101.25)"
        )
    return numbers
