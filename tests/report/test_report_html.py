import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from trader.errors import TraderError
from trader.evaluation.results import Undefined
from trader.report.charts import MOST_PANELS, chart_values, thin
from trader.report.figures import label
from trader.report.files import write_report
from trader.report.html import report_html
from trader.report.words import OPTIMISTIC

ATTACK = "<script>alert('x')</script>\"' onload=\"alert(1)"
LEGAL_TAGS_WITH_CODE = 3  # the values, Plotly and the page's own script


class Page(HTMLParser):
    """Collects tags, attributes and the content of scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1] += data

    def handle_endtag(self, tag):
        self.inside = False


def attacked(make_result):
    env = {"fill": ATTACK, "trading_fees": 0.001, "initial_cash": 1e5}
    return make_result(
        assets=(ATTACK, "b"), warnings=[ATTACK], command=ATTACK, versions={ATTACK: ATTACK},
        experiment={"name": ATTACK, "env": env, ATTACK: [ATTACK]}, config_sha256=ATTACK, data_sha256=ATTACK,
        segments={ATTACK: [ATTACK, ATTACK]}, timerange=[ATTACK, ATTACK],
    )  # fmt: skip


def test_names_and_config_values_never_become_markup(make_result):
    text = report_html(attacked(make_result))
    page = Page(text)
    assert len(page.scripts) == LEGAL_TAGS_WITH_CODE
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert "<script>alert" not in text
    assert "alert(&#x27;x&#x27;)" in text


def test_the_markup_test_would_see_a_planted_script():
    assert len(Page("<p>" + "<script>alert(1)</script>" * 4).scripts) > LEGAL_TAGS_WITH_CODE


def test_chart_values_are_strict_json_inside_the_page(make_result):
    result = attacked(make_result)
    values = json.loads(Page(report_html(result)).scripts[0])
    assert values == chart_values(result)
    assert len(values["positions"]["assets"]) == 2


def test_the_page_asks_no_server_for_anything(make_result):
    text = report_html(make_result())
    own = text.replace(get_plotlyjs(), "")  # Plotly names servers for maps and links, which the policy below keeps shut
    assert re.findall(r"https?://|//[a-z]+\.|@import", own) == []
    linked = [attrs[key] for _, attrs in Page(text).tags for key in ("src", "href") if key in attrs]
    assert all(target.startswith(("#", "data:")) for target in linked)


def policy_of(page):
    content = [attrs["content"] for tag, attrs in page.tags if tag == "meta" and "http-equiv" in attrs]
    return dict(rule.strip().split(" ", 1) for rule in content[0].split(";"))


def test_the_policy_shuts_the_network_and_runs_only_the_pages_own_scripts(make_result):
    page = Page(report_html(make_result()))
    policy = policy_of(page)
    assert policy["default-src"] == "'none'"
    assert set(policy) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in page.scripts[1:]]
    assert policy["script-src"].split() == [f"'sha256-{own}'" for own in hashes]
    assert policy["img-src"] == "data:"


def test_names_in_a_figure_are_text_and_not_the_markup_plotly_knows(make_result):
    attack = '<a href="javascript:alert(1)">dqn</a><br><b>'
    result = make_result(num_bars=30, seeds=2)
    renamed = [replace(own, name=attack if own.name == "dqn" else f"{attack}{own.name}") for own in result.strategies]
    figure = chart_values(replace(result, agent=attack, strategies=tuple(renamed)))["performance"]["figure"]
    shown = [trace.get("name", "") for trace in figure["data"]] + [
        own["text"] for own in figure["layout"]["annotations"]
    ]
    assert not any("<" in words or ">" in words for words in shown)
    assert label(f"{attack} median") in shown


def test_same_result_gives_the_same_bytes(make_result):
    assert report_html(make_result()) == report_html(make_result())


def test_a_hundred_thousand_bars_stay_under_eight_megabytes(make_result):
    result = make_result(num_bars=100_000, seeds=2, step=1, hold=2_000)
    assert len(report_html(result).encode()) < 8e6


def test_a_large_universe_stays_under_eight_megabytes(make_result):
    result = make_result(num_bars=300, seeds=2, assets=tuple(f"asset{number}" for number in range(60)), hold=2)
    assert len(report_html(result).encode()) < 8e6


def test_thinning_keeps_ends_and_extremes():
    values = np.random.default_rng(3).normal(size=12_345).cumsum()
    rows = thin(values, 400)
    assert len(rows) <= 403
    assert (rows[0], rows[-1]) == (0, 12_344)
    assert (np.diff(rows) > 0).all()
    assert (values[rows].min(), values[rows].max()) == (values.min(), values.max())


def test_chart_times_unpack_to_the_bars(make_result):
    result = make_result(num_bars=30, step=1)
    values = chart_values(result)
    clock, line = values["clock"], values["performance"]["lines"][0]
    times = clock["start"] + np.cumsum(line["t"]) * clock["tick"]
    assert (times.astype("datetime64[ms]") == result.strategies[0].ledgers[0].time).all()
    assert clock["tick"] == 3_600_000


def lines_by_name(values):
    """The lines of each name in the upper pane, then in the lower one, as the page pairs lines and traces."""
    performance, panes = values["performance"], {"y": {}, "y2": {}}
    for trace, line in zip(performance["figure"]["data"], performance["lines"], strict=True):
        panes[trace.get("yaxis", "y")].setdefault(trace.get("name", "band"), []).append(line["y"])
    return panes


@pytest.mark.parametrize("seeds", [1, 4])
def test_every_seed_and_every_baseline_is_on_the_page(make_result, seeds):
    result = make_result(num_bars=60, seeds=seeds)
    panes = lines_by_name(chart_values(result))
    played = np.array([own.ledgers[0].equity for own in result.strategies if own.name == "dqn"])
    hold = next(own.ledgers[0].equity for own in result.strategies if own.name == "buy_and_hold")
    for pane in panes.values():
        assert {"buy and hold", "flat", "sma crossover", "momentum"} < set(pane)
        assert [name for name in pane if name.startswith("random")]
    assert np.allclose(panes["y"]["buy and hold"], hold, rtol=1e-5)
    assert np.allclose(panes["y"]["dqn" if seeds == 1 else "dqn median"], np.median(played, axis=0), rtol=1e-5)
    if seeds > 1:
        assert np.allclose(panes["y"]["4 seeds"], played, rtol=1e-5)
        assert np.allclose(panes["y"]["band"], [played.min(axis=0), played.max(axis=0)], rtol=1e-5)
        assert np.allclose(panes["y2"]["band"][1], [max(fall) for fall in zip(*panes["y2"]["4 seeds"], strict=True)])
    assert all(f"step {25_000 * (seed + 1):,}" in report_html(result) for seed in range(seeds))


def test_every_colour_of_a_figure_is_defined_by_the_style_sheet(make_result):
    page = report_html(make_result(num_bars=5))
    light, dark = (
        set(re.findall(r"(--[a-z-]+):", block)) for block in re.findall(r":root \{(.*?)\}", page, re.DOTALL)[:2]
    )
    used = set(re.findall(r"var\((--[a-z-]+)\)", Page(page).scripts[0]))
    assert {"--agent", "--agent-band", "--hold"} < used
    assert used <= light
    assert used - {"--sans"} <= dark


def test_marks_are_the_entries_and_exits_of_the_seed(make_result):
    result = make_result(seeds=2)
    panel = chart_values(result)["positions"]["assets"][0]["seeds"][1]
    trades = result.strategies[1].trades[0]
    assert panel["long"]["y"] == [float(f"{own.entry_price:.6g}") for own in trades if own.side == "long"]
    assert panel["short"]["y"] == [float(f"{own.entry_price:.6g}") for own in trades if own.side == "short"]
    assert len(panel["exit"]["y"]) == sum(own.exit_time is not None for own in trades)
    assert panel["shown"] == panel["all"] == sum(len(panel[kind]["t"]) for kind in ("long", "short", "exit"))


def test_the_page_says_which_seed_and_assets_alone_are_drawn(make_result):
    small = report_html(make_result(num_bars=5, assets=("a", "b")))
    assert "drawn here" not in small
    seeds = report_html(
        make_result(num_bars=5, assets=tuple(f"asset{row}" for row in range(MOST_PANELS // 2)), seeds=3)
    )
    assert "Of 3 seeds only seed" in seeds
    assert "assets are drawn here" not in seeds
    assets = report_html(
        make_result(num_bars=5, assets=tuple(f"asset{row}" for row in range(MOST_PANELS + 1)), seeds=1)
    )
    assert f"Only the first {MOST_PANELS} of {MOST_PANELS + 1} assets are drawn here." in assets
    assert "Of 1 seeds" not in assets


def test_one_bar_and_a_ruined_agent_still_give_a_page(make_result):
    result = make_result(num_bars=1, seeds=1)
    for strategy in result.strategies:
        strategy.metrics["sharpe"] = Undefined("fewer than two bars")
        strategy.ledgers[0].equity[:] = 0.0
    page = report_html(result)
    assert "fewer than two bars" in page
    json.loads(Page(page).scripts[0], parse_constant=pytest.fail)


def test_a_fill_at_an_observed_price_is_called_optimistic(make_result):
    assert OPTIMISTIC in report_html(make_result(fill="close"))
    assert OPTIMISTIC not in report_html(make_result(fill="next_open"))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, make_result):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(TraderError, match="cannot write the report"):
        write_report(tmp_path / "taken", make_result(num_bars=5))
