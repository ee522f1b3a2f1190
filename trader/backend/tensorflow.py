"""The seam on TensorFlow: XLA-compiled functions over variables that change in place.

Keys are int32 `[2]` tensors. Every draw names its algorithm (Philox): only then do eager and compiled code agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

SEEDS, ENVS = "seeds", "envs"
MAPS_SEEDS = False  # seeds go through the same program one after the other


def compiled(function: Callable[..., Any], variables: Sequence[Any]) -> Callable[..., Any]:
    """Return `function` compiled as a whole; `variables` (all that it reads or changes) change in place."""
    del variables  # the JAX seam lifts them into arguments; TensorFlow captures them
    return tf.function(function, jit_compile=True, autograph=False)


def compiled_reader(function: Callable[..., Any], variables: Sequence[Any]) -> Callable[..., Any]:
    """Return `function` compiled as a whole; it reads `variables` and changes none."""
    return compiled(function, variables)


def _not_mapped(*_: Any) -> Any:
    """Raise NotImplementedError: see `MAPS_SEEDS`."""
    raise NotImplementedError("TensorFlow trains one seed after the other, each on one device")


grid = placed = mapped = mapped_reader = _not_mapped


def num_devices() -> int:
    """Return how many devices one program can use."""
    return 1


def any_anywhere(flags: Any) -> Any:
    """Return whether any of `flags` is true."""
    return tf.reduce_any(flags)


def split_over_devices(array: Any) -> Any:
    """Return `array`."""
    return array


def repeat(function: Callable[[Any], Any], carry: Any, n: Any, variables: Sequence[Any]) -> Any:
    """Return `carry` after `n` (int or int32 scalar) applications of `function`."""
    del variables
    n = tf.convert_to_tensor(n, tf.int32)
    return tf.while_loop(lambda i, _: i < n, lambda i, c: (i + 1, function(c)), (tf.constant(0), carry))[1]


def scan(function: Callable[[Any], tuple[Any, Any]], carry: Any, n: int, variables: Sequence[Any]) -> tuple[Any, Any]:
    """Return the last carry and the outputs of `n` steps of `carry -> (carry, outputs)`, stacked on a first axis.

    Always a loop: unrolled, five A2C steps took six times as long to compile and three times as long to run.
    """
    del variables
    shapes = tf.function(function, autograph=False).get_concrete_function(carry).structured_outputs[1]
    arrays = tf.nest.map_structure(lambda leaf: tf.TensorArray(leaf.dtype, size=n, element_shape=leaf.shape), shapes)

    def body(i: Any, c: Any, written: Any) -> tuple[Any, Any, Any]:
        c, y = function(c)
        flat = [array.write(i, leaf) for array, leaf in zip(tf.nest.flatten(written), tf.nest.flatten(y), strict=True)]
        return i + 1, c, tf.nest.pack_sequence_as(written, flat)

    _, carry, arrays = tf.while_loop(lambda i, *_: i < n, body, (tf.constant(0), carry, arrays), maximum_iterations=n)
    return carry, tf.nest.map_structure(lambda array: array.stack(), arrays)


def value_and_grad(loss: Callable[..., tuple[Any, Any]], variables: Sequence[Any]) -> Callable[..., Any]:
    """Return a function of the same arguments giving `((loss, auxiliary), gradients)` with respect to `variables`."""

    def evaluate(*arguments: Any) -> tuple[tuple[Any, Any], list[Any]]:
        values = [variable.value for variable in variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            value, auxiliary = loss(*arguments)
        return (value, auxiliary), tape.gradient(value, values)

    return evaluate


def key(seed: int) -> Any:
    """Return the key of a seed (0 … 2³¹ − 1)."""
    return tf.constant([seed, 0], tf.int32)


def _bits(k: Any, shape: Sequence[int]) -> Any:
    """Return int32 draws over the whole range."""
    draw: Any = tf.random.stateless_uniform  # its stub forbids the None that asks for the whole range
    return draw(shape, seed=k, minval=None, maxval=None, dtype=tf.int32, alg="philox")


def split(parent: Any, n: int) -> list[Any]:
    """Return `n` new keys; the parent must not be used again."""
    return list(tf.unstack(_bits(parent, [n, 2])))


def uniform(k: Any, shape: Sequence[int]) -> Any:
    """Return float32 draws from [0, 1) with 24 random bits each."""
    return tf.cast(tf.bitwise.right_shift(tf.bitcast(_bits(k, shape), tf.uint32), 8), tf.float32) * (1.0 / 2**24)


def randint(k: Any, shape: Sequence[int], high: Any) -> Any:
    """Return int32 draws from 0 … `high` − 1; the bias is below `high` / 2³¹."""
    positive = tf.bitwise.bitwise_and(_bits(k, shape), 0x7FFFFFFF)
    return positive % tf.cast(high, tf.int32)


def slices(rows: Any, starts: Any, num_rows: int) -> Any:
    """Return `rows[start : start + num_rows]` for each of `starts [N]`, `[N, num_rows, F]`; rows are `[T, F]`."""
    num_columns = rows.shape[1]
    if rows.shape[0] * num_columns >= 2**31:
        return tf.gather(rows, starts[:, None] + tf.range(num_rows)[None, :])
    # Number by number XLA gathers a window in two thirds of the time it takes row by row.
    numbers = tf.gather(
        tf.reshape(rows, [-1]), (starts * num_columns)[:, None] + tf.range(num_rows * num_columns)[None, :]
    )
    return tf.reshape(numbers, [-1, num_rows, num_columns])
