"""Faults that show only between bars: holes, splits, stale runs, opens copied from the previous close."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

STALE_BARS = 10
OPEN_COPIED_SHARE = 0.9
OPEN_COPIED_BLOCK_BARS = 250
OPEN_COPIED_LEAST_BARS = 20
# A hole overnight may be a holiday: up to this many usual trading days.
HOLIDAY_DAYS = 4
WEEK_SECONDS = 7 * 86400
DAY_SECONDS = 86400
SPLIT_RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0, 100.0)
SPLIT_TOLERANCE = 0.04  # of the log ratio: what the market may move over the same night
SPLIT_DEVIATIONS = 8.0

Fault = tuple[str, np.ndarray, str]


def series_faults(tidy: pd.DataFrame, zone: str) -> Iterator[Fault]:
    """Yield code, positions and message of each fault; the index of `tidy` holds the positions.

    Args:
        tidy: bars in order of time, one per time stamp, all cells finite and positive.
        zone: time zone whose days and weeks the market follows.
    """
    if len(tidy) < 3:
        return
    positions = tidy.index.to_numpy()
    yield "gap", positions[_gaps(tidy["time"], zone)], "{count} hole(s) that the usual calendar does not explain"
    yield "split", positions[_splits(tidy)], "{count} jump(s) of the price by a round ratio (a split such as 2:1)"
    close = tidy["close"].to_numpy()
    yield "stale", positions[_stale(close)], f"{{count}} {{bars}} in runs of {STALE_BARS} or more equal closes"
    copied = _copied_opens(tidy["open"].to_numpy(), close)
    yield "open_is_previous_close", positions[copied], "{count} {bars} in stretches where open is the previous close"


def _gaps(time: pd.Series, zone: str) -> np.ndarray:
    """Return the rows that follow a hole: usual time slots of the week that stand empty for too long."""
    seconds = time.dt.tz_convert(zone).dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    distance = np.diff(seconds)
    step = int(np.median(distance))
    if step >= 2 * DAY_SECONDS:
        return 1 + np.flatnonzero(distance > 1.9 * step)
    holes = np.flatnonzero(distance > 1.5 * step)
    slots = _usual_slots(seconds, step)
    missing = _usual_between(seconds[holes], seconds[holes + 1], slots, step)
    same_day = seconds[holes] // DAY_SECONDS == seconds[holes + 1] // DAY_SECONDS
    per_day = slots.sum() / max(1, _days_in_use(slots, step))
    # A market that never closes has no holidays.
    allowed = 0.0 if slots.all() else HOLIDAY_DAYS * per_day
    return 1 + holes[missing > np.where(same_day, 0.0, allowed)]


def _usual_slots(seconds: np.ndarray, step: int) -> np.ndarray:
    """Return which slots of the week, each one step long, hold a bar in at least half of the weeks."""
    num_slots = max(1, WEEK_SECONDS // step)
    slot = np.minimum(seconds % WEEK_SECONDS // step, num_slots - 1)
    # Weeks without any bar are what is looked for: they must not make a slot unusual.
    weeks = max(1.0, min((seconds[-1] - seconds[0]) / WEEK_SECONDS, len(np.unique(seconds // WEEK_SECONDS))))
    return np.bincount(slot, minlength=num_slots) >= 0.5 * weeks


def _usual_between(start: np.ndarray, end: np.ndarray, slots: np.ndarray, step: int) -> np.ndarray:
    """Return how many usual slots lie strictly between two times, whole weeks included."""
    total = np.concatenate([[0], np.cumsum(slots)])

    def upto(slot_number: np.ndarray) -> np.ndarray:
        weeks, slot = np.divmod(slot_number, len(slots))
        return weeks * total[-1] + total[slot]

    return upto(end // step) - upto(start // step + 1)


def _days_in_use(slots: np.ndarray, step: int) -> int:
    days = np.arange(len(slots)) * step // DAY_SECONDS
    return len(np.unique(days[slots]))


def _splits(tidy: pd.DataFrame) -> np.ndarray:
    """Return rows whose open and close both left the previous close by the same round ratio."""
    open_, close = tidy["open"].to_numpy(), tidy["close"].to_numpy()
    moves = np.diff(np.log(close))
    # Robust, so that the split itself does not widen what counts as usual.
    usual = 1.4826 * np.median(np.abs(moves - np.median(moves)))
    overnight = np.log(open_[1:]) - np.log(close[:-1])
    ratios = np.log(SPLIT_RATIOS)
    distance = np.abs(np.abs(moves)[:, None] - ratios).min(axis=1)
    jumped = (np.abs(moves) > SPLIT_DEVIATIONS * usual) & (distance < SPLIT_TOLERANCE)
    # An adjusted close has another scale than its open: then only the close can tell.
    same_scale = np.abs(np.median(overnight)) < 0.02
    return 1 + np.flatnonzero(jumped & ((np.abs(overnight - moves) < 0.1) | (not same_scale)))


def _stale(close: np.ndarray) -> np.ndarray:
    """Return the rows of every run of at least `STALE_BARS` equal closes."""
    starts = np.concatenate([[0], 1 + np.flatnonzero(close[1:] != close[:-1])])
    lengths = np.diff(np.concatenate([starts, [len(close)]]))
    return np.flatnonzero(np.repeat(lengths >= STALE_BARS, lengths))


def _copied_opens(open_: np.ndarray, close: np.ndarray) -> np.ndarray:
    """Return the rows of every block of bars in which nearly all opens repeat the previous close."""
    copied = np.concatenate([[False], open_[1:] == close[:-1]])
    if len(copied) <= OPEN_COPIED_LEAST_BARS:
        return np.array([], dtype=int)
    blocks = np.array_split(np.arange(len(copied)), max(1, len(copied) // OPEN_COPIED_BLOCK_BARS))
    found = [block for block in blocks if copied[block].mean() >= OPEN_COPIED_SHARE]
    return np.concatenate(found) if found else np.array([], dtype=int)
