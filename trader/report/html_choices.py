"""The selectors of the position chart, and what they leave out."""

from __future__ import annotations

from collections.abc import Sequence

from trader.evaluation.results import BacktestResult
from trader.report.charts import drawn_panels
from trader.report.markup import Html, join, text, wrap
from trader.report.series import median_seed, seeds_of


def position_choices(result: BacktestResult) -> Html:
    """Return the asset's and the seed's selector; one with a single choice is hidden, the median seed is chosen."""
    num_assets, seeds = drawn_panels(result)
    assets = [ledger.asset for ledger in seeds[0].ledgers[:num_assets]]
    median = seeds.index(median_seed(seeds))
    names = [
        f"seed {own.seed}{' (median)' if row == median and len(seeds) > 1 else ''}" for row, own in enumerate(seeds)
    ]
    return join([_choice("Asset", "asset", assets, 0), _choice("Seed", "seed", names, median)], "\n")


def drawn_note(result: BacktestResult) -> Html:
    """Return which seed and which assets alone are drawn; nothing when all are."""
    num_assets, shown = drawn_panels(result)
    seeds = seeds_of(result, result.agent)
    total = len(seeds[0].ledgers)
    said = []
    if len(shown) < len(seeds):
        said.append(f"Of {len(seeds)} seeds only seed {shown[0].seed}, with the median final equity, is drawn here.")
    if num_assets < total:
        said.append(f"Only the first {num_assets} of {total:,} assets are drawn here.")
    if said:
        said.append("equity.csv and trades.csv hold every seed and asset.")
    return wrap("p", text(" ".join(said)), "note") if said else Html("")


def _choice(label: str, key: str, names: Sequence[str], chosen: int) -> Html:
    options = join(
        Html(f'<option value="{row}"{" selected" if row == chosen else ""}>{text(name)}</option>')
        for row, name in enumerate(names)
    )
    hidden = " hidden" if len(names) == 1 else ""
    return Html(f'<label{hidden}>{label} <select id="{key}" autocomplete="off">{options}</select></label>')
