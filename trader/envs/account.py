"""The account: what a trade does to cash and units, in closed form.

A changed target e trades to `u* = e·E/p`, p the reference price of the fill and E the equity at p after all costs of
this trade. With c the cost per unit at p, `E = E0 − |u* − u|·c`, hence for a purchase
`u* = e·(E0 + u·c)/(p + e·c)` and for a sale `u* = e·(E0 − u·c)/(p − e·c)`. Cash is counted in units of initial cash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from keras import ops

if TYPE_CHECKING:
    from trader.config import EnvConfig


class Account(NamedTuple):
    """What is held, `[N]` each; one row per environment.

    Attributes:
        cash: float32, fraction of initial cash; negative while leveraged.
        units: float32, signed; `cash + units·price` is equity.
        rung: int32, index of the target in `positions`; −1 before the first target.
        basis: float32, average net price per unit of the open position (all trading costs in it); 0 when flat.
        bars_since_trade: float32 (bars).
        peak: float32, highest equity so far at a close.
    """

    cash: Any
    units: Any
    rung: Any
    basis: Any
    bars_since_trade: Any
    peak: Any


class Fill(NamedTuple):
    """Outcome of one fill, `[N]` each: account after it, whether it ruined, what it realised, equity moved."""

    cash: Any
    units: Any
    basis: Any
    ruined: Any
    realized: Any
    turnover: Any


def interest(env: EnvConfig, cash: Any, units: Any, price: Any, years: Any) -> Any:
    """Return borrow interest `[N]` over `years` on short notional and on negative cash."""
    borrowed = ops.maximum(-units, 0.0) * price + ops.maximum(-cash, 0.0)
    return env.borrow_interest_rate * years * borrowed


def fill(env: EnvConfig, account: Account, price: Any, exposure: Any, trades: Any) -> Fill:
    """Return the account after an order for `exposure` filled at reference `price`.

    Args:
        env: costs.
        account: account before the fill, interest already deducted.
        price: `[N]` reference price before slippage and spread.
        exposure: `[N]` target exposure (fraction of equity).
        trades: `[N]` bool, whether the target changed.
    """
    cash, units = account.cash, account.units
    equity = cash + units * price
    moved = env.slippage_bps / 1e4 + env.spread_bps / 2e4
    is_buy = exposure * equity > units * price
    side = ops.where(is_buy, 1.0, -1.0)
    # Cost and price stay apart: 1 + cost, rounded to float32, would be off the same way at every trade.
    cost_of_purchase, cost_of_sale = moved + (1.0 + moved) * env.trading_fees, moved + (1.0 - moved) * env.trading_fees
    unit_cost = price * ops.where(is_buy, cost_of_purchase, cost_of_sale)
    wanted = exposure * (equity + side * units * unit_cost) / (price + side * exposure * unit_cost)
    new_units = ops.where(trades, wanted, units)
    bought = new_units - units
    after_costs = equity - ops.abs(bought) * unit_cost
    # Not `cash − bought·price − costs`: its rounding error would stay in cash while the position may shrink a lot.
    new_cash = ops.where(trades, (1.0 - exposure) * after_costs, cash)
    ruined = ops.logical_or(equity <= 0.0, after_costs <= 0.0)
    closed, opened = _closed_and_opened(units, new_units)
    net_price = price + side * unit_cost
    realized = closed * ops.sign(units) * (net_price - account.basis)
    basis = _average(account.basis, ops.abs(new_units) - opened, net_price, opened)
    # The order of a ruined account is never filled.
    turnover = ops.where(ruined, 0.0, ops.abs(bought) * price * (1.0 + side * moved) / ops.maximum(equity, 1e-30))
    return Fill(new_cash, new_units, basis, ruined, realized, turnover)


def _closed_and_opened(units: Any, new_units: Any) -> tuple[Any, Any]:
    same_side = units * new_units > 0.0
    change = ops.abs(new_units) - ops.abs(units)
    closed = ops.where(same_side, ops.maximum(-change, 0.0), ops.abs(units))
    opened = ops.where(same_side, ops.maximum(change, 0.0), ops.abs(new_units))
    return closed, opened


def _average(basis: Any, kept: Any, net_price: Any, opened: Any) -> Any:
    held = kept + opened
    return ops.where(held > 0.0, (basis * kept + net_price * opened) / ops.maximum(held, 1e-30), 0.0)
