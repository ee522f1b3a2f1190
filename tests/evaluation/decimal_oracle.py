"""The account in exact decimals, without a closed form: a fixed point finds the units after costs."""

from decimal import Decimal

import numpy as np

from trader.config import EnvConfig


def env_of(fill="next_open", fee=0.0, slippage=0.0, spread=0.0, borrow=0.0, cash=10_000.0):
    return EnvConfig(
        fill=fill,
        initial_cash=cash,
        trading_fees=fee,
        slippage_bps=slippage,
        spread_bps=spread,
        borrow_interest_rate=borrow,
    )


def days(num_bars, start="2024-01-01"):
    return np.datetime64(start, "ns") + np.arange(num_bars) * np.timedelta64(1, "D")


def decimal_account(opens, closes, years, targets, env):
    """Return equity per bar and the nearest distance to ruin as a fraction of gross notional; prices are `[n + 1]`."""
    cash, units, asked, ruined, rows = Decimal(env.initial_cash), Decimal(0), None, False, []
    fee, borrow_rate = Decimal(env.trading_fees), Decimal(env.borrow_interest_rate)
    moved = Decimal(env.slippage_bps) / 10_000 + Decimal(env.spread_bps) / 20_000
    margin = Decimal(1)

    def check(equity, price):
        nonlocal cash, units, ruined, margin
        margin = min(margin, abs(equity) / (abs(units) * price + 1)) if not ruined else margin
        if equity <= 0:
            cash, units, ruined = Decimal(0), Decimal(0), True

    for t, target in enumerate(targets):
        last, now = Decimal(closes[t]), Decimal(closes[t + 1])
        steps = ["trade", "interest"] if env.fill == "close" else ["interest", "trade"]
        price = {"next_open": Decimal(opens[t + 1]), "next_close": now, "close": last}[env.fill]
        for step in steps:
            if step == "interest":
                cash -= (max(-units, Decimal(0)) * last + max(-cash, Decimal(0))) * borrow_rate * Decimal(years[t])
                continue
            check(cash + units * price, price)
            if ruined or target == asked:
                continue
            asked, before, wanted = target, cash + units * price, units
            side = 1 if Decimal(target) * before > units * price else -1
            for _ in range(130):
                after = before - abs(wanted - units) * price * (moved + (1 + side * moved) * fee)
                wanted = Decimal(target) * after / price
            cash -= (wanted - units) * price * (1 + side * moved) + abs(wanted - units) * price * (
                1 + side * moved
            ) * fee
            check(after, price) if after <= 0 else None
            units = Decimal(0) if ruined else wanted
        check(cash + units * now, now)
        rows.append(cash + units * now)
    return [float(row) for row in rows], float(margin)
