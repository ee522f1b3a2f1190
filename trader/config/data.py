"""The `data` and `features` sections: where bars come from, how they are cut, what the agent sees of them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from trader.config.base import Section

SEGMENT_NAMES = ("train", "valid", "test")
MAX_PERIOD = 100_000  # what TA-Lib allows
Period = Annotated[int, Field(gt=0, le=MAX_PERIOD)]
DateRange = tuple[date | datetime, date | datetime]
SegmentValue = Annotated[float, Field(gt=0, lt=1)] | DateRange


class Segments(Section):
    """Date ranges (both ends included) or fractions of the bars, in order of time."""

    train: SegmentValue = Field(
        default=0.6, description="training segment: [first date, last date] or fraction of the bars"
    )
    valid: SegmentValue = Field(default=0.2, description="validation segment: chooses checkpoints and thresholds")
    test: SegmentValue = Field(default=0.2, description="held-out segment: read by `trader backtest` alone")

    @property
    def by_date(self) -> bool:
        """Whether the segments are date ranges, not fractions."""
        return not isinstance(self.train, float)

    @model_validator(mode="after")
    def _ordered(self) -> Segments:
        values = (self.train, self.valid, self.test)
        kinds = {isinstance(value, float) for value in values}
        if len(kinds) == 2:
            raise ValueError("all three segments must be date ranges, or all three fractions")
        if kinds == {True}:
            total = sum(value for value in values if isinstance(value, float))
            if total > 1 + 1e-9:
                raise ValueError(f"fractions must add up to at most 1; received {total:g}")
            return self
        self._check_dates()
        return self

    def _check_dates(self) -> None:
        previous_name, previous_end = "", None
        for name in SEGMENT_NAMES:
            first, last = getattr(self, name)
            if _moment(last) < _moment(first):
                raise ValueError(f"{name} ends ({last}) before it begins ({first})")
            if previous_end is not None and _moment(first) <= _moment(previous_end):
                raise ValueError(
                    f"{name} begins {first}, but {previous_name} ends {previous_end}: segments must not overlap"
                    " and must stand in the order train, valid, test"
                )
            previous_name, previous_end = name, last


def _moment(value: date | datetime) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return datetime(value.year, value.month, value.day)


class Ar1Market(Section):
    """Log returns x[t+1] = autocorrelation · x[t] + noise: momentum (> 0) or reversal (< 0)."""

    kind: Literal["ar1"]
    autocorrelation: float = Field(
        default=0.3, gt=-1, lt=1, description="correlation of one bar's log return with the next"
    )
    volatility: float = Field(default=0.01, gt=0, lt=1, description="deviation of log returns (per bar)")


class RandomWalkMarket(Section):
    """A martingale in price (log drift −volatility²/2): the optimum is never to trade."""

    kind: Literal["random_walk"]
    volatility: float = Field(default=0.01, gt=0, lt=1, description="deviation of log returns (per bar)")


class GbmMarket(Section):
    """Geometric Brownian motion: a known drift with noise."""

    kind: Literal["gbm"]
    drift: float = Field(default=0.0002, gt=-1, lt=1, description="mean of simple returns (per bar)")
    volatility: float = Field(default=0.01, gt=0, lt=1, description="deviation of log returns (per bar)")


MarketConfig = Annotated[Ar1Market | RandomWalkMarket | GbmMarket, Field(discriminator="kind")]


class Repairs(Section):
    """Each repair is named here or does not happen; each that acts is written into the manifest."""

    adjust_ohlc: bool = Field(
        default=False,
        description="rebuild open, high, low on an adjusted close's scale (by `columns.raw_close`, else inferred)",
    )
    zero_volume: Literal["refuse", "accept", "drop"] = Field(default="refuse", description="bars without volume")
    shared_dates: Literal["refuse", "drop_from_test"] = Field(
        default="refuse", description="dates that stand in two files of one asset: keep the earlier file's"
    )
    duplicates: Literal["refuse", "keep_first", "keep_last"] = Field(
        default="refuse", description="equal time stamps in one file"
    )
    missing: Literal["refuse", "drop", "previous"] = Field(
        default="refuse", description="NaN or infinite values: drop the bar, or carry the previous bar's value forward"
    )
    invalid_bars: Literal["refuse", "drop"] = Field(
        default="refuse", description="zero or negative prices, high < low, open or close outside [low, high]"
    )
    unsorted: Literal["refuse", "sort"] = Field(default="refuse", description="time stamps out of order")
    dst_hour: Literal["refuse", "drop"] = Field(
        default="refuse", description="naive time stamps that the clock change makes impossible or ambiguous"
    )
    gaps: Literal["accept", "refuse"] = Field(default="accept", description="holes longer than the calendar explains")
    stale: Literal["accept", "refuse"] = Field(default="accept", description="long runs of an unchanged close")
    splits: Literal["refuse", "accept"] = Field(
        default="refuse", description="overnight jumps by a round ratio such as 2:1"
    )


class SourceBase(Section):
    """What every source shares."""

    segments: Segments = Field(
        default_factory=lambda: Segments(), description="dates to learn from, to choose by and to be judged on"
    )


class BuiltInRepairs(Repairs):
    """Repairs of the built-in bars; two of NASDAQ (2015-05-12, 2018-01-09) lack volume, their prices are sound."""

    zero_volume: Literal["refuse", "accept", "drop"] = Field(default="accept", description="bars without volume")


class BuiltIn(SourceBase):
    """Real daily index bars (price index: no dividends), 1999-01-04 … 2018-12-31, from the `arch` package."""

    source: Literal["nasdaq", "sp500"]
    repairs: BuiltInRepairs = Field(
        default_factory=BuiltInRepairs, description="faults of the bars that are mended, each named"
    )


class FileSource(SourceBase):
    """Bars from the user's files: one asset a file, or several files of one asset under its name."""

    source: Literal["csv", "parquet"]
    path: str | list[str] | dict[str, str | list[str]] = Field(
        description="file, list of files, glob pattern, or {ASSET: file(s)}; relative to the config file"
    )
    date_format: str | None = Field(
        default=None, description="strptime format of the time column, or unix, unix_ms; null = ISO 8601"
    )
    timezone: str = Field(default="UTC", description="time zone of naive time stamps (IANA name)")
    order: Literal["ascending", "descending"] = Field(default="ascending", description="order of rows in the file")
    repairs: Repairs = Field(default_factory=Repairs, description="faults of the bars that are mended, each named")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description='our name -> column of the file, e.g. {close: Last, time: Datum}; volume: "" = the file has none',
    )


class SyntheticSource(SourceBase):
    """A generated market with a known optimum."""

    source: Literal["synthetic"]
    market: MarketConfig = Field(description="what generates the bars, chosen by `kind`")
    length: int = Field(default=60_000, ge=100, le=20_000_000, description="bars")
    seed: int = Field(default=7, ge=0, description="seed of the generator (not the agent's)")
    bar: str = Field(
        default="1h", pattern=r"^[1-9][0-9]*(s|min|h|d)$", description="distance of bars, e.g. 1h, 1d, 5min"
    )
    repairs: Repairs = Field(default_factory=Repairs, description="generated bars have no faults to mend")


DataConfig = Annotated[BuiltIn | FileSource | SyntheticSource, Field(discriminator="source")]


class LogReturnFeature(Section):
    """log(close[t] / close[t−period])."""

    name: Literal["log_return"]
    periods: list[Period] = Field(default=[1, 5, 21], min_length=1, description="look-backs (bars)")


class VolatilityFeature(Section):
    """Standard deviation (ddof 1) of one-bar log returns over `period` bars."""

    name: Literal["volatility"]
    period: int = Field(default=21, ge=2, le=MAX_PERIOD, description="look-back (bars)")


class RsiFeature(Section):
    """Wilder's relative strength index, mapped from 0…100 to −1…1."""

    name: Literal["rsi"]
    period: int = Field(default=14, ge=2, le=MAX_PERIOD, description="Wilder period (bars)")


class MacdFeature(Section):
    """Moving average convergence/divergence histogram and line, relative to the close."""

    name: Literal["macd"]
    fast: int = Field(default=12, ge=2, le=MAX_PERIOD, description="fast exponential average (bars)")
    slow: int = Field(default=26, ge=3, le=MAX_PERIOD, description="slow exponential average (bars)")
    signal: int = Field(default=9, ge=2, le=MAX_PERIOD, description="average of the line (bars)")

    @model_validator(mode="after")
    def _fast_below_slow(self) -> MacdFeature:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")
        return self


class MaDistanceFeature(Section):
    """close / simple moving average − 1."""

    name: Literal["ma_distance"]
    periods: list[Annotated[int, Field(ge=2, le=MAX_PERIOD)]] = Field(
        default=[50], min_length=1, description="averages (bars)"
    )


class VolumeChangeFeature(Section):
    """log of volume over its mean of the last `period` bars (both plus one)."""

    name: Literal["volume_change"]
    period: int = Field(default=21, ge=2, le=MAX_PERIOD, description="look-back (bars)")


class CloseInRangeFeature(Section):
    """Place of the close in the range of the last `period` bars: −1 at the low, +1 at the high."""

    name: Literal["close_in_range"]
    period: int = Field(default=1, ge=1, le=MAX_PERIOD, description="look-back (bars)")


class CalendarFeature(Section):
    """Day of year, day of month, month, year, holidays in the window. Opt-in: a year identifies training bars."""

    name: Literal["calendar"]
    columns: list[Literal["day_of_year", "day_of_month", "month", "year", "holidays"]] = Field(
        default=["day_of_year", "day_of_month", "month"], min_length=1, description="which of the calendar's numbers"
    )
    holidays: str = Field(
        default="NYSE", description="calendar whose holidays are counted: a country code or a market such as NYSE"
    )


FeatureConfig = Annotated[
    LogReturnFeature
    | VolatilityFeature
    | RsiFeature
    | MacdFeature
    | MaDistanceFeature
    | VolumeChangeFeature
    | CloseInRangeFeature
    | CalendarFeature,
    Field(discriminator="name"),
]
