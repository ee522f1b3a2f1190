"""From an experiment to everything that is computed with: checked bars, market arrays, scaler, segments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from trader.config.data import DataConfig, SyntheticSource
from trader.config.experiment import Experiment
from trader.data.bars import Bars
from trader.data.checks import Finding, check
from trader.data.features import FeatureTable, compute_features, needs_range
from trader.data.fingerprint import fingerprint
from trader.data.market import Market, Segment
from trader.data.repairs import Record, repair
from trader.data.scaling import Scaler, fit_scaler, scale
from trader.data.segments import Cut, cut_segments, timerange_segment
from trader.data.sources import load_raw, source_zone
from trader.data.synthetic import generate
from trader.errors import TraderError, listing

# A reward is paid on the bar after its decision.
HORIZON_BARS = 1
SECONDS_PER_YEAR = 365 * 86400
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Prepared:
    """An experiment's bars, checked, cut and turned into arrays (NumPy, on the host).

    Attributes:
        assets: M names, in the order of the config.
        bars: M assets' bars, repaired.
        market: arrays padded to the longest asset; padding repeats the last row.
        feature_names: F names, in the order of the market's last axis.
        scaler: fitted on the training rows, or the one that was passed.
        segments: decision rows by `train`, `valid`, `test` (or the one name asked for).
        fingerprint: sha256 of the bars.
        repairs: a record of every repair that acted.
        findings: every finding of the checks, before repairs.
        return_deviation: standard deviation (ddof 1) of the one-bar log returns of training bars, all assets pooled.
        periods_per_year: (bars − 1) / years over the union of all assets' time stamps.
        cut: window, horizon, warm-up and time zone that the segments were cut by.
    """

    assets: tuple[str, ...]
    bars: tuple[Bars, ...]
    market: Market
    feature_names: tuple[str, ...]
    scaler: Scaler
    segments: dict[str, Segment]
    fingerprint: str
    repairs: tuple[Record, ...]
    findings: tuple[Finding, ...]
    return_deviation: float
    periods_per_year: float
    cut: Cut

    def between(self, first: date | datetime, last: date | datetime) -> Segment:
        """Return the decision rows of a date range (both ends included), not purged."""
        return timerange_segment(self.bars, first, last, self.cut)


@dataclass(frozen=True)
class Loaded:
    """Bars of every asset after checks and repairs, with what was found and done."""

    bars: tuple[Bars, ...]
    findings: tuple[Finding, ...]
    repairs: tuple[Record, ...]


def prepare(experiment: Experiment, base: Path, scaler: Scaler | None = None) -> Prepared:
    """Return everything an experiment computes with.

    Args:
        experiment: the validated config.
        base: folder that relative paths start from (the config file's).
        scaler: a saved scaler to use instead of fitting one (evaluation, backtest).

    Raises:
        TraderError: bad file, fault without a named repair, segment too short, or a fill or feature that needs prices
            which the file does not have.
    """
    loaded = load_bars(experiment.data, base)
    refuse_restricted(experiment, loaded.findings)
    tables = _feature_tables(loaded.bars, experiment)
    cut = _cut(experiment, tables)
    segments = cut_segments(loaded.bars, experiment.data.segments, cut)
    fitted = scaler or fit_scaler(tables[0].names, _training_rows(tables, segments["train"]))
    deviation = _return_deviation(loaded.bars, segments["train"])
    return _prepared(loaded, tables, fitted, segments, cut, deviation)


def prepare_range(
    experiment: Experiment, base: Path, scaler: Scaler, span: tuple[date, date], return_deviation: float
) -> Prepared:
    """Return an experiment's arrays with one segment, `test`, over a date range: a backtest on other bars.

    Nothing is fitted: scaler and return deviation are those of the run. The configured segments are not looked at.
    """
    loaded = load_bars(experiment.data, base)
    refuse_restricted(experiment, loaded.findings)
    tables = _feature_tables(loaded.bars, experiment)
    cut = _cut(experiment, tables)
    segments = {"test": timerange_segment(loaded.bars, span[0], span[1], cut)}
    return _prepared(loaded, tables, scaler, segments, cut, return_deviation)


def load_bars(config: DataConfig, base: Path) -> Loaded:
    """Return every asset's bars, checked and repaired as the config allows.

    Raises:
        TraderError: bad file, or a fault that no named repair covers.
    """
    if isinstance(config, SyntheticSource):
        # Generated bars have no faults to look for, and open at the previous close by design.
        return Loaded((generate(config),), (), ())
    bars, findings, repairs = [], [], []
    for raw in load_raw(config, base):
        found = check(raw)
        clean, records = repair(raw, found, config.repairs)
        bars.append(clean)
        findings.extend(found)
        repairs.extend(records)
    return Loaded(tuple(bars), tuple(findings), tuple(repairs))


def refuse_restricted(experiment: Experiment, findings: tuple[Finding, ...]) -> None:
    """Refuse fills and features that read open, high or low where only the close is adjusted.

    Raises:
        TraderError: names the assets and the two ways out.
    """
    adjusted = [finding.asset for finding in findings if finding.code == "close_adjusted"]
    if not adjusted or experiment.data.repairs.adjust_ohlc:
        return
    problem = f"close is adjusted but open, high and low are not ({listing(adjusted, most=5)})"
    remedy = "write data.repairs.adjust_ohlc: true"
    if experiment.env.fill == "next_open":
        raise TraderError(f"env.fill: next_open needs true opens, and {problem}; use next_close or {remedy}")
    for feature in experiment.features:
        if needs_range(feature):
            raise TraderError(f"features.{feature.name}: needs true highs and lows, and {problem}; drop it or {remedy}")


def _feature_tables(bars: tuple[Bars, ...], experiment: Experiment) -> list[FeatureTable]:
    tables = [compute_features(asset, experiment.features, experiment.env.window_size) for asset in bars]
    names = tables[0].names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise TraderError(f"features: {listing(repeated)} would stand twice; list each feature once")
    return tables


def _cut(experiment: Experiment, tables: list[FeatureTable]) -> Cut:
    zone = source_zone(experiment.data)
    return Cut(experiment.env.window_size, HORIZON_BARS, tables[0].warm_up, zone)


def _prepared(
    loaded: Loaded,
    tables: list[FeatureTable],
    scaler: Scaler,
    segments: dict[str, Segment],
    cut: Cut,
    return_deviation: float,
) -> Prepared:
    names = tables[0].names
    if scaler.names != names:
        raise TraderError(f"scaler: was fitted to {listing(scaler.names)}; the experiment has {listing(names)}")
    return Prepared(
        assets=tuple(asset.asset for asset in loaded.bars),
        bars=loaded.bars,
        market=_market(loaded.bars, [scale(scaler, table.values) for table in tables]),
        feature_names=names,
        scaler=scaler,
        segments=segments,
        fingerprint=fingerprint(loaded.bars),
        repairs=loaded.repairs,
        findings=loaded.findings,
        return_deviation=return_deviation,
        periods_per_year=periods_per_year(loaded.bars),
        cut=cut,
    )


def _training_rows(tables: list[FeatureTable], train: Segment) -> np.ndarray:
    """Return the feature rows `[R, F]` of the bars that training is paid on, all assets one after the other."""
    spans = zip(tables, train.first, train.last, strict=True)
    return np.concatenate([table.values[first + 1 : last + 2] for table, first, last in spans])


def _return_deviation(bars: tuple[Bars, ...], train: Segment) -> float:
    pooled = []
    for asset, first, last in zip(bars, train.first, train.last, strict=True):
        log_close = np.log(asset.frame["close"].to_numpy()[first : last + 2])
        pooled.append(np.diff(log_close))
    deviation = float(np.std(np.concatenate(pooled), ddof=1))
    if not deviation > 0:
        raise TraderError("data.segments.train: the close never changes; there is nothing to learn")
    return deviation


def periods_per_year(bars: tuple[Bars, ...]) -> float:
    """Return (bars − 1) / years over the union of all assets' time stamps, a year having 365.25 days."""
    union = bars[0].frame.index
    for asset in bars[1:]:
        union = union.union(asset.frame.index)
    years = (union[-1] - union[0]) / pd.Timedelta(days=1) / DAYS_PER_YEAR
    return (len(union) - 1) / years


def _market(bars: tuple[Bars, ...], features: list[np.ndarray]) -> Market:
    length = max(len(asset.frame) for asset in bars)
    return Market(
        features=np.stack([_padded(values, length) for values in features]),
        open=_stacked(bars, "open", length),
        close=_stacked(bars, "close", length),
        years=np.stack([_padded(_years(asset), length) for asset in bars]),
    )


def _stacked(bars: tuple[Bars, ...], column: str, length: int) -> np.ndarray:
    return np.stack([_padded(asset.frame[column].to_numpy(dtype=np.float32), length) for asset in bars])


def _years(asset: Bars) -> np.ndarray:
    """Return `[T]` float32, years (of 365 days) since the previous bar; row 0 is 0."""
    microseconds = asset.frame.index.as_unit("us").asi8  # type: ignore[attr-defined]
    distance = np.diff(microseconds, prepend=microseconds[:1])
    return (distance / 1e6 / SECONDS_PER_YEAR).astype(np.float32)


def _padded(rows: np.ndarray, length: int) -> np.ndarray:
    return np.pad(rows, [(0, length - len(rows))] + [(0, 0)] * (rows.ndim - 1), mode="edge")
