"""How long a run will take, said once it can be known, and the clock of each seed."""

from __future__ import annotations

import time
from typing import NamedTuple

from trader.runs.options import Console
from trader.training import Event

_FORECAST_SECONDS = 0.5


class Clock(NamedTuple):
    """Wall time of a seed: seconds before this process took over, and when it did."""

    before: float
    began: float

    def seconds(self) -> float:
        """Return the seconds spent on this seed so far."""
        return self.before + time.perf_counter() - self.began


class Forecast(NamedTuple):
    """What the estimate of the whole run's time needs, until it has been said.

    Attributes:
        seeds: that are trained from here on, one cohort after the other.
        at_once: seeds of this cohort.
        total: environment steps of each.
        step, time: where the clock starts: after the first chunk, which compiled.
    """

    seeds: int
    at_once: int
    total: int
    step: int = 0
    time: float = 0.0

    def after(self, event: Event, compile_seconds: float, console: Console) -> Forecast | None:
        """Say how long all seeds will take, from the chunks after the one that compiled; None once it is said."""
        now = time.perf_counter() - compile_seconds
        if self.step == 0:
            return self._replace(step=event.step, time=now)
        if now - self.time < _FORECAST_SECONDS and not event.finished:
            return self
        pace = self.at_once * (event.step - self.step) / max(now - self.time, 1e-9)
        left = max(self.total * self.seeds - event.step * self.at_once, 0) / pace
        console.line(
            f"compiled in {compile_seconds:.1f} s; about {_duration(left)} for {self.seeds}"
            f" seed{'s' * (self.seeds > 1)} at {pace:,.0f} steps/s"
        )
        return None


def _duration(seconds: float) -> str:
    """Return `40 s`, `12 min` or `3.5 h`.

    Example:
        >>> _duration(40.4), _duration(720), _duration(12_600)
        ('40 s', '12 min', '3.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
