"""Calendar columns: what a clock and a holiday calendar say at bar t, known in advance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from trader.config.data import CalendarFeature
from trader.errors import TraderError, nearest


def calendar_columns(
    index: pd.DatetimeIndex, feature: CalendarFeature, window_size: int
) -> tuple[list[str], list[np.ndarray], int]:
    """Return names, columns `[T]` and warm-up (bars) of the calendar features, dates taken in UTC.

    `holidays` counts the holidays after the date of the window's first bar up to the date of its last.
    """
    makers = {
        "day_of_year": lambda: index.day_of_year.to_numpy(dtype=np.float64),
        "day_of_month": lambda: index.day.to_numpy(dtype=np.float64),
        "month": lambda: index.month.to_numpy(dtype=np.float64),
        "year": lambda: index.year.to_numpy(dtype=np.float64),
        "holidays": lambda: _holidays_in_window(index, feature.holidays, window_size),
    }
    warm_up = window_size - 1 if "holidays" in feature.columns else 0
    return [f"calendar_{name}" for name in feature.columns], [makers[name]() for name in feature.columns], warm_up


def _holidays_in_window(index: pd.DatetimeIndex, calendar: str, window_size: int) -> np.ndarray:
    days = index.tz_localize(None).to_numpy().astype("datetime64[D]")
    known = holiday_dates(calendar, int(index[0].year), int(index[-1].year))
    upto = np.searchsorted(known, days, side="right").astype(np.float64)
    counts = np.full(len(days), np.nan)
    counts[window_size - 1 :] = upto[window_size - 1 :] - upto[: max(0, len(days) - window_size + 1)]
    return counts


@lru_cache(maxsize=32)
def holiday_dates(calendar: str, first_year: int, last_year: int) -> np.ndarray:
    """Return the sorted dates (datetime64[D]) of a calendar's holidays in a span of years.

    Args:
        calendar: a market such as NYSE, or a country code such as DE.
        first_year: first year (included).
        last_year: last year (included).

    Raises:
        TraderError: no such calendar.
    """
    import holidays  # takes a third of a second, and only calendar features need it

    years = range(first_year, last_year + 1)
    markets, countries = holidays.list_supported_financial(), holidays.list_supported_countries()
    if calendar in markets:
        dates = holidays.financial_holidays(calendar, years=years)
    elif calendar in countries:
        dates = holidays.country_holidays(calendar, years=years)
    else:
        hint = nearest(calendar, [*markets, *countries])
        raise TraderError(
            f'features.calendar.holidays: no calendar "{calendar}"{hint};'
            f" must be a market ({', '.join(list(markets)[:6])}, …) or a country code such as DE"
        )
    return np.array(sorted(dates), dtype="datetime64[D]")
