"""The tables of `report.html`: metrics, costs, seeds, assets."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from trader.evaluation.results import BacktestResult, StrategyResult, Undefined
from trader.report.markup import Html, join, median_and_range, number, or_dash, spread_range, table, text, wrap
from trader.report.numbers import finite
from trader.report.series import drawdown, equity_curve, median_seed, seeds_of, strategy_names
from trader.report.words import (
    Spread,
    baseline_label,
    metric_words,
    ordered_metrics,
    show,
    spread,
)

COST_COLUMNS = ("fees_paid", "slippage_paid", "spread_paid", "borrow_paid")
SEED_COLUMNS = ("total_return", "gross_return", "cagr", "sharpe", "max_drawdown", "exposure", "trades", "fees_paid")


def metric_table(result: BacktestResult) -> Html:
    """Return every metric: the agent's median and range over seeds, each baseline beside it."""
    names = strategy_names(result)
    agent = f"{result.agent}, {_seeds_phrase(result)}"
    head = [text("Metric"), text(agent), *(text(baseline_label(result, name)) for name in names[1:])]
    rows = []
    for key in ordered_metrics(result):
        words = metric_words(key)
        title = join([text(words.label), wrap("span", text(words.unit), "unit")], " ")
        others = [number(key, spread(seeds_of(result, name), key).median) for name in names[1:]]
        rows.append([title, median_and_range(key, spread(seeds_of(result, result.agent), key)), *others])
    return join([table("Metrics of agent and baselines", head, rows, "metrics"), _undefined_notes(result)])


def _seeds_phrase(result: BacktestResult) -> str:
    count = len(seeds_of(result, result.agent))
    return "1 seed" if count == 1 else f"median of {count} seeds [range]"


def _undefined_notes(result: BacktestResult) -> Html:
    missing: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in strategy_names(result):
        for key in ordered_metrics(result):
            reason = spread(seeds_of(result, name), key).reason
            if reason is not None:
                missing[name.replace("_", " ")][reason].append(metric_words(key).label.lower())
    parts = [
        f"{name}: {', '.join(labels)} ({reason})"
        for name, reasons in missing.items()
        for reason, labels in reasons.items()
    ]
    return wrap("p", text(f"– not defined. {'; '.join(parts)}."), "note") if parts else Html("")


def cost_table(result: BacktestResult) -> Html:
    """Return what each strategy paid, item by item, with a bar; the median seed where there are several."""
    played = [median_seed(seeds_of(result, name)) for name in strategy_names(result)]
    costs = [[_amount(strategy, key) for key in COST_COLUMNS] for strategy in played]
    most = max(sum(own) for own in costs) or 1.0
    head = [
        *map(text, ("Strategy", "Share")),
        *(text(metric_words(key).label) for key in COST_COLUMNS),
        text("All costs"),
    ]
    rows = []
    for strategy, own in zip(played, costs, strict=True):
        bar = join(_segment(item, amount / most) for item, amount in enumerate(own) if amount > 0)
        label = text(strategy.name.replace("_", " ") + ("" if strategy.seed is None else f", seed {strategy.seed}"))
        amounts = [number(key, amount) for key, amount in zip(COST_COLUMNS, own, strict=True)]
        rows.append([label, wrap("span", bar, "bar"), *amounts, wrap("strong", number("fees_paid", sum(own)))])
    return table("Costs paid", head, rows, "costs")


def _segment(item: int, share: float) -> Html:
    return Html(f'<i class="cost-{item}" style="width:{100 * share:.2f}%"></i>')


def _amount(strategy: StrategyResult, key: str) -> float:
    return finite(strategy.metrics.get(key, Undefined("not computed"))) or 0.0


def seed_table(result: BacktestResult) -> Html:
    """Return every seed of the agent in one row each, none left out and none put first."""
    head = [text("Seed"), text("Checkpoint"), *(text(metric_words(key).label) for key in SEED_COLUMNS)]
    rows = []
    for strategy in seeds_of(result, result.agent):
        step = result.checkpoints.get(strategy.seed) if strategy.seed is not None else None
        cells = [number(key, finite(strategy.metrics.get(key, Undefined("")))) for key in SEED_COLUMNS]
        rows.append([or_dash(strategy.seed), or_dash(f"step {step:,}" if step is not None else ""), *cells])
    return table("Every seed of the agent", head, rows)


def asset_table(result: BacktestResult, baseline: str = "buy_and_hold") -> Html:
    """Return each asset alone: the agent's net return over seeds beside the baseline's, drawdown, trades, costs."""
    agent, other = seeds_of(result, result.agent), seeds_of(result, baseline)
    titles = ("Asset", "Bars", "Net return", "Range over seeds", baseline.replace("_", " "), "Max drawdown", "Trades")
    rows = []
    for row, ledger in enumerate(agent[0].ledgers):
        own = _spread_of([_asset_alone(strategy, row) for strategy in agent], "total_return")
        fall = _spread_of([_asset_alone(strategy, row) for strategy in agent], "max_drawdown")
        against = _spread_of([_asset_alone(strategy, row) for strategy in other], "total_return") if other else None
        trades = float(np.median([len(strategy.trades[row]) for strategy in agent]))
        cells = [number("total_return", own.median), spread_range("total_return", own)]
        cells += [number("total_return", against.median if against else None)]
        cells += [number("max_drawdown", fall.median), text(show("trades", trades))]
        rows.append([text(ledger.asset), text(f"{len(ledger.time):,}"), *cells])
    return table("Each asset alone", [text(title) for title in titles], rows)


def _asset_alone(strategy: StrategyResult, row: int) -> dict[str, float]:
    ledger = strategy.ledgers[row]
    alone = StrategyResult(strategy.name, strategy.seed, (ledger,), (strategy.trades[row],), {})
    fall = float(drawdown(equity_curve(alone)).min())
    return {"total_return": float(ledger.equity[-1] / ledger.initial_cash - 1), "max_drawdown": fall}


def _spread_of(measures: list[dict[str, float]], key: str) -> Spread:
    values = [measure[key] for measure in measures]
    return Spread(float(np.median(values)), min(values), max(values), len(values), None)
