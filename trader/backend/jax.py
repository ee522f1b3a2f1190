"""The seam on JAX: pure programs, lifted from code that changes Keras variables in place.

A lifted function takes the values of its variables and returns them changed; inside, Keras reads and writes them in a
`StatelessScope`. Keys are uint32 `[2]` arrays of the Threefry generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

MAPS_SEEDS = True
SEEDS, ENVS = "seeds", "envs"  # axes of the grid of devices
_LANES = "lanes"  # vmap's name for the axis of seeds
# The grids of the mapped programs being traced.
_grids: list[Grid] = []

# The variables of each lifted function being traced, outermost first: an inner scope must map all of them, since a
# variable that it does not map would be read as a constant.
_tracing: list[Sequence[Any]] = []


def lifted(function: Callable[..., Any], variables: Sequence[Any]) -> Callable[..., tuple[list[Any], Any]]:
    """Return the pure form of `function`: `(values, *arguments) -> (changed values, result)`."""

    def pure(values: Sequence[Any], *arguments: Any) -> tuple[list[Any], Any]:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            _tracing.append(variables)
            try:
                result = function(*arguments)
                return _values(variables), result
            finally:
                _tracing.pop()

    return pure


def _values(variables: Sequence[Any]) -> list[Any]:
    return [variable.value for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def compiled(function: Callable[..., Any], variables: Sequence[Any]) -> Callable[..., Any]:
    """Return `function` compiled as a whole; `variables` (all that it reads or changes) change in place.

    Their old values are donated, so a replay of any size is never copied; two variables must not share an array.
    """
    program = jax.jit(lifted(function, variables), donate_argnums=0)

    def call(*arguments: Any) -> Any:
        values, result = program(_values(variables), *arguments)
        _assign(variables, values)
        return result

    return call


def compiled_reader(function: Callable[..., Any], variables: Sequence[Any]) -> Callable[..., Any]:
    """Return `function` compiled as a whole; it reads `variables` and changes none."""
    pure = lifted(function, variables)
    program = jax.jit(lambda values, *arguments: pure(values, *arguments)[1])
    return lambda *arguments: program(_values(variables), *arguments)


class Grid(NamedTuple):
    """Devices in rows: rows share out the seeds, the devices of a row share out the environments of each seed."""

    mesh: Mesh

    def sharding(self, *axes: str | None) -> NamedSharding:
        """Return the placement of an array whose first axes are split over these axes of the grid."""
        return NamedSharding(self.mesh, PartitionSpec(*axes))


def num_devices() -> int:
    """Return how many devices one program can use."""
    return len(jax.devices())


def grid(devices_per_seed: int) -> Grid:
    """Return all devices as a grid; their number must be a multiple of `devices_per_seed`."""
    return Grid(Mesh(np.asarray(jax.devices()).reshape(-1, devices_per_seed), (SEEDS, ENVS)))


def placed(tree: Any, over: Grid, axes: tuple[str, ...]) -> Any:
    """Return the arrays of `tree` on the grid, all split over the same `axes`, a tuple of names."""
    return jax.device_put(tree, over.sharding(*axes))


def _shardings(over: Grid, axes: Any) -> Any:
    return jax.tree.map(lambda names: over.sharding(*names), axes, is_leaf=_is_names)


def _is_names(value: Any) -> bool:
    return type(value) is tuple and all(isinstance(name, str) for name in value)  # a record is another type


def _lane_axis(axes: Any) -> Any:
    """Return for `vmap` which arrays have an axis of seeds: those split over it."""
    return jax.tree.map(lambda names: 0 if names[:1] == (SEEDS,) else None, axes, is_leaf=_is_names)


def mapped(
    function: Callable[..., Any], variables: Sequence[Any], over: Grid, in_axes: Any, out_axes: Any
) -> Callable[..., tuple[list[Any], Any]]:
    """Return `(values, *arguments) -> (changed values, result)`, compiled, for S seeds in one program.

    Args:
        function: written for one seed.
        variables: all that it reads or changes; their `values` are given as `[S, …]` each, and donated.
        over: where to compute.
        in_axes: for each argument how its arrays are split, as records of tuples: `(SEEDS,)` and `(SEEDS, ENVS)` where
            seeds differ, `()` where they share.
        out_axes: the same for the result.
    """
    over_seeds = jax.vmap(
        _inside(over, lifted(function, variables)),
        in_axes=(0, *_lane_axis(in_axes)),
        out_axes=(0, _lane_axis(out_axes)),
        axis_name=_LANES,
        spmd_axis_name=SEEDS,
    )
    values = over.sharding(SEEDS)
    return jax.jit(
        over_seeds,
        donate_argnums=0,
        in_shardings=(values, *_shardings(over, in_axes)),
        out_shardings=(values, _shardings(over, out_axes)),
    )


def mapped_reader(
    function: Callable[..., Any], variables: Sequence[Any], over: Grid, in_axes: Any
) -> Callable[..., Any]:
    """Return `(values, *arguments) -> result [S, …]`, compiled, for S seeds in one program; no variable changes."""
    pure = _inside(over, lifted(function, variables))
    axes = (0, *_lane_axis(in_axes))
    program = jax.vmap(
        lambda values, *arguments: pure(values, *arguments)[1], axes, axis_name=_LANES, spmd_axis_name=SEEDS
    )
    return jax.jit(program, in_shardings=(over.sharding(SEEDS), *_shardings(over, in_axes)))


def _inside(over: Grid, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, which is traced as one lane of a mapped program on this grid."""

    def call(*arguments: Any) -> Any:
        _grids.append(over)
        try:
            return function(*arguments)
        finally:
            _grids.pop()

    return call


def any_anywhere(flags: Any) -> Any:
    """Return whether any of `flags` is true, in any seed of the program: so a condition on it stays a branch."""
    found = jnp.any(flags)
    return jax.lax.pmax(found.astype("int32"), _LANES) > 0 if _grids else found


def split_over_devices(array: Any) -> Any:
    """Return `array`, its first axis split over the devices of its seed where there are several."""
    if not _grids or _grids[-1].mesh.shape[ENVS] == 1:
        return array
    return jax.lax.with_sharding_constraint(array, _grids[-1].sharding(ENVS))


def repeat(function: Callable[[Any], Any], carry: Any, n: Any, variables: Sequence[Any]) -> Any:
    """Return `carry` after `n` (int or int32 scalar) applications of `function`."""
    pure = lifted(function, variables)
    values, carry = jax.lax.fori_loop(0, n, lambda _, c: pure(*c), (_values(variables), carry))
    _assign(variables, values)
    return carry


def scan(function: Callable[[Any], tuple[Any, Any]], carry: Any, n: int, variables: Sequence[Any]) -> tuple[Any, Any]:
    """Return the last carry and the outputs of `n` steps of `carry -> (carry, outputs)`, stacked on a first axis."""
    pure = lifted(function, variables)

    def body(c: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], Any]:
        values, (moved, outputs) = pure(*c)
        return (values, moved), outputs

    (values, carry), outputs = jax.lax.scan(body, (_values(variables), carry), None, length=n)
    _assign(variables, values)
    return carry, outputs


def value_and_grad(loss: Callable[..., tuple[Any, Any]], variables: Sequence[Any]) -> Callable[..., Any]:
    """Return a function of the same arguments giving `((loss, auxiliary), gradients)` with respect to `variables`.

    What `loss` assigns to variables is lost.
    """

    def evaluate(*arguments: Any) -> Any:
        around = [(variable, variable.value) for variable in (_tracing[-1] if _tracing else ())]

        def of_values(values: Sequence[Any]) -> Any:
            with keras.StatelessScope(state_mapping=[*around, *zip(variables, values, strict=True)]):
                return loss(*arguments)

        return jax.value_and_grad(of_values, has_aux=True)(_values(variables))

    return evaluate


def key(seed: int) -> Any:
    """Return the key of a seed (0 … 2³¹ − 1)."""
    return jnp.array([seed, 0], "uint32")


_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry(k: Any, counters: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the two words of Threefry-2x32 with 20 rounds for uint32 `counters`.

    Written out, since JAX's own is a loop on a CPU and takes several times as long.

    Reference:
        Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3, section 4.1.
    """
    schedule = (k[0], k[1], k[0] ^ k[1] ^ jnp.uint32(_PARITY))
    x, y = counters[0] + schedule[0], counters[1] + schedule[1]
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            x = x + y
            y = ((y << rotation) | (y >> (32 - rotation))) ^ x
        x = x + schedule[(block + 1) % 3]
        y = y + schedule[(block + 2) % 3] + jnp.uint32(block + 1)
    return x, y


def _bits(k: Any, shape: Sequence[int]) -> Any:
    """Return uint32 draws over the whole range."""
    size = math.prod(shape)
    half = -(-size // 2)
    count = jax.lax.iota("uint32", half)
    words = threefry(k, (count, jnp.full_like(count, size)))
    return jnp.concatenate(words)[:size].reshape(tuple(shape))


def split(parent: Any, n: int) -> list[Any]:
    """Return `n` new keys; the parent must not be used again."""
    count = jax.lax.iota("uint32", n)
    return list(jnp.stack(threefry(parent, (count, jnp.full_like(count, 2**32 - 1))), axis=1))


def uniform(k: Any, shape: Sequence[int]) -> Any:
    """Return float32 draws from [0, 1) with 24 random bits each."""
    return (_bits(k, shape) >> 8).astype("float32") * jnp.float32(1.0 / 2**24)


def randint(k: Any, shape: Sequence[int], high: Any) -> Any:
    """Return int32 draws from 0 … `high` − 1; the bias is below `high` / 2³¹."""
    return (_bits(k, shape) >> 1).astype("int32") % high


def slices(rows: Any, starts: Any, num_rows: int) -> Any:
    """Return `rows[start : start + num_rows]` for each of `starts [N]`, `[N, num_rows, F]`; rows are `[T, F]`."""
    size = (num_rows, rows.shape[1])
    return jax.vmap(lambda start: jax.lax.dynamic_slice(rows, (start, 0), size))(starts)
