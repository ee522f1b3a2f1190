"""Time stamps: text of a stated format -> UTC, never guessed."""

from __future__ import annotations

import zoneinfo
from typing import NoReturn

import pandas as pd

from trader.errors import TraderError, nearest

UNIX_UNITS = {"unix": "s", "unix_ms": "ms"}
# An offset counts only behind a time of day: the last two fields of 2020-01-01 look like one.
_OFFSET = r"\d:?\d{2}[\d.,:]*\s*(?P<offset>Z|[+-]\d{2}(?::?\d{2})?)$"
_HAS_OFFSET = _OFFSET.replace("?P<offset>", "?:")
_SUGGESTED = (
    "%Y-%m-%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S.%f",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y.%m.%d %H:%M",
    "%Y.%m.%d",
    "%Y%m%d %H%M%S",
    "%Y%m%d %H:%M:%S",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
)


def check_zone(zone: str) -> None:
    """Refuse a time zone that is not an IANA name."""
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        hint = nearest(zone, zoneinfo.available_timezones())
        raise TraderError(f'data.timezone: "{zone}" is no IANA time zone such as America/New_York{hint}') from None


def parse_stamps(stamps: pd.Series, date_format: str | None, zone: str, where: str) -> pd.DataFrame:
    """Return `time` (UTC, NaT where the clock change leaves no single moment), `naive` and `offset` (minutes).

    Args:
        stamps: `[T]` text as it stands in the file, or the datetimes of a Parquet column.
        date_format: strptime format, `unix`, `unix_ms`, or None for ISO 8601.
        zone: IANA zone of stamps that carry no offset.
        where: file and column for messages.

    Raises:
        TraderError: a stamp does not have the stated format; the line names row, value and a format that fits.
    """
    check_zone(zone)
    if isinstance(stamps.dtype, pd.DatetimeTZDtype):
        _refuse(stamps, stamps.isna(), date_format, where)
        return _frame(_as_utc(stamps), naive=False, offset=0.0)
    if pd.api.types.is_datetime64_dtype(stamps):
        _refuse(stamps, stamps.isna(), date_format, where)
        return _frame(_localised(stamps, zone), naive=True, offset=float("nan"))
    if pd.api.types.is_float_dtype(stamps) and not stamps.isna().any():
        stamps = stamps.astype("int64")
    texts = stamps.astype("string").str.strip()
    if date_format in UNIX_UNITS:
        return _from_unix(texts, date_format, where)
    if date_format is None:
        _refuse(texts, texts.str.fullmatch(r"\d{9,}").fillna(True).astype(bool), None, where)
        return _from_iso(texts, zone, where)
    return _from_format(texts, date_format, zone, where)


def _from_unix(texts: pd.Series, date_format: str, where: str) -> pd.DataFrame:
    numbers = pd.to_numeric(texts, errors="coerce")
    _refuse(texts, numbers.isna(), date_format, where)
    return _frame(_as_utc(pd.to_datetime(numbers, unit=UNIX_UNITS[date_format], utc=True)), naive=False, offset=0.0)


def _from_iso(texts: pd.Series, zone: str, where: str) -> pd.DataFrame:
    aware = texts.str.contains(_HAS_OFFSET, regex=True).fillna(False).astype(bool)
    naive_times = pd.to_datetime(texts.where(~aware), format="ISO8601", errors="coerce")
    if not aware.any():
        _refuse(texts, naive_times.isna(), None, where)
        return _frame(_localised(naive_times, zone), naive=True, offset=float("nan"))
    aware_times = pd.to_datetime(texts.where(aware), format="ISO8601", utc=True, errors="coerce")
    _refuse(texts, naive_times.isna() & aware_times.isna(), None, where)
    time = _as_utc(aware_times)
    if not aware.all():
        time = time.where(aware, _localised(naive_times, zone))
    offset = texts.where(aware).str.extract(_OFFSET, expand=False).map(_minutes, na_action="ignore").astype(float)
    return _frame(time, naive=~aware, offset=offset)


def _from_format(texts: pd.Series, date_format: str, zone: str, where: str) -> pd.DataFrame:
    aware = "%z" in date_format
    try:
        times = pd.to_datetime(texts, format=date_format, errors="coerce", utc=aware)
    except ValueError as error:
        raise TraderError(f'data.date_format: "{date_format}" is no strptime format ({error})') from None
    _refuse(texts, times.isna(), date_format, where)
    if aware:
        return _frame(_as_utc(times), naive=False, offset=0.0)
    return _frame(_localised(times, zone), naive=True, offset=float("nan"))


def _minutes(offset: str) -> float:
    if offset == "Z":
        return 0.0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return (1 if offset[0] == "+" else -1) * (int(digits[:2]) * 60 + int(digits[2:4]))


def _as_utc(times: pd.Series) -> pd.Series:
    return times.dt.tz_convert("UTC").dt.as_unit("us")


def _localised(times: pd.Series, zone: str) -> pd.Series:
    return _as_utc(times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT"))


def _frame(time: pd.Series, naive: bool | pd.Series, offset: float | pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"time": time, "naive": naive, "offset": offset})


def _refuse(stamps: pd.Series, bad: pd.Series, date_format: str | None, where: str) -> None:
    if bad.any():
        _complain(stamps, int(bad.to_numpy().argmax()), date_format, where)


def _complain(stamps: pd.Series, position: int, date_format: str | None, where: str) -> NoReturn:
    value = stamps.iloc[position]
    shown = "empty" if pd.isna(value) or value == "" else f'"{value}"'
    expected = "ISO 8601 such as 2020-01-31 16:00" if date_format is None else f"data.date_format {date_format}"
    raise TraderError(f"{where}, row {position + 2}: {shown} does not read as {expected}{_suggestion(stamps)}")


def _suggestion(stamps: pd.Series) -> str:
    """Name the formats that read every stamp; two of them mean that only the user can tell."""
    texts = stamps.dropna().astype("string")
    if texts.str.fullmatch(r"\d{9,11}").all():
        return "; write date_format: unix (seconds)"
    if texts.str.fullmatch(r"\d{12,14}").all():
        return "; write date_format: unix_ms (milliseconds)"
    fitting = [name for name in _SUGGESTED if pd.to_datetime(texts, format=name, errors="coerce").notna().all()]
    quoted = " or ".join(f'"{name}"' for name in fitting)
    return f"; every row fits date_format: {quoted}" if fitting else ""
