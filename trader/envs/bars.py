"""The market environment over bars: `reset, observe, action_mask, step`, batch-first `[N]`, pure.

At decision t the agent sees feature rows t−W+1…t and its account marked at close t; the order fills at `open[t+1]`,
`close[t+1]` or `close[t]`; equity is marked at `close[t+1]`; the reward covers close t → close t+1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from keras import ops

from trader import backend
from trader.data.market import Market, Segment
from trader.envs.account import Account, Fill, fill, interest
from trader.envs.rewards import Bar, Moments, reward

if TYPE_CHECKING:
    from trader.config import EnvConfig

NUM_RESET_DRAWS = 2


class MarketEnv(NamedTuple):
    """Parameters of the environment, static while compiled.

    Attributes:
        config: the `env` section.
        reward_scale: what rewards are divided by.
        return_deviation: of the training bars' log returns; where the differential Sharpe ratio's moments start.
    """

    config: EnvConfig
    reward_scale: float
    return_deviation: float


class EnvState(NamedTuple):
    """State of N environments.

    Attributes:
        asset: `[N]` int32.
        t: `[N]` int32, row of the decision to take.
        elapsed: `[N]` int32, bars since the reset.
        account: what is held.
        moments: of the differential Sharpe ratio.
    """

    asset: Any
    t: Any
    elapsed: Any
    account: Account
    moments: Moments


class Observation(NamedTuple):
    """What the agent sees: `window [N, W, F]` and `account [N, C]`."""

    window: Any
    account: Any


class Transition(NamedTuple):
    """Outcome of one step, `[N]` each; the state is the one before any reset.

    Attributes:
        state: next state; its observation is the one a truncated episode is bootstrapped from.
        reward: float32, scaled.
        terminated: bool, ruin: nothing follows.
        truncated: bool, end of the episode or of the segment, never together with `terminated`.
        equity: float32 at the new close (fractions of initial cash).
    """

    state: EnvState
    reward: Any
    terminated: Any
    truncated: Any
    equity: Any


def start_rung(config: EnvConfig) -> int:
    """Return the rung an episode starts on: the one of 0 for orders, none (−1) for targets."""
    return list(config.positions).index(0) if config.actions == "orders" else -1


def begin(env: MarketEnv, asset: Any, t: Any) -> EnvState:
    """Return fresh accounts, in cash, about to decide at row `t` of `asset` (both `[N]` int32)."""
    zero = ops.zeros(ops.shape(t), "float32")
    rung = ops.zeros_like(t) + start_rung(env.config)
    account = Account(zero + 1.0, zero, rung, zero, zero, zero + 1.0)
    return EnvState(asset, t, ops.zeros_like(t), account, Moments(zero, zero + env.return_deviation**2))


def reset(env: MarketEnv, segment: Segment, num_envs: int, key: Any) -> EnvState:
    """Return N environments at random starts; see `reset_by`."""
    return reset_by(env, segment, backend.uniform(key, (num_envs, NUM_RESET_DRAWS)))


def reset_by(env: MarketEnv, segment: Segment, draws: Any) -> EnvState:
    """Return N environments where `draws [N, 2]` in [0, 1) put them: asset, then row so that a whole episode fits."""
    first, last = ops.convert_to_tensor(segment.first), ops.convert_to_tensor(segment.last)
    asset = ops.cast(draws[:, 0] * first.shape[0], "int32")
    lowest = ops.take(first, asset)
    if env.config.max_episode_duration is None:
        return begin(env, asset, lowest)
    highest = ops.maximum(ops.take(last, asset) - env.config.max_episode_duration + 1, lowest)
    choices = ops.cast(highest - lowest + 1, "float32")
    offset = ops.cast(draws[:, 1] * choices, "int32")
    return begin(env, asset, ops.minimum(lowest + offset, highest))


def at(prices: Any, asset: Any, t: Any) -> Any:
    """Return `prices[asset, t]` for `prices [M, T]` and index vectors `[N]`."""
    return ops.take(ops.reshape(prices, (-1,)), asset * prices.shape[1] + t)


def windows(env: MarketEnv, market: Market, asset: Any, t: Any) -> Any:
    """Return feature rows t−W+1…t of each asset, `[N, W, F]`."""
    num_features = market.features.shape[2]
    rows = ops.reshape(market.features, (-1, num_features))
    oldest = asset * market.features.shape[1] + t - (env.config.window_size - 1)
    return backend.slices(rows, oldest, env.config.window_size)


def account_features(market: Market, state: EnvState) -> Any:
    """Return `[N, 4]`: exposure (±5), return since entry × 5 (±5), bars since trade b/(b+20), drawdown (≤ 0)."""
    account = state.account
    close = at(market.close, state.asset, state.t)
    equity = account.cash + account.units * close
    exposure = account.units * close / ops.maximum(equity, 1e-30)
    has_basis = account.basis > 0.0
    since_entry = ops.sign(account.units) * (close / ops.where(has_basis, account.basis, 1.0) - 1.0)
    unrealized = ops.where(has_basis, since_entry, 0.0)
    age = account.bars_since_trade / (account.bars_since_trade + 20.0)
    drawdown = ops.maximum(equity, 0.0) / account.peak - 1.0
    return ops.stack([ops.clip(exposure, -5.0, 5.0), ops.clip(5.0 * unrealized, -5.0, 5.0), age, drawdown], axis=1)


def observe(env: MarketEnv, market: Market, state: EnvState) -> Observation:
    """Return what is known at close t and nothing later."""
    return Observation(windows(env, market, state.asset, state.t), account_features(market, state))


def rung_mask(config: EnvConfig, rung: Any) -> Any:
    """Return `[N, A]` bool, the legal actions on each rung: orders may not leave the ladder."""
    if config.actions == "targets":
        return ops.ones((*ops.shape(rung), len(config.positions)), "bool")
    return ops.stack([rung > 0, rung >= 0, rung < len(config.positions) - 1], axis=1)


def action_mask(env: MarketEnv, state: EnvState) -> Any:
    """Return `[N, A]` bool, true where the action is legal now."""
    return rung_mask(env.config, state.account.rung)


def next_rung(config: EnvConfig, rung: Any, action: Any) -> Any:
    """Return the rung an action leads to (`targets`: the action; `orders`: one down, stay, one up)."""
    if config.actions == "targets":
        return action
    return ops.clip(rung + action - 1, 0, len(config.positions) - 1)


def step(env: MarketEnv, market: Market, segment: Segment, state: EnvState, action: Any) -> Transition:
    """Return the outcome of `action [N]` (int32) taken at close t, marked at close t+1. Resets nothing."""
    config, account = env.config, state.account
    close = at(market.close, state.asset, state.t)
    new_close = at(market.close, state.asset, state.t + 1)
    rung = next_rung(config, account.rung, action)
    filled, paid = _fill_and_interest(env, market, state, close, new_close, rung)
    equity = filled.cash + filled.units * new_close
    ruined = ops.logical_or(filled.ruined, equity <= 0.0)
    # A ruined account is closed at the price where its equity is exactly zero.
    realized = filled.realized - paid - ops.where(ruined, filled.cash + filled.units * filled.basis, 0.0)
    equity = ops.where(ruined, 0.0, equity)
    before = account.cash + account.units * close
    next_account = _marked(account, rung, filled, equity, ruined)
    bar = Bar(before, equity, realized, filled.turnover, equity / next_account.peak - 1.0)
    paid_reward, moments = reward(config, env.reward_scale, bar, state.moments)
    next_state = EnvState(state.asset, state.t + 1, state.elapsed + 1, next_account, moments)
    ended = state.t >= ops.take(ops.convert_to_tensor(segment.last), state.asset)
    if config.max_episode_duration is not None:
        ended = ops.logical_or(ended, next_state.elapsed >= config.max_episode_duration)
    truncated = ops.logical_and(ended, ops.logical_not(ruined))
    return Transition(next_state, paid_reward, ruined, truncated, equity)


def _fill_and_interest(
    env: MarketEnv, market: Market, state: EnvState, close: Any, new_close: Any, rung: Any
) -> tuple[Fill, Any]:
    """Fill the order and charge interest, in the order of time: before the fill, or after one at close t."""
    config, account = env.config, state.account
    years = at(market.years, state.asset, state.t + 1)
    exposure = ops.take(ops.convert_to_tensor(config.positions, "float32"), ops.maximum(rung, 0))
    trades = ops.not_equal(rung, account.rung)
    if config.fill == "close":
        filled = fill(config, account, close, exposure, trades)
        paid = interest(config, filled.cash, filled.units, close, years)
        return filled._replace(cash=filled.cash - paid), paid
    paid = interest(config, account.cash, account.units, close, years)
    price = new_close if config.fill == "next_close" else at(market.open, state.asset, state.t + 1)
    return fill(config, account._replace(cash=account.cash - paid), price, exposure, trades), paid


def _marked(account: Account, rung: Any, filled: Fill, equity: Any, ruined: Any) -> Account:
    traded = ops.not_equal(filled.units, account.units)
    return Account(
        cash=ops.where(ruined, 0.0, filled.cash),
        units=ops.where(ruined, 0.0, filled.units),
        rung=rung,
        basis=ops.where(ruined, 0.0, filled.basis),
        bars_since_trade=ops.where(traded, 0.0, account.bars_since_trade + 1.0),
        peak=ops.maximum(account.peak, equity),
    )


def where_done(done: Any, fresh: EnvState, going_on: EnvState) -> EnvState:
    """Return `fresh` where an episode ended and `going_on` elsewhere."""

    def choose(new: Any, old: Any) -> Any:
        return type(old)(*map(choose, new, old)) if isinstance(old, tuple) else ops.where(done, new, old)

    return choose(fresh, going_on)
