"""Names, units and sentences that console and HTML share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trader.evaluation.results import BacktestResult, Measure, StrategyResult, Undefined
from trader.report.series import seeds_of

NOT_ASSESSED = "The statistical verdict (intervals over seeds and dates) is not computed by this version."
FILLS = {
    "next_open": "next bar's open",
    "next_close": "next bar's close",
    "close": "same bar's close",
}
OPTIMISTIC = "Optimistic: orders fill at a price already observed (fill: close)."
NO_VALUE = "–"


class MetricWords(NamedTuple):
    """How one metric is shown; kinds: `return, percent, money, signed_money, count, log, signed, ratio, times`."""

    label: str
    kind: str
    unit: str


METRICS = {
    "total_return": MetricWords("Net return", "return", "whole period"),
    "gross_return": MetricWords("Gross return", "return", "before costs"),
    "net_pnl": MetricWords("Net profit", "signed_money", "currency"),
    "cagr": MetricWords("CAGR", "return", "per year"),
    "log_growth": MetricWords("Log growth", "log", "ln, whole period"),
    "volatility": MetricWords("Volatility", "percent", "annualised"),
    "sharpe": MetricWords("Sharpe", "signed", "annualised"),
    "sortino": MetricWords("Sortino", "signed", "annualised"),
    "calmar": MetricWords("Calmar", "signed", "CAGR / drawdown"),
    "max_drawdown": MetricWords("Max drawdown", "return", "from the peak"),
    "max_drawdown_bars": MetricWords("Longest drawdown", "count", "bars"),
    "value_at_risk_5": MetricWords("Value at risk 5 %", "return", "per bar"),
    "expected_shortfall_5": MetricWords("Expected shortfall 5 %", "return", "per bar"),
    "alpha": MetricWords("Alpha", "return", "per year"),
    "beta": MetricWords("Beta", "signed", "to buy-and-hold"),
    "information_ratio": MetricWords("Information ratio", "signed", "annualised"),
    "exposure": MetricWords("Exposure", "percent", "mean |position|"),
    "turnover_per_year": MetricWords("Turnover", "times", "× equity per year"),
    "trades": MetricWords("Trades", "count", ""),
    "win_rate": MetricWords("Win rate", "percent", "of trades"),
    "profit_factor": MetricWords("Profit factor", "ratio", "gains / losses"),
    "avg_bars_held": MetricWords("Average holding", "ratio", "bars"),
    "fees_paid": MetricWords("Fees", "money", "currency"),
    "slippage_paid": MetricWords("Slippage", "money", "currency"),
    "spread_paid": MetricWords("Spread", "money", "currency"),
    "borrow_paid": MetricWords("Borrow interest", "money", "currency"),
}


def metric_words(key: str) -> MetricWords:
    """Return label, kind and unit of a metric; an unknown one is shown under its key as a plain number."""
    return METRICS.get(key, MetricWords(key, "ratio", ""))


def ordered_metrics(result: BacktestResult) -> list[str]:
    """Return the metric keys of a result, in the order of reading; unknown ones last."""
    present = dict.fromkeys(key for strategy in result.strategies for key in strategy.metrics)
    return [key for key in METRICS if key in present] + [key for key in present if key not in METRICS]


def show(key: str, value: float | None) -> str:
    """Return a number as a person reads it, with the metric's sign and unit; `–` when there is none.

    Example:
        >>> show("total_return", 0.1234), show("sharpe", -0.5), show("fees_paid", 1234.5), show("win_rate", None)
        ('+12.3 %', '-0.50', '1,234', '–')
    """
    if value is None:
        return NO_VALUE
    kind = metric_words(key).kind
    sign = "+" if kind in {"return", "signed", "signed_money", "log"} else ""
    if kind in {"return", "percent"}:
        digits = 2 if abs(value) < 0.01 and metric_words(key).unit == "per bar" else 1
        text = f"{100 * value:{sign},.{digits}f} %"
    elif kind in {"money", "signed_money", "count"}:
        text = f"{value:{sign},.0f}"
    else:
        text = f"{value:{sign},.{4 if kind == 'log' else 2}f}"
    return text if any(digit in text for digit in "123456789") else text.lstrip("+-")


def show_short(key: str, value: float | None) -> str:
    """Return what `show` does, but a number of seven digits or more in millions, billions, …: for narrow tables.

    Example:
        >>> show_short("total_return", 123456.789), show_short("fees_paid", 2.5e9), show_short("trades", 43210)
        ('+12.3M %', '2.5B', '43,210')
    """
    text = show(key, value)
    if value is None or len(text.partition(".")[0].replace(",", "").strip("+-% ")) < 7:
        return text
    percent = " %" if text.endswith("%") else ""
    number = value * (100 if percent else 1)
    for unit, letter in ((1e6, "M"), (1e9, "B"), (1e12, "T")):
        if abs(number) < 999.5 * unit:
            return f"{number / unit:{'+' if text[0] == '+' else ''}.3g}{letter}{percent}"
    return f"{number:{'+' if text[0] == '+' else ''}.1e}{percent}"


class Spread(NamedTuple):
    """A metric over seeds: median, least and greatest of the seeds where it is defined."""

    median: float | None
    low: float | None
    high: float | None
    num_seeds: int
    reason: str | None


def spread(strategies: Sequence[StrategyResult], key: str) -> Spread:
    """Return median and range of a metric over every seed of one strategy."""
    measures = [strategy.metrics.get(key, Undefined("not computed")) for strategy in strategies]
    values = [value for value in map(_number, measures) if value is not None]
    reasons = [measure.reason for measure in measures if isinstance(measure, Undefined)]
    if not values:
        return Spread(None, None, None, len(measures), (reasons or ["not a finite number"])[0])
    reason = reasons[0] if reasons else None
    return Spread(float(np.median(values)), min(values), max(values), len(measures), reason)


def _number(measure: Measure) -> float | None:
    return None if isinstance(measure, Undefined) or not math.isfinite(measure) else float(measure)


def plain_sentence(result: BacktestResult, baseline: str = "buy_and_hold") -> str:
    """Return one sentence that says whether the agent's median beat the baseline, claiming no significance."""
    agent = spread(seeds_of(result, result.agent), "total_return")
    other = spread(seeds_of(result, baseline), "total_return")
    who = "The agent's one seed" if agent.num_seeds == 1 else f"The median of {agent.num_seeds} seeds"
    name = baseline.replace("_", "-")
    if agent.median is None:
        return f"{who} has no net return: {agent.reason}."
    earned = f"{who} returned {show('total_return', agent.median)} net of costs"
    if other.median is None:
        return f"{earned}; {name} was not played, so nothing is compared."
    outcome = "beat" if agent.median > other.median else "did not beat"
    against = f"{name} {show('total_return', other.median)} over the same bars"
    return f"{earned}, {against}: the agent {outcome} {name}. Whether that is luck or skill is not assessed."


def warnings_of(result: BacktestResult) -> list[str]:
    """Return the result's warnings; an optimistic fill is always among them."""
    optimistic = result.experiment.get("env", {}).get("fill") == "close"
    said = any("optimistic" in warning.lower() for warning in result.warnings)
    return [*result.warnings, *([OPTIMISTIC] if optimistic and not said else [])]


def baseline_label(result: BacktestResult, name: str) -> str:
    """Return a strategy's name for people; several seeds of a baseline are shown by their median."""
    label = name.replace("_", " ")
    count = len(seeds_of(result, name))
    return f"{label} (median of {count})" if count > 1 and name != result.agent else label


def looks_phrase(result: BacktestResult) -> str:
    """Return how often these held-out dates were looked at and tried on; generated prices are never held out."""
    if result.looks == 0:
        return "Generated prices: looks and trials are not counted."
    return f"Trials on these dates: {result.trials}. Look {result.looks} at these dates."
