"""Seeds side by side: the values of S seeds, moved on by one compiled program.

One seed lives in the agent's variables. Several, where the backend maps programs over seeds, are arrays beside them:
each variable's value and each part of the carry but the counters, which all seeds share, with a first axis S.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from keras import ops

from trader import backend
from trader.agents.agent import Agent, Carry, Stats, no_stats
from trader.data.market import Market, Segment
from trader.rollout import GreedyPass, greedy_pass, greedy_passes

# How a carry lies on the devices. What seeds share has no axis: a replay cursor of its own for each seed would turn
# every write into a scatter.
_BY_SEED = (backend.SEEDS,)
_BY_ENV: Any = (backend.SEEDS, backend.ENVS)
_AXES: Any = Carry(env=_BY_ENV, memory=(), key=_BY_SEED, step=(), stats=cast("Any", _BY_SEED))


class Lanes(NamedTuple):
    """The device part of S seeds' values.

    Attributes:
        values: of the agent's variables, `[S, …]` each; None for one seed, whose values are in the variables.
        carry: the rest; leaves `[S, …]` but for `memory` and `step`; for one seed without that axis.
    """

    values: list[Any] | None
    carry: Carry


class Trainer(NamedTuple):
    """An agent with its compiled programs for S seeds at once.

    Attributes:
        agent: what learns.
        num_lanes: S.
        grid: the devices that several lanes lie on; None for one seed in the agent's own variables.
        chunk: `(market, segment, lanes, n) -> lanes` after n iterations.
        greedy: `(market, segment, lanes) -> [pass of each seed]`.
        compile_seconds: what the first call of each program took, nearly all of it compilation; filled by that call.
    """

    agent: Agent
    num_lanes: int
    grid: Any
    chunk: Callable[[Market, Segment, Lanes, Any], Lanes]
    greedy: Callable[[Market, Segment, Lanes], list[GreedyPass]]
    compile_seconds: dict[str, float]


def build_trainer(agent: Agent, num_lanes: int = 1, devices_per_seed: int = 1) -> Trainer:
    """Return the trainer of `num_lanes` seeds of `agent`; compiles at the first call.

    Args:
        agent: what learns.
        num_lanes: seeds in one program. They are shared out over all devices, and computed in whole rows of them:
            some lanes may be copies that nobody reads.
        devices_per_seed: over how many devices the environments and batches of each seed are split.

    Raises:
        ValueError: more than the backend or the machine has.
    """
    if (num_lanes > 1 or devices_per_seed > 1) and not backend.MAPS_SEEDS:
        raise ValueError(f"this backend trains one seed after the other; received {num_lanes} at once")
    if devices_per_seed > 1 and backend.num_devices() % devices_per_seed:
        raise ValueError(f"{backend.num_devices()} devices do not divide into groups of {devices_per_seed}")
    grid = None if num_lanes == devices_per_seed == 1 else backend.grid(devices_per_seed)
    chunk, greedy = _alone(agent) if grid is None else _side_by_side(agent, num_lanes, grid)
    seconds: dict[str, float] = {}
    return Trainer(
        agent,
        num_lanes,
        grid,
        _timed_once("training", chunk, lambda lanes: int(lanes.carry.step), seconds),
        _timed_once("greedy pass", greedy, len, seconds),
        seconds,
    )


def _timed_once(
    name: str, function: Callable[..., Any], wait: Callable[[Any], Any], seconds: dict[str, float]
) -> Callable[..., Any]:
    """Return `function`, which notes how long its first call took; `wait` reads what the device has to finish first."""

    def call(*arguments: Any) -> Any:
        if name in seconds:
            return function(*arguments)
        began = time.perf_counter()
        result = function(*arguments)
        wait(result)
        seconds[name] = time.perf_counter() - began
        return result

    return call


def _iterations(agent: Agent) -> Callable[[Market, Segment, Carry, Any], Carry]:
    def chunk(market: Market, segment: Segment, carry: Carry, n: Any) -> Carry:
        return backend.repeat(lambda c: agent.iterate(market, segment, c), carry, n, agent.variables)

    return chunk


_Chunk = Callable[[Market, Segment, Lanes, Any], Lanes]
_Greedy = Callable[[Market, Segment, Lanes], list[GreedyPass]]


def _alone(agent: Agent) -> tuple[_Chunk, _Greedy]:
    program, play = backend.compiled(_iterations(agent), agent.variables), greedy_pass(agent)

    def chunk(market: Market, segment: Segment, lanes: Lanes, n: Any) -> Lanes:
        return Lanes(None, program(market, segment, lanes.carry, n))

    return chunk, lambda market, segment, lanes: [play(market, segment)]


def _side_by_side(agent: Agent, num_lanes: int, grid: Any) -> tuple[_Chunk, _Greedy]:
    program = backend.mapped(_iterations(agent), agent.variables, grid, ((), (), _AXES, ()), _AXES)
    play, num_weights = greedy_passes(agent, grid), len(agent.policy.variables)
    everywhere = _remembered(lambda record: backend.placed(record, grid, ()))

    def chunk(market: Market, segment: Segment, lanes: Lanes, n: Any) -> Lanes:
        values, carry = program(lanes.values, everywhere(market), segment, lanes.carry, n)
        return Lanes(values, carry)

    def greedy(market: Market, segment: Segment, lanes: Lanes) -> list[GreedyPass]:
        return play((lanes.values or [])[:num_weights], everywhere(market), segment)[:num_lanes]

    return chunk, greedy


def _remembered(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `function`, which computes nothing anew for the very argument of its last call."""
    last: list[Any] = [None, None]

    def call(argument: Any) -> Any:
        if last[0] is not argument:
            last[:] = argument, function(argument)
        return last[1]

    return call


def begin(trainer: Trainer, market: Market, segment: Segment, seeds: Sequence[int]) -> Lanes:
    """Return the values that `num_lanes` seeds start from; one seed's go into the agent's variables."""
    agent, begun = trainer.agent, []
    for seed in seeds:
        agent.restart(seed)
        begun.append((_copies(trainer), agent.start(market, segment, seed)))
    return _joined(trainer, begun)


def _copies(trainer: Trainer) -> list[Any]:
    return [] if trainer.grid is None else [ops.copy(variable.value) for variable in trainer.agent.variables]


def _joined(trainer: Trainer, parts: Sequence[tuple[list[Any], Carry]]) -> Lanes:
    """Return the values of several seeds as one, on the devices; what seeds share is taken from the first."""
    if trainer.grid is None:
        return Lanes(None, parts[0][1])
    rows = trainer.grid.mesh.shape[backend.SEEDS]
    parts = [*parts, *[parts[-1]] * (-len(parts) % rows)]
    values = [ops.stack(same) for same in zip(*(values for values, _ in parts), strict=True)]
    carries = [carry for _, carry in parts]
    shared = {"memory": carries[0].memory, "step": carries[0].step}
    separate = [carry._replace(memory=(), step=()) for carry in carries]
    carry = _stacked(separate)._replace(**shared)
    return Lanes(backend.placed(values, trainer.grid, _BY_SEED), _placed(trainer, carry))


def _placed(trainer: Trainer, carry: Carry) -> Carry:
    parts = zip(carry, _AXES, strict=True)
    return Carry(*(backend.placed(part, trainer.grid, axes) for part, axes in parts))


def _stacked(records: Sequence[Any]) -> Any:
    first = records[0]
    if isinstance(first, tuple):
        merged = [_stacked(parts) for parts in zip(*records, strict=True)]
        return type(first)(*merged) if merged else first
    return ops.stack(records)


def on_host(trainer: Trainer, lanes: Lanes) -> Lanes:
    """Return `lanes` as NumPy arrays, each read from the device once for all seeds."""
    if lanes.values is None:
        values = [ops.convert_to_numpy(variable.value) for variable in trainer.agent.variables]
    else:
        values = [ops.convert_to_numpy(value) for value in lanes.values]
    return Lanes(values, _mapped(ops.convert_to_numpy, lanes.carry))


def lane_of(trainer: Trainer, carry: Carry, lane: int) -> Carry:
    """Return the carry of one seed, of a carry of NumPy arrays, without the axis of seeds."""
    if trainer.grid is None:
        return carry
    separate = carry._replace(memory=(), step=())
    return _mapped(lambda leaf: leaf[lane], separate)._replace(memory=carry.memory, step=carry.step)


def stats_of(trainer: Trainer, lanes: Lanes) -> list[Stats]:
    """Return the sums of each seed as NumPy scalars."""
    sums = _mapped(ops.convert_to_numpy, lanes.carry.stats)
    if trainer.grid is None:
        return [sums]
    return [Stats(*(total[lane] for total in sums)) for lane in range(trainer.num_lanes)]


def _mapped(function: Callable[[Any], Any], record: Any) -> Any:
    if not isinstance(record, tuple):
        return function(record)
    return type(record)(*(_mapped(function, part) for part in record)) if record else record


def without_stats(trainer: Trainer, lanes: Lanes) -> Lanes:
    """Return `lanes` with all sums at zero."""
    stats = no_stats() if trainer.grid is None else _mapped(ops.zeros_like, lanes.carry.stats)
    return lanes._replace(carry=lanes.carry._replace(stats=stats))


def snapshot(trainer: Trainer, lanes: Lanes, lane: int = 0) -> dict[str, np.ndarray]:
    """Return the whole value of one seed but its `Progress` as named arrays.

    Args:
        trainer: whose value it is.
        lanes: best of `on_host` when several seeds are taken.
        lane: which seed.
    """
    host = on_host(trainer, lanes)
    values = (host.values or []) if trainer.grid is None else [value[lane] for value in host.values or []]
    arrays = {f"variable/{number:03d}": value for number, value in enumerate(values)}
    return arrays | named_leaves(lane_of(trainer, host.carry, lane))


def named_leaves(value: Any, prefix: str = "carry") -> dict[str, np.ndarray]:
    """Return the arrays of a nested record by path, e.g. `carry/env/account/cash`."""
    if not isinstance(value, tuple):
        return {prefix: ops.convert_to_numpy(value)}
    names = getattr(value, "_fields", ())
    leaves: dict[str, np.ndarray] = {}
    for name, part in zip(names, value, strict=True):
        leaves |= named_leaves(part, f"{prefix}/{name}")
    return leaves


def restore(trainer: Trainer, template: Lanes, snapshots: Sequence[Mapping[str, np.ndarray]]) -> Lanes:
    """Return the lanes that `snapshots`, one for each seed, were taken from.

    Args:
        trainer: built from the same config, for as many seeds.
        template: lanes of the same structure, e.g. just begun.
        snapshots: what `snapshot` returned; of another backend too (its random keys are other keys here).

    Raises:
        KeyError, ValueError: a part is missing or has another shape.
    """
    like = lane_of(trainer, _mapped(ops.convert_to_numpy, template.carry), 0)
    parts = []
    for arrays in snapshots:
        values = _checked_values(trainer.agent, arrays)
        if trainer.grid is None:
            for variable, value in zip(trainer.agent.variables, values, strict=True):
                variable.assign(value)
        parts.append(([ops.convert_to_tensor(value) for value in values], _rebuilt(like, arrays, "carry")))
    return _joined(trainer, parts)


def _checked_values(agent: Agent, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return [_checked(f"variable/{number:03d}", arrays, like) for number, like in enumerate(agent.variables)]


def _checked(name: str, arrays: Mapping[str, np.ndarray], like: Any) -> np.ndarray:
    if arrays[name].shape != tuple(like.shape):
        raise ValueError(f"{name}: shape {arrays[name].shape}, but the agent's is {tuple(like.shape)}")
    return arrays[name]


def _rebuilt(like: Any, arrays: Mapping[str, np.ndarray], prefix: str) -> Any:
    if not isinstance(like, tuple):
        return ops.convert_to_tensor(_checked(prefix, arrays, like).astype(like.dtype))
    if not like:
        return like
    fields = type(like)._fields  # type: ignore[attr-defined]
    parts = zip(fields, like, strict=True)
    return type(like)(*(_rebuilt(part, arrays, f"{prefix}/{name}") for name, part in parts))
