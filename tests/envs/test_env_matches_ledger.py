"""Two implementations agree: the compiled float32 environment and the float64 ledger, on any path of decisions."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keras import ops

from tests.envs.worlds import legal_orders, numbers, on_device, world, years_of
from trader import backend
from trader.config import EnvConfig
from trader.envs import account as account_module
from trader.envs import bars
from trader.evaluation.ledger import Prices, orders_to_targets, run_ledger

BARS, PATHS, RUNGS, TOLERANCE = 1000, 8, 5, 1e-4
SOLID, CLEAR = 0.05, 1e-3  # of gross notional: equity that is compared; depth of a ruin that must be seen
NOTHING = 1e-25  # of initial cash: what a thousand flips at 10 % leave is beyond float32
FILLS = ("next_open", "next_close", "close")
LADDERS = ((0.0, 1.0), (-1.0, 0.0, 1.0), (-2.0, 0.0, 3.0), (-1.0, -0.5, 0.0, 0.5, 1.0))


class Costs(NamedTuple):
    """The config with its numbers as arguments of the compiled program: one compilation serves them all."""

    fill: str
    actions: str
    positions: Any
    trading_fees: Any
    slippage_bps: Any
    spread_bps: Any
    borrow_interest_rate: Any
    max_episode_duration: None = None
    reward: str = "log_return"
    turnover_penalty: float = 0.0
    drawdown_penalty: None = None


class Case(NamedTuple):
    """A world and what is played in it: prices `[n + 1]`, actions `[n, N]`."""

    config: EnvConfig
    times: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    actions: np.ndarray


def case_of(fill, kind, ladder, costs, seed, volatility, trade_share):
    """Return a random case; prices are float32 numbers, gaps between bars are an hour to a month."""
    generator = np.random.default_rng(seed)
    fees, slippage, spread, borrow = costs
    config = EnvConfig(
        fill=fill,
        actions=kind,
        positions=list(ladder),
        trading_fees=fees,
        slippage_bps=slippage,
        spread_bps=spread,
        borrow_interest_rate=borrow,
    )
    closes = 100 * np.exp(np.cumsum(volatility * generator.standard_normal(BARS + 1)))
    opens = closes * np.exp(volatility * generator.standard_normal(BARS + 1))
    hours = np.cumsum(generator.choice([1, 24, 72, 800], BARS + 1))
    times = np.datetime64("2001-01-01", "ns") + hours * np.timedelta64(1, "h")
    if kind == "orders":
        actions = legal_orders(generator, BARS, PATHS, len(ladder), ladder.index(0.0))
    else:
        actions = generator.integers(0, len(ladder), (BARS, PATHS))
        for t in range(1, BARS):  # a share of the decisions changes nothing, so that units drift
            actions[t] = np.where(generator.random(PATHS) < trade_share, actions[t], actions[t - 1])
    return Case(config, times, *(p.astype(np.float32).astype(float) for p in (opens, closes)), actions)


def program_of(fill, kind):
    """Return the compiled environment for given `costs [4]` and `ladder [5]` (short ladders are padded at the top)."""

    def whole(market, segment, actions, costs, ladder, start_rung):
        positions = [ladder[i] for i in range(RUNGS)]
        env = bars.MarketEnv(Costs(fill, kind, positions, *(costs[i] for i in range(4))), 1.0, 1.0)

        def one(carry):
            state, i = carry
            out = bars.step(env, market, segment, state, ops.take(actions, i, axis=0))
            return (out.state, i + 1), (out.equity, out.terminated)

        row = ops.zeros((PATHS,), "int32")
        start = bars.begin(env._replace(config=env.config._replace(actions="targets")), row, row)
        start = start._replace(account=start.account._replace(rung=row + start_rung))
        return backend.scan(one, (start, ops.zeros((), "int32")), BARS, [])[1]

    return backend.compiled(whole, [])


kept_program = cache(program_of)


def played(case, program):
    market, segment = world([(case.opens, case.closes, years_of(case.times))])
    config = case.config
    costs = (config.trading_fees, config.slippage_bps, config.spread_bps, config.borrow_interest_rate)
    ladder = np.pad(config.positions, (0, RUNGS - len(config.positions)), mode="edge")
    arguments = (case.actions.astype(np.int32), np.float32(costs), np.float32(ladder), bars.start_rung(config))
    outputs = program(on_device(market), on_device(segment), *map(ops.convert_to_tensor, arguments))
    equity, terminated = numbers(outputs)
    return equity.astype(float) * config.initial_cash, terminated


def targets_of(case, path):
    if case.config.actions == "orders":
        return orders_to_targets(case.actions[:, path], case.config.positions)
    return np.asarray(case.config.positions)[case.actions[:, path]]


def equity_at_fill(case, ledger):
    """Return the ledger's equity and gross notional at each fill's reference price, before the trade."""
    cash, units = (np.concatenate([[x], y[:-1]]) for x, y in ((ledger.initial_cash, ledger.cash), (0.0, ledger.units)))
    if case.config.fill == "close":
        return cash + units * case.closes[:-1], np.abs(units) * case.closes[:-1]
    price = case.opens[1:] if case.config.fill == "next_open" else case.closes[1:]
    return cash - ledger.borrow + units * price, np.abs(units) * price


def faults_of(case, program):
    """Return what the two disagree about, one line per path; empty when they agree."""
    equities, terminated = played(case, program)
    faults = []
    for path in range(PATHS):
        ledger = run_ledger(Prices("x", case.times, case.opens, case.closes), targets_of(case, path), 0, case.config)
        at_fill, gross_at_fill = equity_at_fill(case, ledger)
        ruined = np.cumsum(ledger.equity <= 0) > 0
        solid = ~ruined & (at_fill >= SOLID * gross_at_fill)
        solid &= ledger.equity >= np.maximum(SOLID * np.abs(ledger.units * ledger.close), NOTHING * ledger.initial_cash)
        end = int(np.argmin(solid)) if not solid.all() else BARS
        worst = np.max(np.abs(equities[:end, path] / ledger.equity[:end] - 1), initial=0.0)
        if not worst < TOLERANCE:
            faults.append(f"path {path}: equity differs by {worst:.1e}")
        if terminated[:end, path].any():
            faults.append(f"path {path}: ruined only in the environment")
        if end < BARS and ruined[end] and is_clear(case, ledger, end, at_fill, gross_at_fill):
            ends_as_ledger = terminated[end, path] and not equities[end:, path].any()
            faults += [] if ends_as_ledger else [f"path {path}: ruined only in the ledger"]
    return faults


def is_clear(case, ledger, row, at_fill, gross_at_fill):
    """Whether the ledger's ruin at `row` is deeper than float32 can miss."""
    at_close = ledger.ruin_units * (case.closes[row + 1] - ledger.ruin_price)
    gross = abs(ledger.ruin_units) * case.closes[row + 1]
    return at_fill[row] < -CLEAR * gross_at_fill[row] or (at_fill[row] > 0 and at_close < -CLEAR * gross)


cases = st.builds(
    case_of,
    fill=st.sampled_from(FILLS),
    kind=st.sampled_from(["targets", "orders"]),
    ladder=st.sampled_from(LADDERS),
    costs=st.tuples(
        st.sampled_from([0.0, 0.001, 0.02]) | st.floats(0, 0.03),
        st.sampled_from([0.0, 5.0]) | st.floats(0, 100),
        st.sampled_from([0.0, 10.0]) | st.floats(0, 100),
        st.sampled_from([0.0, 0.02]) | st.floats(0, 0.5),
    ),
    seed=st.integers(0, 2**32 - 1),
    volatility=st.sampled_from([0.002, 0.02, 0.1, 0.25]),
    trade_share=st.sampled_from([0.02, 0.3, 1.0]),
)
PLAIN = ((-1.0, 0.0, 1.0), (0.001, 2.0, 10.0, 0.05), 1, 0.02, 0.3)


@example(case_of("next_open", "targets", *PLAIN))
@example(case_of("next_close", "targets", *PLAIN))
@example(case_of("close", "targets", *PLAIN))
@example(case_of("next_open", "orders", *PLAIN))
@example(case_of("next_close", "orders", *PLAIN))
@example(case_of("close", "orders", *PLAIN))
@example(case_of("next_open", "targets", (-2.0, 0.0, 3.0), (0.02, 5.0, 10.0, 0.5), 3, 0.25, 0.02))
@example(case_of("close", "targets", (-1.0, -0.5, 0.0, 0.5, 1.0), (0.03, 7.0, 13.0, 0.02), 9, 0.002, 1.0))
@example(case_of("close", "targets", (0.0, 1.0), (0.001, 0.0, 0.0, 0.02), 10, 0.25, 0.02))
@settings(max_examples=30, deadline=None)
@given(cases)
def test_equity_and_ruin_agree_over_1000_bars(case):
    program = kept_program(case.config.fill, case.config.actions)
    assert not faults_of(case, program)


def test_a_ruined_path_ends_on_the_same_bar_and_stays_at_nothing():
    case = case_of("next_open", "targets", (-2.0, 0.0, 3.0), (0.02, 5.0, 10.0, 0.5), 3, 0.25, 0.02)
    equity, terminated = played(case, kept_program("next_open", "targets"))
    first = np.argmax(terminated, axis=0)
    for path in range(PATHS):
        ledger = run_ledger(Prices("x", case.times, case.opens, case.closes), targets_of(case, path), 0, case.config)
        assert ledger.ruined
        assert first[path] == np.argmax(ledger.equity <= 0)
        assert not equity[first[path] :, path].any()
        assert terminated[first[path] :, path].all()


def fee_forgotten_on_sales(env, account, price, exposure, trades):
    right = account_module.fill(env, account, price, exposure, trades)
    wrong = account_module.fill(env._replace(trading_fees=0.0), account, price, exposure, trades)
    sold = right.units < account.units
    return account_module.Fill(*(ops.where(sold, w, r) for w, r in zip(wrong, right, strict=True)))


def slippage_on_the_wrong_side(env, account, price, exposure, trades):
    return account_module.fill(env._replace(slippage_bps=-env.slippage_bps), account, price, exposure, trades)


def units_sized_before_costs(env, account, price, exposure, trades):
    free = env._replace(trading_fees=0.0, slippage_bps=0.0, spread_bps=0.0)
    sized = account_module.fill(free, account, price, exposure, trades)
    lost = ops.abs(sized.units - account.units) * price * (env.slippage_bps / 1e4 + env.trading_fees)
    return sized._replace(cash=sized.cash - lost)


def a_trade_at_every_bar(env, account, price, exposure, trades):
    return account_module.fill(env, account, price, exposure, ops.ones_like(trades))


def interest_after_the_fill(env, market, state, close, new_close, rung):
    free = env._replace(config=env.config._replace(borrow_interest_rate=0.0))
    filled, _ = right_order(free, market, state, close, new_close, rung)
    years = bars.at(market.years, state.asset, state.t + 1)
    paid = account_module.interest(env.config, filled.cash, filled.units, close, years)
    return filled._replace(cash=filled.cash - paid), paid


def interest_by_bars_not_by_time(env, cash, units, price, years):
    return account_module.interest(env, cash, units, price, ops.ones_like(years) / 365.0)


def no_interest_on_negative_cash(env, cash, units, price, years):
    return account_module.interest(env, ops.maximum(cash, 0.0), units, price, years)


right_order = bars._fill_and_interest
DEFECTS = [
    ("fill", fee_forgotten_on_sales),
    ("fill", slippage_on_the_wrong_side),
    ("fill", units_sized_before_costs),
    ("fill", a_trade_at_every_bar),
    ("_fill_and_interest", interest_after_the_fill),
    ("interest", interest_by_bars_not_by_time),
    ("interest", no_interest_on_negative_cash),
]


@pytest.mark.parametrize(("name", "defect"), DEFECTS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_planted_defect_is_caught(name, defect, monkeypatch):
    case = case_of("next_open", "targets", (-2.0, 0.0, 3.0), (0.001, 5.0, 0.0, 0.05), 4, 0.002, 0.3)
    assert not faults_of(case, kept_program("next_open", "targets"))
    monkeypatch.setattr(bars, name, defect)
    assert len(faults_of(case, program_of("next_open", "targets"))) == PATHS
