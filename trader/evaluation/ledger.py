"""The definition of the accounting: one bar after the other in float64, independent of the environment.

`equity = cash + units * close`, and `cash(t) = cash(t-1) - trade_units * fill_price - fees - borrow`.

A decision at row t is paid at row t+1. Within the bar, for `fill: next_open` and `next_close`:
interest on what was held at close t, ruin check at the reference price p, trade at p, mark at close t+1.
For `fill: close`: trade at close t, interest on what is held then, mark at close t+1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any, NamedTuple, Protocol

import numpy as np

from trader.evaluation.results import FloatArray, LedgerResult

SECONDS_PER_YEAR = 365 * 86_400  # actual/365


class AccountingConfig(Protocol):
    """What the ledger reads of the `env` section (`trader.config.EnvConfig` has it all)."""

    @property
    def fill(self) -> str: ...
    @property
    def initial_cash(self) -> float: ...
    @property
    def trading_fees(self) -> float: ...
    @property
    def slippage_bps(self) -> float: ...
    @property
    def spread_bps(self) -> float: ...
    @property
    def borrow_interest_rate(self) -> float: ...


@dataclass(slots=True)
class _Account:
    """What is carried from bar to bar; `target` is the last exposure asked for, None before the first."""

    cash: float
    units: float = 0.0
    target: float | None = None
    ruined: bool = False
    ruin_units: float = 0.0
    ruin_price: float = nan


class Prices(NamedTuple):
    """What a ledger is played on: every row of one asset's file.

    Attributes:
        asset: name of the asset.
        time: datetime64 `[T]`, UTC, ascending.
        open, close: prices `[T]`, > 0.
    """

    asset: str
    time: np.ndarray[Any, Any]
    open: FloatArray
    close: FloatArray


class _Bar(NamedTuple):
    last_close: float
    open: float
    close: float
    years: float


class _Fill(NamedTuple):
    units: float  # signed; 0 = nothing traded
    price: float
    reference_price: float
    fees: float
    slippage: float
    spread: float


_NO_FILL = _Fill(0.0, nan, nan, 0.0, 0.0, 0.0)


_COLUMNS = ("units", "fill_price", "reference_price", "cash", "fees", "slippage", "spread", "borrow", "equity")
_Row = tuple[float, float, float, float, float, float, float, float, float]  # as in `_COLUMNS`


def run_ledger(
    prices: Prices, targets: Sequence[float | None] | FloatArray, first: int, env: AccountingConfig
) -> LedgerResult:
    """Play a path of target exposures on one asset and return the account bar by bar.

    Args:
        prices: of the asset.
        targets: exposures `[n]` (fraction of equity); `targets[i]` is decided at row `first + i` and paid at the row
            after it. NaN or None: nothing is asked, nothing is traded. An unchanged target trades nothing either.
        first: row of the first decision.
        env: fill, costs and initial cash.

    Returns:
        Arrays `[n]` for the rows `first + 1 … first + n`. After ruin everything is 0.

    Raises:
        ValueError: the decisions do not fit into the rows, or `env.fill` is unknown.
    """
    wanted = np.asarray(targets, dtype=np.float64)  # None becomes NaN
    _refuse(prices, len(wanted), first, env.fill)
    rows = slice(first, first + len(wanted) + 1)
    stamps = np.asarray(prices.time[rows], dtype="datetime64[us]")  # nanoseconds would end in the year 2262
    years = np.diff(stamps).astype(np.int64) / 1e6 / SECONDS_PER_YEAR
    opens, closes = (np.asarray(price[rows], dtype=np.float64).tolist() for price in (prices.open, prices.close))
    account = _Account(cash=float(env.initial_cash))
    bars = map(_Bar, closes[:-1], opens[1:], closes[1:], years.tolist())
    table = [_play_bar(account, bar, target, env) for bar, target in zip(bars, wanted.tolist(), strict=True)]
    columns = {name: np.array(column) for name, column in zip(_COLUMNS, zip(*table, strict=True), strict=True)}
    return LedgerResult(
        asset=prices.asset,
        time=stamps[1:],
        target=wanted,
        close=np.asarray(closes[1:]),
        initial_cash=float(env.initial_cash),
        ruined=account.ruined,
        ruin_units=account.ruin_units,
        ruin_price=account.ruin_price,
        fill=env.fill,
        **columns,
    )


def _refuse(prices: Prices, num_decisions: int, first: int, fill: str) -> None:
    if fill not in ("next_open", "next_close", "close"):
        raise ValueError(f"fill must be next_open, next_close or close; received {fill!r}")
    num_rows = len(prices.close)
    if not 0 <= first < first + num_decisions < num_rows or not len(prices.time) == len(prices.open) == num_rows:
        raise ValueError(f"{num_decisions} decisions from row {first} must leave one of {num_rows} rows after the last")


def _play_bar(account: _Account, bar: _Bar, target: float, env: AccountingConfig) -> _Row:
    cash_before, units_before = account.cash, account.units
    if env.fill == "close":
        fill = _trade(account, target, bar.last_close, env)
        borrow = _pay_interest(account, bar, env)
    else:
        borrow = _pay_interest(account, bar, env)
        fill = _trade(account, target, bar.open if env.fill == "next_open" else bar.close, env)
    if account.cash + account.units * bar.close <= 0:
        _close_at_bankruptcy(account)
    fill_price, reference_price = fill.price, fill.reference_price
    if account.ruined and account.units != units_before:
        # One row may hold an order and the forced close after it: the price of the two together keeps the identity.
        fill_price = (cash_before - account.cash - fill.fees - borrow) / (account.units - units_before)
        reference_price = fill.reference_price if fill.units else fill_price
    equity = account.cash + account.units * bar.close
    costs = (fill.fees, fill.slippage, fill.spread, borrow)
    return account.units, fill_price, reference_price, account.cash, *costs, equity


def _pay_interest(account: _Account, bar: _Bar, env: AccountingConfig) -> float:
    """Deduct interest on short notional and on negative cash, priced at the close before the bar."""
    short_notional = -account.units * bar.last_close if account.units < 0 else 0.0
    borrowed = short_notional - account.cash if account.cash < 0 else short_notional
    interest = borrowed * env.borrow_interest_rate * bar.years
    account.cash -= interest
    return interest


def _trade(account: _Account, target: float, price: float, env: AccountingConfig) -> _Fill:
    """Trade to `target * E / price`, E being the equity after all costs of this trade (closed form)."""
    if account.ruined:
        return _NO_FILL
    equity = account.cash + account.units * price
    if equity <= 0:
        _close_at_bankruptcy(account)
        return _NO_FILL
    if isnan(target) or target == account.target:
        return _NO_FILL
    account.target = target
    if target * equity == account.units * price:
        return _NO_FILL
    side = 1.0 if target * equity > account.units * price else -1.0
    moved = env.slippage_bps / 1e4 + env.spread_bps / 2e4
    cost = price * (moved + (1 + side * moved) * env.trading_fees)  # of one unit, all in
    units = target * (equity + side * account.units * cost) / (price + side * target * cost)
    traded = units - account.units
    if equity - abs(traded) * cost <= 0:
        _close_at_bankruptcy(account)
        return _NO_FILL
    fill_price = price * (1 + side * moved)
    fees = env.trading_fees * abs(traded) * fill_price
    account.cash -= traded * fill_price + fees
    account.units = units
    notional = abs(traded) * price
    return _Fill(traded, fill_price, price, fees, notional * env.slippage_bps / 1e4, notional * env.spread_bps / 2e4)


def _close_at_bankruptcy(account: _Account) -> None:
    """Close the position at the price at which equity is exactly 0, without further costs."""
    if account.ruined:
        return
    account.ruined, account.ruin_units, account.ruin_price = True, account.units, -account.cash / account.units
    account.cash = account.units = 0.0


def orders_to_targets(actions: Sequence[int] | np.ndarray[Any, Any], positions: Sequence[float]) -> FloatArray:
    """Return the exposures that a path of orders asks for: 0 sell, 1 hold, 2 buy = one rung down, stay, one rung up.

    The path starts in cash on the rung of exposure 0.

    Args:
        actions: orders `[n]`, each 0, 1 or 2.
        positions: ascending exposures, with 0 among them.

    Returns:
        Target exposures `[n]`, float64.

    Raises:
        ValueError: an order below the lowest or above the highest rung, or no such order.

    Example:
        >>> orders_to_targets([1, 2, 1, 0, 0], [-1.0, 0.0, 1.0]).tolist()
        [0.0, 1.0, 1.0, 0.0, -1.0]
    """
    rung = list(positions).index(0)
    targets = []
    for i, action in enumerate(actions):
        if action not in (0, 1, 2):
            raise ValueError(f"order {i} must be 0 (sell), 1 (hold) or 2 (buy); received {action}")
        rung += int(action) - 1
        if not 0 <= rung < len(positions):
            raise ValueError(f"order {i} must stay within {len(positions)} positions; received {action} at the edge")
        targets.append(float(positions[rung]))
    return np.asarray(targets, dtype=np.float64)
