"""Small markets and a player of given actions, shared by the tests of the environment."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from trader.config import EnvConfig
from trader.data.market import Market, Segment
from trader.envs import bars

YEAR_SECONDS = 365 * 86_400


class Played(NamedTuple):
    """One path of decisions, `[n, N, …]` NumPy: what was seen and allowed before, what came after."""

    window: np.ndarray
    account: np.ndarray
    mask: np.ndarray
    t: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    equity: np.ndarray
    cash: np.ndarray
    units: np.ndarray
    rung: np.ndarray


def market_env(scale=1.0, **settings):
    """An environment without costs, window 1, no time limit, unless said otherwise."""
    free = {"trading_fees": 0.0, "slippage_bps": 0.0, "spread_bps": 0.0, "borrow_interest_rate": 0.0}
    plain = {"window_size": 1, "max_episode_duration": None, "initial_cash": 10_000.0}
    return bars.MarketEnv(EnvConfig(**{**free, **plain, **settings}), scale, scale)


def years_of(times):
    """Years since the previous bar, 0 for the first."""
    seconds = np.diff(np.asarray(times, "datetime64[ns]")).astype(np.int64) / 1e9
    return np.concatenate([[0.0], seconds / YEAR_SECONDS])


def world(assets, features=None, first=None, last=None):
    """Return (market, segment) from a list of (opens, closes, years); padding is NaN, the decisions are all rows."""
    longest = max(len(closes) for _, closes, _ in assets)

    def padded(column):
        rows = [np.pad(np.asarray(a[column], np.float32), (0, longest - len(a[column]))) for a in assets]
        for row, asset in zip(rows, assets, strict=True):
            row[len(asset[column]) :] = np.nan
        return np.stack(rows)

    if features is None:
        features = padded(1)[:, :, None]
    first = [0] * len(assets) if first is None else first
    last = [len(closes) - 2 for _, closes, _ in assets] if last is None else last
    market = Market(np.asarray(features, np.float32), padded(0), padded(1), padded(2))
    return market, Segment(np.asarray(first, np.int32), np.asarray(last, np.int32))


def one_asset(opens, closes, days=1.0):
    """Return (market, segment) of one asset; `days` since the previous bar, a number or one per row."""
    return world([(opens, closes, np.broadcast_to(days, len(closes)) / 365.0)])


def random_asset(generator, num_rows, volatility=0.02):
    """Return (opens, closes, years) of a random path with opens of its own."""
    closes = 100 * np.exp(np.cumsum(volatility * generator.standard_normal(num_rows)))
    opens = closes * np.exp(0.5 * volatility * generator.standard_normal(num_rows))
    return opens, closes, generator.choice([1, 24, 72], num_rows) / (365 * 24)


def on_device(record):
    """Return a record of arrays as tensors."""
    return type(record)(*map(ops.convert_to_tensor, record))


def numbers(tree):
    """Return a tree of tensors as NumPy arrays."""
    return keras.tree.map_structure(ops.convert_to_numpy, tree)


def seen_and_played(env, market, segment, state, action):
    """Return (next state, record of the decision): what is seen before, what comes after."""
    window, account = bars.observe(env, market, state)
    mask = bars.action_mask(env, state)
    out = bars.step(env, market, segment, state, action)
    held = out.state.account
    after = (out.reward, out.terminated, out.truncated, out.equity, held.cash, held.units, held.rung)
    return out.state, Played(window, account, mask, state.t, *after)


def play(env, market, segment, actions, asset=None):
    """Play `actions [n, N]` (or `[n]`) from the segment's first rows, step after step and uncompiled."""
    actions = np.asarray(actions, np.int32).reshape(len(actions), -1)
    asset = np.zeros(actions.shape[1], np.int32) if asset is None else np.asarray(asset, np.int32)
    market, rows = on_device(market), on_device(segment)
    state = bars.begin(env, ops.convert_to_tensor(asset), ops.convert_to_tensor(segment.first[asset]))
    records = []
    for action in actions:
        state, record = seen_and_played(env, market, rows, state, ops.convert_to_tensor(action))
        records.append(numbers(record))
    return Played(*map(np.stack, zip(*records, strict=True)))


def legal_orders(generator, num_steps, num_paths, num_rungs, start):
    """Return random orders `[n, N]` that never leave the ladder."""
    rung, rows = np.full(num_paths, start), []
    for _ in range(num_steps):
        move = generator.integers(-1, 2, num_paths)
        move = np.where((rung + move < 0) | (rung + move >= num_rungs), 0, move)
        rung = rung + move
        rows.append(move + 1)
    return np.asarray(rows, np.int32)
