"""`report.html`: one file that opens offline and asks no server for anything."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
import yaml
from plotly.offline import get_plotlyjs

from trader.evaluation.results import BacktestResult, Undefined
from trader.report.charts import chart_values
from trader.report.html_choices import drawn_note, position_choices
from trader.report.html_tables import asset_table, cost_table, metric_table, seed_table
from trader.report.markup import (
    Html,
    facts,
    join,
    json_for_script,
    median_and_range,
    number,
    or_dash,
    text,
    typeset,
    wrap,
)
from trader.report.numbers import finite
from trader.report.series import seeds_of
from trader.report.words import FILLS, NOT_ASSESSED, looks_phrase, plain_sentence, show, spread, warnings_of


def report_html(result: BacktestResult) -> str:
    """Return the whole page; the same result gives the same bytes."""
    script = _own_file("page.js")
    return Template(_own_file("template.html")).substitute(
        title=text(f"{_name(result)}: held-out backtest"),
        style=_own_file("page.css"),
        header=_header(result),
        verdict=_verdict(result),
        warnings=_warnings(result),
        metrics=metric_table(result),
        costs=cost_table(result),
        seeds=seed_table(result),
        assets=_assets(result),
        provenance=_provenance(result),
        values=json_for_script(chart_values(result)),
        choices=position_choices(result),
        drawn_note=drawn_note(result),
        plotly=get_plotlyjs(),
        script=script,
        script_hashes=" ".join(map(_script_hash, (get_plotlyjs(), script))),
    )


def _script_hash(script: str) -> str:
    """What the page's policy lets run: these bytes and no other script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _own_file(name: str) -> str:
    return files("trader.report").joinpath(name).read_text(encoding="utf-8")


def _name(result: BacktestResult) -> str:
    return str(result.experiment.get("name") or result.agent)


def _header(result: BacktestResult) -> Html:
    first, last = result.timerange
    ledgers = result.strategies[0].ledgers
    assets = ledgers[0].asset if len(ledgers) == 1 else f"{len(ledgers)} assets"
    bars = max(len(ledger.time) for ledger in ledgers)
    subtitle = f"{result.agent} on {assets}, {first} to {last}, {bars:,} bars"
    return join([wrap("h1", text(_name(result))), wrap("p", text(subtitle), "subtitle"), facts(_settings(result))])


def _settings(result: BacktestResult) -> list[tuple[str, Html]]:
    env = result.experiment.get("env", {})
    fill = env.get("fill", "")
    cash = env.get("initial_cash")
    each = " for each asset" if len(result.strategies[0].ledgers) > 1 else ""
    return [
        ("Fill", or_dash(FILLS.get(fill, fill))),
        ("Costs", text(_costs_phrase(env))),
        ("Starting cash", or_dash(f"{cash:,.0f}{each}" if isinstance(cash, int | float) else "")),
        ("Bars per year", text(f"{result.periods_per_year:,.1f}")),
        ("Looks and trials", text(looks_phrase(result))),
        ("Prices", _fingerprint(result.data_sha256)),
        ("Config", _fingerprint(result.config_sha256)),
    ]


def _costs_phrase(env: dict[str, Any]) -> str:
    fees = f"fee {100 * env.get('trading_fees', 0):g} % a side"
    points = f"slippage {env.get('slippage_bps', 0):g} bps, spread {env.get('spread_bps', 0):g} bps"
    return f"{fees}, {points}, borrowing {100 * env.get('borrow_interest_rate', 0):g} % a year"


def _fingerprint(sha256: str) -> Html:
    return Html(f'<code title="{text(sha256)}">{text(sha256[:12])}</code>')


def _verdict(result: BacktestResult) -> Html:
    agent, hold = seeds_of(result, result.agent), seeds_of(result, "buy_and_hold")
    figures = [
        ("Net return", median_and_range("total_return", spread(agent, "total_return"))),
        ("Buy and hold", number("total_return", spread(hold, "total_return").median)),
        ("Sharpe", median_and_range("sharpe", spread(agent, "sharpe"))),
        ("Max drawdown", median_and_range("max_drawdown", spread(agent, "max_drawdown"))),
        ("Costs, of starting cash", text(typeset(_costs_lost(result)))),
    ]
    sentence = wrap("p", text(typeset(plain_sentence(result))), "sentence")
    badge = wrap("p", join([wrap("strong", text("Not assessed")), text(f" {NOT_ASSESSED}")]), "reason")
    return join([sentence, badge, facts(figures, "facts figures")])


def _costs_lost(result: BacktestResult) -> str:
    missing = Undefined("not computed")
    pairs = [
        [finite(strategy.metrics.get(key, missing)) for key in ("gross_return", "total_return")]
        for strategy in seeds_of(result, result.agent)
    ]
    lost = [gross - net for gross, net in pairs if gross is not None and net is not None]
    return show("exposure", float(np.median(lost)) if lost else None)


def _warnings(result: BacktestResult) -> Html:
    warnings = warnings_of(result)
    if not warnings:
        return Html("")
    items = join(wrap("li", text(warning)) for warning in warnings)
    title = '<h2 id="warnings">Warnings</h2>'
    return Html(f'<section class="warnings" aria-labelledby="warnings">{title}<ul>{items}</ul></section>')


def _assets(result: BacktestResult) -> Html:
    if len(result.strategies[0].ledgers) == 1:
        return Html("")
    note = "Every asset is traded alone with equal capital; the result above is the equal-weight mean by date."
    content = join([wrap("h2", text("Each asset")), wrap("p", text(note), "lead"), asset_table(result)])
    return wrap("section", content)


def _provenance(result: BacktestResult) -> Html:
    segments = [(name, text(f"{first} to {last}")) for name, (first, last) in result.segments.items()]
    versions = [(name, text(version)) for name, version in result.versions.items()]
    config = yaml.safe_dump(result.experiment, sort_keys=False, allow_unicode=True)
    prints = [
        ("Prices, sha256", wrap("code", text(result.data_sha256))),
        ("Config, sha256", wrap("code", text(result.config_sha256))),
    ]
    return join(
        [
            facts([("Command", wrap("code", or_dash(result.command))), *prints]),
            facts([*segments, *versions]),
            Html(f'<details><summary>Config</summary><pre tabindex="0"><code>{text(config)}</code></pre></details>'),
        ]
    )
