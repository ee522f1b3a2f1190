"""The compiled greedy pass over dates: validation, evaluation and backtest all use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from trader import backend
from trader.agents.agent import Agent
from trader.data.market import Market, Segment
from trader.envs import bars
from trader.envs.rewards import MIN_RATIO

_EXPONENT = 10
_LARGE = 2.0**_EXPONENT


class GreedyPass(NamedTuple):
    """What the greedy policy did, `[n, M]` NumPy; rows beyond an asset's own length repeat its end.

    Attributes:
        action: int32.
        exposure: float32 target exposure after each decision.
        equity: float64 at the close that ends each bar (fractions of initial cash).
        alive: bool, whether the row is a decision of this asset.
    """

    action: np.ndarray
    exposure: np.ndarray
    equity: np.ndarray
    alive: np.ndarray


def greedy_pass(agent: Agent) -> Callable[[Market, Segment], GreedyPass]:
    """Return the compiled pass of `agent` (with its present weights) over every decision of a segment."""
    program = _by_length(lambda num_steps: backend.compiled_reader(_whole(agent, num_steps), agent.policy.variables))

    def run(market: Market, segment: Segment) -> GreedyPass:
        return _as_numpy(program(_num_steps(segment))(market, _on_device(segment)))

    return run


def greedy_passes(agent: Agent, grid: Any) -> Callable[[list[Any], Market, Segment], list[GreedyPass]]:
    """Return the compiled pass of S seeds at once: `(values [S, …] of the policy's variables, market, segment)`."""

    def mapped(num_steps: int) -> Callable[..., Any]:
        return backend.mapped_reader(_whole(agent, num_steps), agent.policy.variables, grid, ((), ()))

    program = _by_length(mapped)

    def run(values: list[Any], market: Market, segment: Segment) -> list[GreedyPass]:
        outputs = program(_num_steps(segment))(values, market, _on_device(segment))
        host = [ops.convert_to_numpy(output) for output in outputs]
        return [_as_numpy(tuple(output[lane] for output in host)) for lane in range(len(host[0]))]

    return run


def _by_length(build: Callable[[int], Callable[..., Any]]) -> Callable[[int], Callable[..., Any]]:
    """Return `build`, remembering what it built: a pass is compiled once for each number of decisions."""
    built: dict[int, Callable[..., Any]] = {}

    def program(num_steps: int) -> Callable[..., Any]:
        if num_steps not in built:
            built[num_steps] = build(num_steps)
        return built[num_steps]

    return program


def _num_steps(segment: Segment) -> int:
    return int(np.max(np.asarray(segment.last) - np.asarray(segment.first))) + 1


def _on_device(segment: Segment) -> Segment:
    return Segment(*map(ops.convert_to_tensor, segment))


def _as_numpy(outputs: Any) -> GreedyPass:
    action, exposure, equity, exponent, alive = (ops.convert_to_numpy(output) for output in outputs)
    return GreedyPass(action, exposure, np.ldexp(equity.astype(np.float64), exponent), alive)


def _whole(agent: Agent, num_steps: int) -> Callable[[Market, Segment], Any]:
    env = agent.env
    positions = ops.convert_to_tensor(list(env.config.positions), "float32")

    def act(market: Market, segment: Segment, state: bars.EnvState, exponent: Any, alive: Any) -> Any:
        action = agent.act_greedy(bars.observe(env, market, state), bars.action_mask(env, state))
        outcome = bars.step(env, market, segment, state, action)
        rung = bars.next_rung(env.config, state.account.rung, action)
        is_last = state.t >= segment.last
        # An asset at its end stands still; a ruined account goes on to the end of its dates with nothing in it.
        following = bars.where_done(is_last, state, outcome.state)
        played = (action, ops.take(positions, ops.maximum(rung, 0)), outcome.equity, exponent, alive)
        following, change = _rescaled(following, outcome.equity)
        return (following, exponent + change, ops.logical_and(alive, ops.logical_not(is_last))), played

    def whole(market: Market, segment: Segment) -> Any:
        asset = ops.arange(segment.first.shape[0], dtype="int32")
        start = (bars.begin(env, asset, segment.first), ops.zeros_like(asset), ops.ones_like(asset, "bool"))
        return backend.scan(lambda c: act(market, segment, *c), start, num_steps, agent.policy.variables)[1]

    return whole


def _rescaled(state: bars.EnvState, equity: Any) -> tuple[bars.EnvState, Any]:
    """Return the state with its money scaled by 2^−k, and k: float32 would overflow on long, good paths.

    Scaling by powers of two is exact, and nothing an agent sees depends on the scale of its money.
    """
    change = ops.where(equity > _LARGE, _EXPONENT, 0) - ops.where(
        ops.logical_and(equity > 0.0, equity < 1.0 / _LARGE), _EXPONENT, 0
    )
    factor = ops.where(change > 0, 1.0 / _LARGE, ops.where(change < 0, _LARGE, 1.0))
    account = state.account
    scaled = account._replace(cash=account.cash * factor, units=account.units * factor, peak=account.peak * factor)
    return state._replace(account=scaled), ops.cast(change, "int32")


def log_growth(played: GreedyPass) -> float:
    """Return the mean over assets of the net log growth of equity; the bar of ruin counts as log(0.001)."""
    growth = []
    for equity, alive in zip(played.equity.T, played.alive.T, strict=True):
        path = np.concatenate([[1.0], equity[alive]])
        positive = path[path > 0.0]
        growth.append(np.log(positive[-1]) + (np.log(MIN_RATIO) if len(positive) < len(path) else 0.0))
    return float(np.mean(growth))
