"""The table of `learning.py`: shares of the optimum and the interval of their difference."""

import statistics
from typing import Any

from tables import Table

CONFIDENCE = 0.95
COLUMNS = ("DQN", "mean share", "deviation", "least", "difference from the first [95 %]", "verdict")


def difference(ours: list[float], base: list[float]) -> tuple[float, float, float]:
    """Return the difference of two means and its interval (Welch)."""
    parts = [statistics.variance(values) / len(values) for values in (ours, base)]
    spread = sum(parts) ** 0.5
    mean = statistics.mean(ours) - statistics.mean(base)
    if spread == 0.0:
        return mean, mean, mean
    freedom = sum(parts) ** 2 / sum(part**2 / (len(ours) - 1) for part in parts)
    from scipy import stats

    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * spread
    return mean, mean - reach, mean + reach


def table(figures: dict[str, Any]) -> Table:
    (_, base), *_ = figures["shares"].items()
    title = f"Share of the `ar1` optimum, {len(base)} seeds of {figures['steps']:,} steps"
    return Table(title, COLUMNS, [_row(name, values, base) for name, values in figures["shares"].items()])


def _row(name: str, values: list[float], base: list[float]) -> tuple[str, ...]:
    plain = (name, f"{statistics.mean(values):.2%}", f"{statistics.stdev(values):.2%}", f"{min(values):.2%}")
    if values is base:
        return (*plain, "–", "–")
    mean, low, high = difference(values, base)
    verdict = "lower" if high < 0 else "higher" if low > 0 else "no lower"
    return (*plain, f"{mean:+.2%} [{low:+.2%}, {high:+.2%}]", verdict)
