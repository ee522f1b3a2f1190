import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from trader.errors import TraderError
from trader.evaluation.results import Undefined
from trader.report.charts import chart_values, thin
from trader.report.files import write_report
from trader.report.html import report_html
from trader.report.words import OPTIMISTIC

ATTACK = "<script>alert('x')</script>\"' onload=\"alert(1)"
LEGAL_TAGS_WITH_CODE = 2  # the values and the page's own script


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
    assert len(Page("<p><script>alert(1)</script><script>2</script><script>3</script>").scripts) > LEGAL_TAGS_WITH_CODE


def test_chart_values_are_strict_json_inside_the_page(make_result):
    result = attacked(make_result)
    values = json.loads(Page(report_html(result)).scripts[0])
    assert values == chart_values(result)
    assert values["positions"]["assets"][0]["name"] == ATTACK


def test_the_page_asks_no_server_for_anything(make_result):
    text = report_html(make_result())
    assert re.findall(r"https?://|//[a-z]+\.|@import", text) == []
    linked = [attrs[key] for _, attrs in Page(text).tags for key in ("src", "href") if key in attrs]
    assert all(target.startswith(("#", "data:")) for target in linked)
    assert "default-src 'none'" in text


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
    clock, line = values["clock"], values["performance"]["median"]["equity"]
    times = clock["start"] + np.cumsum(line["t"]) * clock["tick"]
    assert (times.astype("datetime64[ms]") == result.strategies[0].ledgers[0].time).all()
    assert clock["tick"] == 3_600_000


@pytest.mark.parametrize("seeds", [1, 4])
def test_every_seed_and_every_baseline_is_on_the_page(make_result, seeds):
    result = make_result(seeds=seeds)
    values = chart_values(result)["performance"]
    assert [own["seed"] for own in values["seeds"]] == list(range(seeds))
    assert [own["name"] for own in values["baselines"]] == [
        *("buy_and_hold", "flat", "random", "sma_crossover", "momentum")
    ]
    assert all(f"step {25_000 * (seed + 1):,}" in report_html(result) for seed in range(seeds))


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
