"""Plain records for `trader data check | describe | export`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from trader.config.data import FileSource
from trader.config.experiment import Experiment
from trader.data.bars import COLUMNS, Bars
from trader.data.checks import Finding, check
from trader.data.prepare import Loaded, Prepared, load_bars, prepare
from trader.data.segments import segment_spans
from trader.data.sources import format_of, load_raw
from trader.errors import TraderError

EXPORT_SUFFIXES = {".csv": "csv", ".parquet": "parquet"}
# Written by `export`: reads back to the same bars under any declared time zone.
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%f+00:00"


def check_files(
    paths: Iterable[Path | str],
    date_format: str | None = None,
    timezone: str = "UTC",
    order: str = "ascending",
    columns: dict[str, str] | None = None,
) -> list[Finding]:
    """Return what the data doctor finds in files, one asset per file; an empty list means clean.

    Args:
        paths: CSV files, or Parquet files by their suffix, relative to the working folder.
        date_format: strptime format of the time column; None = ISO 8601.
        timezone: time zone of naive time stamps (IANA name).
        order: `ascending` or `descending`.
        columns: our name -> column of the file.

    Raises:
        TraderError: a file cannot be read at all.
    """
    findings = []
    for path in map(str, paths):
        source = FileSource.model_validate(
            {
                "source": format_of(Path(path)),
                "path": path,
                "date_format": date_format,
                "timezone": timezone,
                "order": order,
                "columns": columns or {},
            }
        )
        for raw in load_raw(source, Path()):
            findings.extend(check(raw))
    return findings


def describe(experiment: Experiment, base: Path) -> dict[str, Any]:
    """Return what an experiment sees: assets, segments with dates, bars and decisions, features, findings, repairs."""
    prepared = prepare(experiment, base)
    scaler = prepared.scaler
    return {
        "fingerprint": prepared.fingerprint,
        "periods_per_year": prepared.periods_per_year,
        "return_deviation": prepared.return_deviation,
        "warm_up_bars": prepared.cut.warm_up,
        "assets": [_asset_record(bars) for bars in prepared.bars],
        "segments": _segment_records(prepared, experiment),
        "features": [
            {"name": name, "mean": mean, "deviation": deviation}
            for name, mean, deviation in zip(scaler.names, scaler.mean, scaler.deviation, strict=True)
        ],
        "findings": [finding.record() for finding in prepared.findings],
        "repairs": list(prepared.repairs),
    }


def _asset_record(bars: Bars) -> dict[str, Any]:
    index, close = bars.frame.index, bars.frame["close"]
    return {
        "asset": bars.asset,
        "bars": len(index),
        "first": _iso(index[0]),
        "last": _iso(index[-1]),
        "first_close": float(close.iloc[0]),
        "last_close": float(close.iloc[-1]),
    }


def _segment_records(prepared: Prepared, experiment: Experiment) -> list[dict[str, Any]]:
    """Return one record per segment and asset: its bars, and the decisions left after warm-up and purge."""
    records = []
    spans = segment_spans(prepared.bars, experiment.data.segments, prepared.cut.zone)
    for name, segment in prepared.segments.items():
        for place, bars in enumerate(prepared.bars):
            index = bars.frame.index
            inside = index[(index >= spans[name][0]) & (index <= spans[name][1])]
            first, last = int(segment.first[place]), int(segment.last[place])
            records.append(
                {
                    "segment": name,
                    "asset": bars.asset,
                    "first": _iso(inside[0]),
                    "last": _iso(inside[-1]),
                    "bars": len(inside),
                    "decisions": last - first + 1,
                    "first_decision": _iso(index[first]),
                    "last_decision": _iso(index[last]),
                }
            )
    return records


def export(experiment: Experiment, base: Path, out: Path) -> list[Path]:
    """Write an experiment's bars, repaired, as CSV or Parquet that `source: csv | parquet` reads back unchanged.

    The bars have the same fingerprint when read back under the same asset names (a file's stem is its asset's name).

    Args:
        experiment: the validated config.
        base: folder that relative paths start from.
        out: a `.csv` or `.parquet` file for one asset, or a folder that gets `<asset>.csv` of each.

    Returns:
        The files written.

    Raises:
        TraderError: several assets into one file, a suffix that is neither, a file that exists or cannot be written.
    """
    loaded = load_bars(experiment.data, base)
    targets = _targets(loaded, out)
    for path in targets:
        if path.exists():
            raise TraderError(f"{path}: exists already; name a new file, or delete it first")
    try:
        for bars, path in zip(loaded.bars, targets, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(bars, path)
    except OSError as error:
        raise TraderError(f"{out}: cannot be written ({error.strerror or error})") from None
    return targets


def _targets(loaded: Loaded, out: Path) -> list[Path]:
    suffix = out.suffix.lower()
    if suffix in EXPORT_SUFFIXES:
        if len(loaded.bars) > 1:
            raise TraderError(f"{out}: {len(loaded.bars)} assets do not fit into one file; name a folder")
        return [out]
    if suffix and not out.is_dir():
        raise TraderError(f'{out}: "{out.suffix}" is no format; must end in .csv or .parquet, or be a folder')
    for bars in loaded.bars:
        if Path(bars.asset).name != bars.asset or bars.asset in ("", ".", ".."):
            raise TraderError(f'{out}: asset "{bars.asset}" is no file name; rename it under data.path')
    return [out / f"{bars.asset}.csv" for bars in loaded.bars]


def _write(bars: Bars, path: Path) -> None:
    table = bars.frame[list(COLUMNS)].reset_index(names="time")
    if EXPORT_SUFFIXES[path.suffix.lower()] == "parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, date_format=TIME_FORMAT)


def _iso(moment: pd.Timestamp) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
