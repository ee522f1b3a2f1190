"""`report.json`: every number of a backtest, strict JSON, undefined numbers null with their reason."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trader.evaluation.results import BacktestResult, Measure, StrategyResult, Undefined
from trader.report.series import equity_curve, log_returns, seeds_of, strategy_names
from trader.report.words import NOT_ASSESSED, warnings_of

COST_KEYS = ("trading_fees", "slippage_bps", "spread_bps", "borrow_interest_rate")


def report_json(result: BacktestResult) -> dict[str, Any]:
    """Return the content of `report.json`: JSON values only, no NaN or Infinity, same input, same content."""
    env = result.experiment.get("env", {})
    return {
        "name": result.experiment.get("name", ""),
        "agent": result.agent,
        "verdict": "not_assessed",
        "verdict_reason": NOT_ASSESSED,
        "config_sha256": result.config_sha256,
        "data_sha256": result.data_sha256,
        "segments": result.segments,
        "timerange": result.timerange,
        "fill": env.get("fill", ""),
        "costs": {key: env[key] for key in COST_KEYS if key in env},
        "periods_per_year": finite(result.periods_per_year),
        "seeds": [strategy.seed for strategy in seeds_of(result, result.agent)],
        "checkpoints": {str(seed): step for seed, step in result.checkpoints.items()},
        "strategies": {name: _strategy(seeds_of(result, name)) for name in strategy_names(result)},
        "versus": {name: _versus(result, name) for name in strategy_names(result) if name != result.agent},
        "trials": result.trials,
        "looks": result.looks,
        "deflated_sharpe": None,
        "deflated_sharpe_reason": NOT_ASSESSED,
        "warnings": warnings_of(result),
        "command": result.command,
        "versions": result.versions,
    }


def report_text(result: BacktestResult) -> str:
    """Return `report.json` as text, one key per line, ending in a newline."""
    return json.dumps(report_json(result), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean of what is left after dropping the lowest and the highest quarter (rounded down).

    Reference:
        Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice", section 4.3.

    Example:
        >>> interquartile_mean([1.0, 2.0, 3.0, 4.0, 100.0])
        3.0
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def finite(value: Measure) -> float | None:
    """Return the number, or None when it is undefined, NaN or infinite."""
    if isinstance(value, Undefined) or not math.isfinite(value):
        return None
    return float(value)


def reason_of(value: Measure) -> str | None:
    """Return why a number does not exist, None when it does."""
    if isinstance(value, Undefined):
        return value.reason
    return None if math.isfinite(value) else "not a finite number"


def annual_log_growth(strategies: Sequence[StrategyResult], periods_per_year: float) -> float:
    """Return the mean over seeds of the mean log return per bar, times bars per year."""
    means = [float(log_returns(equity_curve(strategy)).mean()) for strategy in strategies]
    return float(np.mean(means)) * periods_per_year


def _strategy(strategies: list[StrategyResult]) -> dict[str, Any]:
    keys = dict.fromkeys(key for strategy in strategies for key in strategy.metrics)
    missing = Undefined("not computed for this seed")
    return {key: _metric([strategy.metrics.get(key, missing) for strategy in strategies]) for key in keys}


def _metric(measures: list[Measure]) -> dict[str, Any]:
    values, reasons = [finite(measure) for measure in measures], [reason_of(measure) for measure in measures]
    defined = [value for value in values if value is not None]
    complete = len(defined) == len(values)
    row: dict[str, Any] = {"per_seed": values}
    if not complete:
        row["per_seed_reason"] = reasons
    row["iqm"] = interquartile_mean(defined) if complete else None
    if not complete:
        row["iqm_reason"] = next(reason for reason in reasons if reason is not None)
    return {**row, "ci95": None, "ci95_reason": NOT_ASSESSED}


def _versus(result: BacktestResult, baseline: str) -> dict[str, Any]:
    agent, other = (
        annual_log_growth(seeds_of(result, name), result.periods_per_year) for name in (result.agent, baseline)
    )
    difference = finite(agent - other)
    row: dict[str, Any] = {"difference": difference}
    if difference is None:
        row["difference_reason"] = "not a finite number"
    return {**row, "ci95": None, "ci95_reason": NOT_ASSESSED, "p_value": None, "p_value_reason": NOT_ASSESSED}
