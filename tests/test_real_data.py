"""Each agent trains, is evaluated and backtested on real prices: one index, hourly Bitcoin, fifteen stocks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from trader.cli.main import run

pytestmark = pytest.mark.real_data

TICKERS = ["AAPL", "BABA", "GOOGL", "HSBC", "JPM", "KO", "MSFT", "NOK", "QQQ", "SIE.DE", "SPY", "TSLA", "XOM"]
TICKERS += ["0700.HK", "7203.T"]
SHORT = """
seeds: 1
train: {total_timesteps: 4000, n_envs: 16, eval_freq: 2000, save_freq: 2000}
agent: %s
"""
AGENTS = {
    "dqn": "{name: dqn, learning_starts: 500, buffer_size: 2000}",
    "a2c": "{name: a2c}",
    "reinforce": "{name: reinforce}",
}
NASDAQ = """
name: nasdaq
data:
  source: nasdaq
  segments: {train: [1999-01-04, 2009-12-31], valid: [2010-01-01, 2013-12-31], test: [2014-01-01, 2018-12-31]}
"""
BITCOIN = """
name: bitcoin
data: {source: csv, path: %s/BTC_USD-Hourly.csv, order: descending, repairs: {zero_volume: accept}}
"""
UNIVERSE = """
name: universe
data:
  source: csv
  path: {%s}
  repairs: {shared_dates: drop_from_test, zero_volume: accept, invalid_bars: drop}
  segments: {train: [2012-01-01, 2016-12-31], valid: [2017-01-01, 2017-12-31], test: [2018-01-01, 2019-12-31]}
env: {fill: %s, max_episode_duration: 60}
features: [{name: log_return}, {name: volatility}]
"""


@pytest.fixture
def prices() -> Path:
    folder = os.environ.get("TRADER_DATA")
    if not folder:
        pytest.skip("TRADER_DATA does not name the folder of real prices")
    return Path(folder)


def universe(prices: Path, fill: str) -> str:
    paths = ", ".join(f'"{ticker}": "{prices}/tdqn/{ticker}_*.csv"' for ticker in TICKERS)
    return UNIVERSE % (paths, fill)


def market(name: str, prices: Path) -> str:
    return {"nasdaq": NASDAQ, "bitcoin": BITCOIN % prices, "universe": universe(prices, "next_close")}[name]


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("name", ["nasdaq", "bitcoin", "universe"])
def test_agent_trains_evaluates_and_backtests(
    name: str, agent: str, prices: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    text = market(name, prices) + SHORT % AGENTS[agent]
    if agent == "reinforce" and name != "universe":
        text += "env: {max_episode_duration: 60}\n"
    config.write_text(text, encoding="utf-8")
    runs = ["--runs-dir", str(tmp_path / "runs")]

    assert run(["train", "--config", str(config), *runs]) == 0
    assert run(["evaluate", name, *runs]) == 0
    assert run(["backtest", name, "--json", *runs]) == 0

    said = capfd.readouterr()
    assert said.err == ""
    report = json.loads(said.out[said.out.index("\n{\n") :])
    assert report["strategies"][agent]["volatility"]["per_seed"][0] is not None
    assert not [warning for warning in report["warnings"] if "differ by up to" in warning]


def test_next_open_is_refused_on_adjusted_closes_unless_asked_for(
    prices: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(universe(prices, "next_open"), encoding="utf-8")
    assert run(["data", "describe", "--config", str(config)]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "adjust_ohlc" in said

    config.write_text(universe(prices, "next_open").replace("repairs: {", "repairs: {adjust_ohlc: true, "))
    assert run(["data", "describe", "--config", str(config)]) == 0


def test_data_check_reports_the_quirks_of_the_universe(
    prices: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "check", *map(str, sorted((prices / "tdqn").glob("*_2012-*.csv")))]) == 3
    said = capfd.readouterr().out
    assert "close_adjusted" in said
    assert "zero_volume" in said
