"""What a reader of a backtest must be told beside its figures, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trader.evaluation.results import StrategyResult

if TYPE_CHECKING:
    from trader.config import EnvConfig
    from trader.data.prepare import Prepared

_TOLERANCE = 1e-3
_IMPLAUSIBLE_SHARPE = 10.0
_TRADES_PER_DAY = 10.0


def fill_warnings(env: EnvConfig, prepared: Prepared) -> list[str]:
    """Return what is optimistic about the fills and costs."""
    found = []
    if env.fill == "close":
        found.append("optimistic: fills at a price already observed (fill: close)")
    copied = [finding.asset for finding in prepared.findings if finding.code == "open_is_previous_close"]
    if env.fill == "next_open" and copied:
        assets = ", ".join(copied)
        found.append(f"optimistic: opens of {assets} repeat the previous close, so next_open fills at a known price")
    if env.trading_fees == 0 and env.slippage_bps == 0 and env.spread_bps == 0:
        found.append("trading is free here: fees, slippage and spread are all zero")
    return found


def agent_warnings(agents: Sequence[StrategyResult], disagreement: float) -> list[str]:
    """Return what is suspicious about the agent's own path."""
    found = []
    for result in agents:
        who = f"seed {result.seed}"
        found += _collapse(result, who)
        sharpe = result.metrics["sharpe"]
        if isinstance(sharpe, float) and abs(sharpe) > _IMPLAUSIBLE_SHARPE:
            found.append(f"{who}: a Sharpe ratio of {sharpe:.1f} is not plausible on real markets; look for a leak")
        if (rate := _trades_per_day(result)) > _TRADES_PER_DAY:
            found.append(f"{who}: {rate:.1f} trades a day per asset; real costs may be higher than these")
    if disagreement > _TOLERANCE:
        found.append(f"environment and ledger differ by up to {disagreement:.1e} of equity on these dates")
    return found


def seed_warnings(num_played: int, num_asked: int) -> list[str]:
    """Return that a run which still goes on, or was interrupted, is judged by a part of its seeds."""
    return [f"only {num_played} of {num_asked} seeds were trained so far: finish the run"] * (num_played < num_asked)


def look_warnings(looks: int, overlaps: Sequence[str]) -> list[str]:
    """Return what weakens these dates as held-out ones."""
    found = [f"look {looks} at these held-out dates: what was chosen by earlier looks is not held out"] * (looks > 1)
    if overlaps:
        found.append(f"these dates overlap the {' and '.join(overlaps)} dates: the result is not out of sample")
    return found


def _collapse(result: StrategyResult, who: str) -> list[str]:
    targets = np.concatenate([ledger.target for ledger in result.ledgers])
    asked = np.unique(targets[~np.isnan(targets)])
    if len(asked) != 1:
        return []
    what = "never trades" if asked[0] == 0 else f"always holds exposure {asked[0]:g}"
    return [f"{who}: the policy collapsed; it {what}"]


def _trades_per_day(result: StrategyResult) -> float:
    trades = sum(len(of_asset) for of_asset in result.trades)
    days = sum(float((ledger.time[-1] - ledger.time[0]) / np.timedelta64(1, "D")) for ledger in result.ledgers)
    return trades / max(days, 1.0)
