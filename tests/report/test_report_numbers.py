import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import trim_mean

from trader.evaluation.results import Undefined
from trader.report.numbers import finite, interquartile_mean, report_json, report_text
from trader.report.series import drawdown, equity_curve, log_returns

CONTRACT_KEYS = {
    *("config_sha256", "data_sha256", "segments", "timerange", "fill", "costs", "periods_per_year", "strategies"),
    *("versus", "verdict", "trials", "looks", "deflated_sharpe", "warnings"),
}


def strict(text):
    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def nulls_without_reason(value, path=""):
    if isinstance(value, list):
        return []
    found = []
    for key, item in value.items():
        if item is None and not value.get(f"{key}_reason"):
            found.append(f"{path}.{key}")
        if key == "per_seed" and None in item and len(value.get("per_seed_reason", [])) != len(item):
            found.append(f"{path}.{key}[]")
        if isinstance(item, dict):
            found += nulls_without_reason(item, f"{path}.{key}")
    return found


def with_metric(result, key, measure):
    first = result.strategies[0]
    return replace(result, strategies=(replace(first, metrics=first.metrics | {key: measure}), *result.strategies[1:]))


def test_report_has_every_key_of_the_contract(make_result):
    report = report_json(make_result())
    assert set(report) >= CONTRACT_KEYS
    assert set(report["strategies"]["dqn"]["sharpe"]) >= {"per_seed", "iqm", "ci95"}
    assert set(report["versus"]["buy_and_hold"]) >= {"difference", "ci95", "p_value"}
    assert report["verdict"] == "not_assessed"
    assert report["verdict_reason"].endswith(".")
    assert report["costs"] == {
        "trading_fees": 0.001,
        "slippage_bps": 2.0,
        "spread_bps": 0.0,
        "borrow_interest_rate": 0.02,
    }


@pytest.mark.parametrize("measure", [np.nan, np.inf, -np.inf, Undefined("never traded")])
def test_no_nan_or_infinity_reaches_the_json_and_every_null_has_its_reason(make_result, measure):
    result = with_metric(make_result(), "profit_factor", measure)
    report = strict(report_text(result))
    row = report["strategies"]["dqn"]["profit_factor"]
    assert row["per_seed"][0] is None
    assert row["per_seed_reason"][0] in ("never traded", "not a finite number")
    assert row["iqm"] is None
    assert nulls_without_reason(report) == []


def test_the_check_for_reasons_finds_a_planted_bare_null():
    assert nulls_without_reason({"a": {"ci95": None}}) == [".a.ci95"]


def test_per_seed_is_in_the_order_of_seeds_and_drops_none(make_result):
    result = make_result(seeds=4)
    report = report_json(result)
    assert report["seeds"] == [0, 1, 2, 3]
    expected = [strategy.metrics["total_return"] for strategy in result.strategies[:4]]
    assert report["strategies"]["dqn"]["total_return"]["per_seed"] == expected
    assert len(report["strategies"]["buy_and_hold"]["total_return"]["per_seed"]) == 1


@pytest.mark.parametrize("num_seeds", [1, 2, 3, 4, 5, 8, 10])
def test_interquartile_mean_is_the_25_percent_trimmed_mean(num_seeds):
    values = np.random.default_rng(num_seeds).normal(size=num_seeds)
    assert interquartile_mean(values.tolist()) == pytest.approx(trim_mean(values, 0.25), rel=1e-12)


def test_difference_is_the_annualised_mean_log_return_of_the_agent_minus_the_baselines(make_result):
    result = make_result(num_bars=120)
    cash = 100_000.0
    growth = [np.log(s.ledgers[0].equity[-1] / cash) / 120 * 252 for s in result.strategies]
    difference = report_json(result)["versus"]["buy_and_hold"]["difference"]
    assert difference == pytest.approx(np.mean(growth[:3]) - growth[3], rel=1e-9)


def test_ruin_costs_a_finite_log_return_once():
    from trader.report.series import EquityCurve

    curve = EquityCurve(np.arange(3).astype("datetime64[ns]"), np.array([50.0, 0.0, 0.0]), 100.0)
    np.testing.assert_allclose(log_returns(curve), [np.log(0.5), np.log(0.001), 0.0])
    np.testing.assert_allclose(drawdown(curve), [-0.5, -1.0, -1.0])


def test_a_universe_is_the_equal_weight_mean_return_by_date(make_result):
    strategy = make_result(num_bars=5, assets=("a", "b"), hold=1).strategies[0]
    curve = equity_curve(strategy)  # b starts three days after a
    one, two = (np.diff(ledger.equity, prepend=1e5) / np.r_[1e5, ledger.equity[:-1]] for ledger in strategy.ledgers)
    both = [one[0], one[1], one[2], (one[3] + two[0]) / 2, (one[4] + two[1]) / 2, *two[2:]]
    assert len(curve.time) == 8
    np.testing.assert_allclose(curve.equity, 2e5 * np.cumprod(1 + np.array(both)), rtol=1e-12)


def test_same_result_gives_the_same_text(make_result):
    assert report_text(make_result()) == report_text(make_result())


def test_finite_keeps_numbers_and_drops_the_rest():
    assert [finite(1.5), finite(float("nan")), finite(Undefined("x"))] == [1.5, None, None]
