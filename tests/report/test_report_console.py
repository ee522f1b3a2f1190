import io

import pytest

from trader.evaluation.metrics import METRIC_KEYS
from trader.evaluation.results import Undefined
from trader.report.console import CheckpointScore, evaluation_table, print_backtest, report_console
from trader.report.words import METRICS, plain_sentence, show


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
