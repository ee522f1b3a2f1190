"""What every agent is made of: variables that change in place, a carry, and three functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from trader import backend
from trader.agents.networks import initial_weights
from trader.agents.replay import Transitions
from trader.data.market import Market, Segment
from trader.envs import bars
from trader.envs.bars import EnvState, MarketEnv, Observation


class Stats(NamedTuple):
    """Sums since the last row of metrics, float32 scalars."""

    reward: Any
    steps: Any
    loss: Any
    entropy: Any
    updates: Any


class Carry(NamedTuple):
    """All of a run that is not a variable.

    Attributes:
        env: state of N environments.
        memory: replay cursor, or `()`.
        key: random key.
        step: int32 scalar, environment steps so far.
        stats: sums for the next row of metrics.
    """

    env: EnvState
    memory: Any
    key: Any
    step: Any
    stats: Stats


class Agent(NamedTuple):
    """An agent, ready to be compiled.

    Attributes:
        name: strategy name.
        env: environment it lives in.
        policy: network that `act_greedy` reads.
        variables: everything that changes in place: weights, optimizer slots, replay storage.
        steps_per_iteration: environment steps of one `iterate`.
        restart: puts the initial values of a seed into the variables.
        start: `(market, segment, seed) -> Carry`.
        iterate: `(market, segment, carry) -> carry`: collect, then learn.
        act_greedy: `(observation, mask [N, A]) -> action [N]` int32.
        exploration: environment step -> share of random actions, None where actions are sampled from a policy.
    """

    name: str
    env: MarketEnv
    policy: keras.Model
    variables: list[keras.Variable]
    steps_per_iteration: int
    restart: Callable[[int], None]
    start: Callable[[Market, Segment, int], Carry]
    iterate: Callable[[Market, Segment, Carry], Carry]
    act_greedy: Callable[[Observation, Any], Any]
    exploration: Callable[[int], float | None]


def no_stats() -> Stats:
    """Return zero sums."""
    return Stats(*(ops.zeros((), "float32") for _ in Stats._fields))


def start_carry(env: MarketEnv, num_envs: int, memory: Any, segment: Segment, seed: int) -> Carry:
    """Return the carry of a new run: environments reset, no step taken."""
    reset_key, run_key = backend.split(backend.key(seed), 2)
    state = bars.reset(env, segment, num_envs, reset_key)
    return Carry(state, memory, run_key, ops.zeros((), "int32"), no_stats())


def restarter(variables: list[keras.Variable], model: keras.Model) -> Callable[[int], None]:
    """Return a function that gives `model` a seed's initial weights and all other variables what they hold now."""
    own = {id(variable) for variable in model.variables}
    others = [(variable, _unless_zero(variable)) for variable in variables if id(variable) not in own]

    def restart(seed: int) -> None:
        for variable, value in zip(model.variables, initial_weights(model, seed), strict=True):
            variable.assign(value)
        for variable, value in others:
            variable.assign(ops.zeros(variable.shape, variable.dtype) if value is None else value)

    return restart


def _unless_zero(variable: keras.Variable) -> Any:
    """Return the value of `variable`, None where it is zero: a replay need not lie in the host's memory as well."""
    value = ops.convert_to_numpy(variable.value)
    return value if value.any() else None


def play(
    env: MarketEnv, market: Market, segment: Segment, state: EnvState, action: Any, gamma: float
) -> tuple[bars.Transition, Transitions]:
    """Return one step's outcome and its record; nothing is reset."""
    outcome = bars.step(env, market, segment, state, action)
    record = Transitions(
        asset=state.asset,
        t=state.t,
        rung=state.account.rung,
        action=action,
        reward=outcome.reward,
        discount=gamma * ops.cast(ops.logical_not(outcome.terminated), "float32"),
        account=bars.account_features(market, state),
        next_account=bars.account_features(market, outcome.state),
    )
    return outcome, record


def fresh_where_done(env: MarketEnv, segment: Segment, outcome: bars.Transition, draws: Any) -> EnvState:
    """Return the states to go on from: reset, by `draws [N, 2]`, where the episode ended."""
    done = ops.logical_or(outcome.terminated, outcome.truncated)
    return bars.where_done(done, bars.reset_by(env, segment, draws), outcome.state)


def observed(env: MarketEnv, market: Market, record: Transitions) -> Observation:
    """Return the observations before each recorded step."""
    return Observation(bars.windows(env, market, record.asset, record.t), record.account)


def observed_after(env: MarketEnv, market: Market, record: Transitions) -> Observation:
    """Return the observations after each recorded step, before any reset."""
    return Observation(bars.windows(env, market, record.asset, record.t + 1), record.next_account)


def flattened(record: Any) -> Any:
    """Return a record, or one array, of `[T, N, …]` as `[N·T, …]`, an environment's steps side by side.

    With environments outermost, what is split over devices by environment stays where it is.
    """
    if isinstance(record, tuple):
        return type(record)(*map(flattened, record))
    return ops.reshape(ops.swapaxes(record, 0, 1), (-1, *record.shape[2:]))
