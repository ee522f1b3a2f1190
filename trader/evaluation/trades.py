"""Trades read off a ledger: from non-zero units of one sign to zero or flip.

`net_pnl = gross_pnl - fees - slippage - spread - borrow`, gross at reference prices (before slippage and spread);
the net P&L of all trades sums to final equity minus initial cash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import copysign
from typing import NamedTuple

import numpy as np

from trader.evaluation.results import FloatArray, LedgerResult, Trade


@dataclass(slots=True)
class _Running:
    """A trade while it is read; values are units times effective price, `cash_flow` is at reference prices."""

    row: int
    side: float
    entered: float = 0.0
    entry_value: float = 0.0
    exited: float = 0.0
    exit_value: float = 0.0
    cash_flow: float = 0.0
    fees: float = 0.0
    slippage: float = 0.0
    spread: float = 0.0


class _Order(NamedTuple):
    """What one bar ordered: signed units, those held before, the reference price and the costs (currency)."""

    row: int
    units: float
    held: float
    reference: float
    fees: float
    slippage: float
    spread: float


def ruin_row(result: LedgerResult) -> int | None:
    """Return the first row with equity 0, None without ruin."""
    return int(np.argmax(result.equity == 0)) if result.ruined else None


def ordered_units(result: LedgerResult) -> FloatArray:
    """Return the signed units bought or sold by order in each bar `[n]`; the forced close of a ruin is none."""
    after = result.units.copy()
    row = ruin_row(result)
    if row is not None:
        after[row] = result.ruin_units
    return after - np.concatenate(([0.0], result.units[:-1]))


def trades_of(result: LedgerResult) -> list[Trade]:
    """Return the trades of a ledger in order of entry.

    Entry at average cost: adding to a position continues the trade, a partial reduction realises part of it, a flip
    ends one trade and begins the next and splits its costs by units. `units` are all units entered (> 0),
    `entry_price` and `exit_price` their volume-weighted effective prices, so that
    `side * units * (exit_price - entry_price) = gross_pnl - slippage - spread`. What is open at the end is marked at
    the last close and has no exit time; what ruin closed was closed at the bankruptcy price. With `fill: close` the
    times are those of the row that books the trade; it was filled at the close before.

    Args:
        result: the account bar by bar.

    Returns:
        Trades; `bars_held` counts the bars at whose close the trade was held.
    """
    late = int(result.fill != "close")  # interest falls due before the row's order, but after it with `fill: close`
    trades: list[Trade] = []
    running: _Running | None = None
    for order in _orders(result):
        closing = min(abs(order.units), abs(order.held)) if order.units * order.held < 0 else 0.0
        share = closing / abs(order.units)
        if running is not None and closing:
            _book(running, copysign(closing, order.units), order, share)
            if closing == abs(order.held):
                trades.append(_finished(running, result, order.row, slice(running.row + late, order.row + late)))
                running = None
        if share < 1:
            running = running or _Running(order.row, copysign(1.0, order.units))
            _book(running, order.units * (1 - share), order, 1 - share)
    if running is not None:
        ruin = ruin_row(result)
        units, price = (result.units[-1], result.close[-1]) if ruin is None else (result.ruin_units, result.ruin_price)
        _mark(running, float(units), float(price))
        end = len(result.time) if ruin is None else ruin + 1
        trades.append(_finished(running, result, ruin, slice(running.row + late, end)))
    return trades


def _orders(result: LedgerResult) -> Iterator[_Order]:
    """Yield the ledger's orders as plain floats, which Python adds up faster than entries of arrays."""
    units, held = ordered_units(result), np.concatenate(([0.0], result.units[:-1]))
    rows = np.flatnonzero(units)
    columns = (units, held, result.reference_price, result.fees, result.slippage, result.spread)
    return map(_Order, rows.tolist(), *(column[rows].tolist() for column in columns))


def _book(trade: _Running, units: float, order: _Order, share: float) -> None:
    """Add `units` (signed) of the order, and that share of its costs, to the trade."""
    slippage, spread = order.slippage * share, order.spread * share
    value = abs(units) * order.reference + copysign(slippage + spread, units)
    if units * trade.side > 0:
        trade.entered += abs(units)
        trade.entry_value += value
    else:
        trade.exited += abs(units)
        trade.exit_value += value
    trade.cash_flow -= units * order.reference
    trade.fees += order.fees * share
    trade.slippage += slippage
    trade.spread += spread


def _mark(trade: _Running, units: float, price: float) -> None:
    trade.exited += abs(units)
    trade.exit_value += abs(units) * price
    trade.cash_flow += units * price


def _finished(trade: _Running, result: LedgerResult, exit_row: int | None, borrow_rows: slice) -> Trade:
    borrow = float(result.borrow[borrow_rows].sum())
    costs = trade.fees + trade.slippage + trade.spread + borrow
    end = len(result.time) if exit_row is None else exit_row
    return Trade(
        entry_time=result.time[trade.row],
        exit_time=None if exit_row is None else result.time[exit_row],
        side="long" if trade.side > 0 else "short",
        units=trade.entered,
        entry_price=trade.entry_value / trade.entered,
        exit_price=trade.exit_value / trade.exited,
        gross_pnl=float(trade.cash_flow),
        fees=trade.fees,
        slippage=trade.slippage,
        spread=trade.spread,
        borrow=borrow,
        net_pnl=float(trade.cash_flow) - costs,
        bars_held=end - trade.row,
    )
