"""One compiled call per step: the market's `step, observe, action_mask` over state packed into two arrays.

A call with nine arrays costs about half of one with twenty, and at one environment calls are all that there is to pay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from trader import backend
from trader.data.market import Market, Segment
from trader.envs import bars
from trader.envs.account import Account
from trader.envs.bars import EnvState, MarketEnv
from trader.envs.rewards import Moments

# Exposure, return since entry, bars since trade, drawdown: what `bars.account_features` is clipped to. Compiled
# arithmetic may leave the last two by a rounding error, which a space would not forgive.
ACCOUNT_LOW = (-5.0, -5.0, 0.0, -1.0)
ACCOUNT_HIGH = (5.0, 5.0, 1.0, 0.0)
REWARD, EQUITY, TERMINATED, TRUNCATED, NUM_SCALARS = 0, 1, 2, 3, 4


class Packed(NamedTuple):
    """`EnvState` in two arrays, on the device.

    Attributes:
        whole: `[N, 4]` int32: asset, t, elapsed, rung.
        real: `[N, 7]` float32: cash, units, basis, bars since trade, peak, two moments.
    """

    whole: Any
    real: Any


class Outcome(NamedTuple):
    """What a start or step gives.

    Attributes:
        state: next state.
        obs: `[N, W·F + C]` float32.
        scalars: `[N, 4 + A]` float32: reward, equity (fraction of initial cash), terminated, truncated, mask.
    """

    state: Packed
    obs: Any
    scalars: Any


class Program(NamedTuple):
    """Compiled for every number of environments it is called with; market and segment are arguments.

    Attributes:
        draw: `(market, segment, draws [N, 2])` starts where `bars.reset_by` puts the draws.
        begin: `(market, segment, asset [N], t [N])` starts there.
        step: `(market, segment, *state, action [N])` plays the actions.
        step_or_draw: `(market, segment, *state, action [N], done [N], draws [N, 2])` plays the actions, but where
            `done` it starts anew and pays 0.
    """

    draw: Callable[..., Outcome]
    begin: Callable[..., Outcome]
    step: Callable[..., Outcome]
    step_or_draw: Callable[..., Outcome]


def build_program(env: MarketEnv) -> Program:
    """Return the programs of an environment; each compiles at its first call."""

    def draw(market: Market, segment: Segment, draws: Any) -> Outcome:
        return _started(env, market, bars.reset_by(env, segment, draws))

    def begin(market: Market, segment: Segment, asset: Any, t: Any) -> Outcome:
        del segment
        return _started(env, market, bars.begin(env, asset, t))

    def step(market: Market, segment: Segment, whole: Any, real: Any, action: Any) -> Outcome:
        out = bars.step(env, market, segment, _unpacked(whole, real), action)
        return _outcome(env, market, out.state, (out.reward, out.equity, out.terminated, out.truncated))

    def step_or_draw(
        market: Market, segment: Segment, whole: Any, real: Any, action: Any, done: Any, draws: Any
    ) -> Outcome:
        out = bars.step(env, market, segment, _unpacked(whole, real), action)
        following = bars.where_done(done, bars.reset_by(env, segment, draws), out.state)
        going_on = ops.logical_not(done)
        terminated, truncated = (ops.logical_and(flag, going_on) for flag in (out.terminated, out.truncated))
        reward, equity = ops.where(done, 0.0, out.reward), ops.where(done, 1.0, out.equity)
        return _outcome(env, market, following, (reward, equity, terminated, truncated))

    return Program(*(backend.compiled(function, []) for function in (draw, begin, step, step_or_draw)))


def _started(env: MarketEnv, market: Market, state: EnvState) -> Outcome:
    zero = ops.zeros_like(state.account.cash)
    return _outcome(env, market, state, (zero, zero + 1.0, zero, zero))


def _outcome(env: MarketEnv, market: Market, state: EnvState, scalars: tuple[Any, ...]) -> Outcome:
    window, account = bars.observe(env, market, state)
    low, high = ops.convert_to_tensor(ACCOUNT_LOW, "float32"), ops.convert_to_tensor(ACCOUNT_HIGH, "float32")
    account = ops.clip(account, low, high)
    flat = ops.reshape(window, (window.shape[0], window.shape[1] * window.shape[2]))
    mask = ops.cast(bars.action_mask(env, state), "float32")
    columns = ops.stack([ops.cast(scalar, "float32") for scalar in scalars], axis=1)
    return Outcome(_packed(state), ops.concatenate([flat, account], axis=1), ops.concatenate([columns, mask], axis=1))


def _packed(state: EnvState) -> Packed:
    account = state.account
    whole = ops.stack([state.asset, state.t, state.elapsed, account.rung], axis=1)
    amounts = (account.cash, account.units, account.basis, account.bars_since_trade, account.peak)
    return Packed(whole, ops.stack([*amounts, *state.moments], axis=1))


def _unpacked(whole: Any, real: Any) -> EnvState:
    asset, t, elapsed, rung = (whole[:, i] for i in range(4))
    cash, units, basis, bars_since_trade, peak, first, second = (real[:, i] for i in range(7))
    account = Account(cash, units, rung, basis, bars_since_trade, peak)
    return EnvState(asset, t, elapsed, account, Moments(first, second))
