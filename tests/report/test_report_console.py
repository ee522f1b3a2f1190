import io

import pytest
from rich.console import Console

from trader.evaluation.metrics import METRIC_KEYS
from trader.evaluation.results import Undefined
from trader.report.console import (
    CheckpointScore,
    backtest_tables,
    evaluation_table,
    print_backtest,
    report_console,
)
from trader.report.words import METRICS, plain_sentence, show, show_short


def printed(result, tmp_path):
    file = io.StringIO()
    print_backtest(report_console(file), result, tmp_path / "report.html")
    return file.getvalue()


def test_the_table_names_agent_range_and_every_baseline_within_100_columns(make_result, tmp_path):
    text = printed(make_result(seeds=5, warnings=["Fees are zero."]), tmp_path)
    table = text.splitlines()[:12]
    assert max(map(len, table)) <= 100
    for word in ("dqn median", "of 5: min … max", "buy and hold", "flat", "random", "sma crossover", "momentum"):
        assert word in table[1]
    assert "Warning: Fees are zero." in text
    assert "not assessed" in text
    assert str(tmp_path / "report.html") in text


def test_plain_output_has_no_escape_codes(make_result, tmp_path):
    assert "\x1b" not in printed(make_result(), tmp_path)


def test_brackets_in_names_are_text_and_not_markup(make_result, tmp_path):
    assert "[red]odd[/red]" in printed(make_result(warnings=["[red]odd[/red]"]), tmp_path)


@pytest.mark.parametrize(
    ("agent", "hold", "words"), [(0.2, 0.1, "beat"), (0.1, 0.2, "did not beat"), (0.1, 0.1, "did not beat")]
)
def test_the_sentence_says_whether_the_median_beat_buy_and_hold(make_result, agent, hold, words):
    result = make_result()
    for strategy in result.strategies:
        strategy.metrics["total_return"] = agent if strategy.name == "dqn" else hold
    sentence = plain_sentence(result)
    assert f"the agent {words} buy-and-hold" in sentence
    assert "not assessed" in sentence


def test_the_sentence_stands_without_a_number(make_result):
    result = make_result()
    for strategy in result.strategies:
        strategy.metrics["total_return"] = Undefined("no bars")
    assert plain_sentence(result) == "The median of 3 seeds has no net return: no bars."


def test_checkpoints_are_sorted_by_validation_growth_and_the_best_marked():
    growth = {100: 0.01, 200: 0.03, 300: 0.02}
    scores = [CheckpointScore(seed, step, {"log_growth": value}, step == 200)
              for seed in (1, 0) for step, value in growth.items()]  # fmt: skip
    file = io.StringIO()
    report_console(file).print(evaluation_table(scores))
    rows = [line.split() for line in file.getvalue().splitlines()[2:] if line.strip()]
    assert [(row[0], row[1]) for row in rows] == [(seed, step) for seed in "01" for step in ("200", "300", "100")]
    assert [row[-1] == "best" for row in rows] == [True, False, False] * 2


def test_zero_is_shown_without_a_sign():
    assert show("total_return", -0.0) == "0.0 %"
    assert show("net_pnl", -0.2) == "0"
    assert show("total_return", 12.345) == "+1,234.5 %"


def test_every_metric_of_the_ledger_has_words():
    assert set(METRIC_KEYS) == set(METRICS)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_huge_numbers_and_intraday_dates_are_never_cut_or_folded(make_result, width):
    result = make_result(seeds=3, timerange=["2018-09-01T13:00:00", "2019-11-15T12:00:00"])
    for place, strategy in enumerate(result.strategies):
        strategy.metrics.update(total_return=1234.5678 * 10**place, gross_return=-9.87e9 * 10**place, fees_paid=1e12)
    tables = io.StringIO()
    console = Console(file=tables, width=width, highlight=False)
    for table in backtest_tables(result, console):
        console.print(table)
    lines = [line for line in tables.getvalue().splitlines() if line.strip()]
    rows = [line for line in lines if line.startswith("Net return")]
    assert "…" not in "".join(rows).replace(" … ", "")
    assert sum(line.lstrip().startswith("%") for line in lines) == 0
    assert lines[0].startswith("Held out 2018-09-01 13:00 to 2019-11-15 12:00")
    titles = "".join(line for line in lines if "dqn median" in line)
    assert all(name in titles for name in ("buy and hold", "flat", "random", "sma crossover", "momentum"))


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("total_return", 9999.994, "+999,999.4 %"),
        ("total_return", -12345.6, "-1.23M %"),
        ("total_return", 9999999.0, "+1B %"),
        ("fees_paid", 1234567.0, "1.23M"),
        ("trades", 999999.0, "999,999"),
        ("total_return", 1e20, "+1.0e+22 %"),
    ],
)
def test_seven_digits_and_more_are_shortened(key, value, text):
    assert show_short(key, value) == text


def test_one_seed_has_no_range(make_result, tmp_path):
    text = printed(make_result(seeds=1), tmp_path)
    assert "dqn 1 seed" in text
    assert "min … max" not in text
