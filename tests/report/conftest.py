"""Results made by hand: a known path of units through known prices, costs by the formulas of the account."""

from __future__ import annotations

import numpy as np
import pytest

from trader.evaluation.results import BacktestResult, LedgerResult, StrategyResult, Trade, Undefined
from trader.report.words import METRICS

CASH = 100_000.0
SLIPPAGE, FEE = 2e-4, 1e-3


def ledger_of(asset, time, close, units):
    change = np.diff(units, prepend=0.0)
    traded = change != 0
    fill = close * (1 + SLIPPAGE * np.sign(change))
    fees, slippage = FEE * np.abs(change) * fill, np.abs(change) * close * SLIPPAGE
    borrow = np.maximum(-units, 0) * close * 0.02 / 365
    cash = CASH - np.cumsum(change * fill + fees + borrow)
    nothing = np.zeros_like(close)
    return LedgerResult(
        asset=asset, time=time, target=np.sign(units), units=units, fill_price=np.where(traded, fill, np.nan),
        reference_price=np.where(traded, close, np.nan), cash=cash, close=close, fees=fees, slippage=slippage,
        spread=nothing, borrow=borrow, equity=cash + units * close, initial_cash=CASH, ruined=False,
    )  # fmt: skip


def trades_of(ledger):
    """Every run of one sign; profits marked at the closes."""
    rows = np.flatnonzero(np.diff(np.sign(ledger.units), prepend=0.0))
    trades = []
    for number, row in enumerate(rows):
        if ledger.units[row] == 0:
            continue
        end = rows[number + 1] if number + 1 < len(rows) else len(ledger.units) - 1
        gross = ledger.units[row] * (ledger.close[end] - ledger.close[row])
        fees = ledger.fees[row] + ledger.fees[end]
        open_at_end = number + 1 == len(rows)
        side = "long" if ledger.units[row] > 0 else "short"
        exit_time = None if open_at_end else ledger.time[end]
        prices = float(ledger.close[row]), float(ledger.close[end])
        trades.append(
            Trade(ledger.time[row], exit_time, side, abs(float(ledger.units[row])), *prices, float(gross),
                  float(fees), 0.0, 0.0, 0.0, float(gross - fees), int(end - row))
        )  # fmt: skip
    return trades


def metrics_of(ledgers, trades):
    ends = [ledger.equity[-1] / CASH - 1 for ledger in ledgers]
    costs = {f"{key}_paid": sum(float(getattr(ledger, key).sum()) for ledger in ledgers)
             for key in ("fees", "slippage", "spread", "borrow")}  # fmt: skip
    total, count = float(np.mean(ends)), sum(map(len, trades))
    peak = np.maximum.accumulate(ledgers[0].equity)
    measures = dict.fromkeys(METRICS, 0.5)
    measures |= {
        "total_return": total,
        "net_pnl": total * CASH,
        "log_growth": float(np.log1p(max(total, -0.999))),
        **costs,
    }
    measures |= {"gross_return": total + sum(costs.values()) / CASH, "cagr": total / 5, "trades": float(count)}
    measures |= {"max_drawdown": float((ledgers[0].equity / peak - 1).min()), "max_drawdown_bars": 210.0}
    measures |= {"exposure": float(np.mean([np.mean(ledger.units != 0) for ledger in ledgers]))}
    if not count:
        measures |= {"sharpe": Undefined("returns never vary"), "win_rate": Undefined("no closed trade")}
        measures |= {"profit_factor": Undefined("no closed trade"), "avg_bars_held": Undefined("no closed trade")}
    return measures


def strategy_of(name, seed, market, units_of):
    ledgers = tuple(ledger_of(asset, time, close, units_of(close)) for asset, time, close in market)
    trades = tuple(trades_of(ledger) for ledger in ledgers)
    return StrategyResult(name, seed, ledgers, trades, metrics_of(ledgers, trades))


def switching(rng, hold, levels):
    def units_of(close):
        level = rng.choice(levels, size=len(close) // hold + 1).repeat(hold)[: len(close)]
        return level * 0.5 * CASH / close[0]

    return units_of


def market_of(num_bars, assets, step):
    rng = np.random.default_rng(7)
    market = []
    for number, asset in enumerate(assets):
        start = np.datetime64("2014-01-02", "ns") + number * 3 * np.timedelta64(1, "D")
        time = start + np.arange(num_bars) * np.timedelta64(step, "h")
        volatility = 0.011 * min(1.0, np.sqrt(1500 / num_bars))
        close = 100 * np.exp(np.cumsum(rng.normal(0.4 / num_bars, volatility, num_bars)))
        market.append((asset, time, close))
    return market


@pytest.fixture(scope="session")
def make_result():
    return build


def build(num_bars=300, seeds=3, assets=("nasdaq",), step=24, hold=20, fill="next_open", **changes):
    market, strategies = market_of(num_bars, assets, step), []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        strategies.append(strategy_of("dqn", seed, market, switching(rng, hold, [-1.0, 0.0, 1.0, 1.0])))
    strategies.append(
        strategy_of("buy_and_hold", None, market, lambda close: np.full_like(close, 0.99 * CASH / close[0]))
    )
    strategies.append(strategy_of("flat", None, market, np.zeros_like))
    for seed in range(seeds):
        rng = np.random.default_rng(50 + seed)
        strategies.append(strategy_of("random", seed, market, switching(rng, hold, [-1.0, 0.0, 1.0])))
    strategies.append(strategy_of("sma_crossover", None, market, switching(np.random.default_rng(90), 60, [0.0, 1.0])))
    strategies.append(strategy_of("momentum", None, market, switching(np.random.default_rng(92), 40, [0.0, 1.0])))
    env = {"fill": fill, "trading_fees": FEE, "slippage_bps": 2.0, "spread_bps": 0.0, "borrow_interest_rate": 0.02,
           "initial_cash": CASH, "positions": [-1, 0, 1]}  # fmt: skip
    dates = [np.datetime_as_string(market[0][1][row], unit="D") for row in (0, -1)]
    given = {
        "agent": "dqn", "strategies": tuple(strategies),
        "experiment": {"name": "nasdaq-dqn", "seed": 0, "data": {"source": assets[0]}, "env": env,
                       "agent": {"name": "dqn", "gamma": 0.99}},
        "config_sha256": "c" * 64, "data_sha256": "d" * 64,
        "segments": {"train": ["1999-01-04", "2009-12-31"], "valid": ["2010-01-01", "2013-12-31"], "test": dates},
        "timerange": dates, "periods_per_year": 252.0,
        "checkpoints": {seed: 25_000 * (seed + 1) for seed in range(seeds)},
        "looks": 1, "trials": 2, "warnings": [], "command": "trader backtest nasdaq-dqn",
        "versions": {"trader": "0.1.0", "keras": "3.15.0"},
    }  # fmt: skip
    return BacktestResult(**(given | changes))
