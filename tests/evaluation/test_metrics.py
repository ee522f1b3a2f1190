"""Every metric against numbers worked by hand and a plain loop; P12: metrics are total."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.decimal_oracle import days, env_of
from trader.evaluation.ledger import Prices, run_ledger
from trader.evaluation.metrics import METRIC_KEYS, bar_returns, equity_by_date, returns_by_date, strategy_metrics
from trader.evaluation.results import LedgerResult, Undefined
from trader.evaluation.trades import trades_of

KEYS = [
    "net_pnl",
    "total_return",
    "log_growth",
    "cagr",
    "volatility",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "max_drawdown_bars",
    "value_at_risk_5",
    "expected_shortfall_5",
    "alpha",
    "beta",
    "information_ratio",
    "exposure",
    "turnover_per_year",
    "trades",
    "win_rate",
    "profit_factor",
    "avg_bars_held",
    "fees_paid",
    "slippage_paid",
    "spread_paid",
    "borrow_paid",
    "gross_return",
]


def ledger_of(equity, cash=100.0, start="2024-01-01", **columns):
    """Return a ledger with that equity and nothing held."""
    equity = np.asarray(equity, dtype=np.float64)
    zero, nan = np.zeros(len(equity)), np.full(len(equity), np.nan)
    record = LedgerResult(
        "x",
        days(len(equity), start),
        nan,
        zero,
        nan,
        nan,
        equity,
        zero + 1,
        zero,
        zero,
        zero,
        zero,
        equity,
        cash,
        False,
    )
    return replace(record, **columns)


def metrics_of(*ledgers, benchmark=None, per_year=252.0, risk_free=0.0):
    return strategy_metrics(ledgers, [trades_of(ledger) for ledger in ledgers], benchmark, per_year, risk_free)


def test_the_keys_and_their_order_are_the_contracts():
    measured = metrics_of(ledger_of([110, 99, 108.9]))
    assert list(measured) == KEYS == list(METRIC_KEYS)


def test_return_metrics_worked_by_hand():
    # 100 -> 110 -> 99 -> 108.9: returns +10 %, -10 %, +10 %; three bars a year, so exactly one year.
    # mean 1/30; squares around it (1/15)², (2/15)², (1/15)²: variance (6/225)/2 = 1/75, deviation 0.115470
    # volatility 0.115470 · √3 = 0.2; Sharpe (1/30) / 0.115470 · √3 = 0.5
    # downside √(0.01 / 3) = 0.057735; Sortino (1/30) / 0.057735 · √3 = 1; Calmar 0.089 / 0.1
    # 5 % quantile: position 0.1 between -10 % and +10 % = -8 %; the mean at or below is -10 %
    # Benchmark +5 %, -5 %, +5 %: beta 2, alpha 0; difference +5, -5, +5 %: ratio 0.5
    measured = metrics_of(ledger_of([110, 99, 108.9]), benchmark=np.array([0.05, -0.05, 0.05]), per_year=3)
    expected = {
        "net_pnl": 8.9,
        "total_return": 0.089,
        "log_growth": 0.0852598,
        "cagr": 0.089,
        "volatility": 0.2,
        "sharpe": 0.5,
        "sortino": 1.0,
        "calmar": 0.89,
        "max_drawdown": -0.1,
        "max_drawdown_bars": 2,
        "value_at_risk_5": -0.08,
        "expected_shortfall_5": -0.1,
        "alpha": 0.0,
        "beta": 2.0,
        "information_ratio": 0.5,
        "exposure": 0.0,
    }
    assert {key: measured[key] for key in expected} == pytest.approx(expected, abs=1e-7)


def test_the_risk_free_rate_is_spread_over_the_bars():
    # 6 % a year over 3 bars = 2 % a bar: excess +8, -12, +8 %; mean 4/300, deviation unchanged: 0.2; Sharpe 0.04/0.2
    measured = metrics_of(
        ledger_of([110, 99, 108.9]), benchmark=np.array([0.05, -0.05, 0.05]), per_year=3, risk_free=0.06
    )
    assert measured["sharpe"] == pytest.approx(0.2)
    assert measured["sortino"] == pytest.approx((4 / 300) / math.sqrt(0.0144 / 3) * math.sqrt(3))
    assert measured["alpha"] == pytest.approx((4 / 300 - 2 * (-1 / 300)) * 3)
    assert measured["volatility"] == pytest.approx(0.2)


def test_account_and_trade_metrics_worked_by_hand():
    # Fee 1 %. Buy at 100 (units 10,000 / 101 = 99.0099, fee 99.01), sell at 110 (10,891.09, fee 108.91): +782.18.
    # Buy all of 10,782.18 at 110 (97.0493 units, fee 106.75), sell at 99 (9,607.88, fee 96.08): 9,511.80, -1,270.38.
    # Marked exposure 1 in two of four bars. One-sided: ½ (9,900.99/10,000 + 10,891.09/9,900.99 + 10,675.43/10,782.18
    # + 9,607.88/10,675.43) = ½ (0.990099 + 1.1 + 0.990099 + 0.9) = 1.990099 in 4 of 8 bars a year = 3.980198 a year.
    prices = np.array([100.0, 100.0, 110.0, 110.0, 99.0])
    result = run_ledger(Prices("x", days(5), prices, prices), [1.0, 0.0, 1.0, 0.0], 0, env_of(fee=0.01))
    measured = metrics_of(result, per_year=8)
    expected = {
        "net_pnl": -488.20,
        "exposure": 0.5,
        "trades": 2,
        "win_rate": 0.5,
        "profit_factor": 782.178 / 1270.376,
        "avg_bars_held": 1,
        "fees_paid": 99.01 + 108.91 + 106.75 + 96.08,
        "slippage_paid": 0,
        "spread_paid": 0,
        "borrow_paid": 0,
        "gross_return": -0.048820 + 0.041075,
    }
    assert {key: measured[key] for key in expected} == pytest.approx(expected, abs=0.01)
    assert measured["turnover_per_year"] == pytest.approx(3.980198, abs=1e-6)


def test_every_cost_is_added_back_in_the_gross_return():
    prices = np.array([100.0, 100.0, 100.0, 100.0])
    env = env_of(fee=0.001, slippage=10, spread=20, borrow=0.3)
    measured = metrics_of(run_ledger(Prices("x", days(4), prices, prices), [-1.0, -1.0, 0.0], 0, env))
    assert measured["total_return"] < -0.004
    assert measured["gross_return"] == pytest.approx(0, abs=1e-12)


def loop_metrics(equity, per_year):
    """The same numbers from a plain loop."""
    peak, top_row, deepest, longest, last, returns = equity[0], 0, 0.0, 0, equity[0], []
    for row, value in enumerate(equity[1:], start=1):
        returns.append(value / last - 1)
        last = value
        if value >= peak:
            peak, top_row = value, row
        deepest, longest = min(deepest, value / peak - 1), max(longest, row - top_row)
    mean = math.fsum(returns) / len(returns)
    deviation = math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    downside = math.sqrt(math.fsum(r * r for r in returns if r < 0) / len(returns))
    return {
        "max_drawdown": deepest,
        "max_drawdown_bars": longest,
        "sharpe": mean / deviation * math.sqrt(per_year),
        "sortino": mean / downside * math.sqrt(per_year),
        "cagr": math.exp(math.log(equity[-1] / equity[0]) * per_year / len(returns)) - 1,
    }


@pytest.mark.parametrize("seed", range(5))
def test_long_paths_agree_with_a_plain_loop(seed):
    equity = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0002, 0.01, 3_000)))
    measured = metrics_of(ledger_of(equity), per_year=252)
    expected = loop_metrics([100.0, *equity.tolist()], 252)
    assert {key: measured[key] for key in expected} == pytest.approx(expected, rel=1e-9)


def test_a_universe_is_the_equal_weight_mean_of_the_returns_of_the_assets_present():
    # a: +10 %, -10 % on 1 and 2 January; b: +20 %, +5 % on 2 and 3 January. Dates: 10 %, 5 %, 5 %.
    a, b = ledger_of([110, 99]), ledger_of([120, 126], start="2024-01-02")
    dates, returns = returns_by_date([a, b])
    assert dates.tolist() == days(3).tolist()
    assert returns.tolist() == pytest.approx([0.10, 0.05, 0.05])
    assert equity_by_date([a, b])[1].tolist() == pytest.approx([220, 231, 242.55])
    measured = metrics_of(a, b, benchmark=returns)
    assert measured["total_return"] == pytest.approx(1.1 * 1.05 * 1.05 - 1)
    assert measured["net_pnl"] == pytest.approx(25)
    assert measured["beta"] == pytest.approx(1)


def test_a_universe_of_one_is_its_asset_to_the_bit():
    ledger = ledger_of([110, 99, 108.9])
    assert equity_by_date([ledger])[1].tolist() == ledger.equity.tolist()
    assert returns_by_date([ledger])[1].tolist() == bar_returns(ledger).tolist()


def strict_json(measured):
    plain = {key: None if isinstance(value, Undefined) else value for key, value in measured.items()}
    assert all(value.reason for value in measured.values() if isinstance(value, Undefined))
    return json.loads(json.dumps(plain, allow_nan=False))


def ruined():
    opens, closes = np.array([100.0, 100.0, 250.0, 90.0]), np.array([100.0, 120.0, 240.0, 80.0])
    return run_ledger(Prices("x", days(4), opens, closes), [-1.0, -1.0, -1.0], 0, env_of(fee=0.001))


CASES = {
    "never_traded": ledger_of([100, 100, 100]),
    "one_bar": ledger_of([101]),
    "no_bar": ledger_of([]),
    "constant_growth": ledger_of(100 * 1.01 ** np.arange(1, 40)),
    "nan": ledger_of([101, float("nan"), 103]),
    "nan_first": ledger_of([float("nan"), 102, 103]),
    "infinite": ledger_of([101, float("inf"), 103]),
    "ruined": ruined(),
    "huge_growth": ledger_of([1e250, 1e300]),
    "tiny": ledger_of([1e-300, 1e-300]),
}


@pytest.mark.parametrize("per_year", [252.0, 1e9, 0.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", CASES)
def test_metrics_are_a_number_or_undefined_with_a_reason(name, per_year):
    ledger = CASES[name]
    for benchmark in (None, np.zeros(len(ledger.time)), np.full(len(ledger.time), np.nan), bar_returns(ledger)):
        measured = metrics_of(ledger, benchmark=benchmark, per_year=per_year, risk_free=0.01)
        assert list(strict_json(measured)) == KEYS


def test_what_is_undefined_says_why():
    never, one, grown = (metrics_of(CASES[name]) for name in ("never_traded", "one_bar", "constant_growth"))
    assert (never["total_return"], never["volatility"], never["trades"], never["max_drawdown"]) == (0, 0, 0, 0)
    assert never["sharpe"] == grown["sharpe"] == Undefined("returns do not vary")
    assert never["win_rate"] == never["profit_factor"] == never["avg_bars_held"] == Undefined("never traded")
    assert never["alpha"] == Undefined("no benchmark returns")
    assert never["calmar"] == Undefined("no drawdown")
    assert one["volatility"] == one["sharpe"] == Undefined("fewer than two bars")
    assert one["total_return"] == pytest.approx(0.01)
    assert metrics_of(CASES["nan"])["cagr"] == Undefined("the equity has a value that is not finite")


def test_a_strategy_has_no_information_ratio_against_itself():
    ledger = ledger_of([110, 99, 108.9])
    measured = metrics_of(ledger, benchmark=bar_returns(ledger))
    assert measured["information_ratio"] == Undefined("the difference to the benchmark does not vary")
    assert (measured["alpha"], measured["beta"]) == pytest.approx((0, 1), abs=1e-12)


def test_ruin_loses_everything_and_has_no_log_growth():
    measured = metrics_of(CASES["ruined"])
    assert (measured["total_return"], measured["cagr"], measured["max_drawdown"], measured["net_pnl"]) == (
        -1,
        -1,
        -1,
        -10_000,
    )
    assert measured["log_growth"] == Undefined("ruined: the logarithm of zero")
    assert bar_returns(CASES["ruined"]).tolist()[1:] == [-1.0, 0.0]


def test_a_benchmark_of_another_length_is_refused():
    with pytest.raises(ValueError, match="benchmark_returns must have 3 bars; received 2"):
        metrics_of(ledger_of([110, 99, 108.9]), benchmark=np.zeros(2))


def test_every_metric_and_column_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    columns = (
        "strategy,seed,asset,date,target,units,fill_price,cash,close,fees,slippage,spread,borrow,equity,"
        "entry_date,exit_date,side,entry_price,exit_price,gross_pnl,net_pnl,bars_held"
    )
    missing = [name for name in [*KEYS, *columns.split(",")] if f"| `{name}` |" not in page]
    assert missing == []
