"""The seam to the compiler: what Keras lacks, once per backend, under equal names.

`keras.ops` computes; this module compiles, loops, differentiates and draws. Everything that changes is either a Keras
variable (weights, optimizer slots, replay storage), changed in place, or part of an explicit carry, passed in and
returned. The functions come from the module of the backend that Keras runs on (fixed when Keras is imported).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    from trader.backend import tensorflow as chosen
elif keras.backend.backend() == "jax":
    from trader.backend import jax as chosen
else:
    raise ImportError(
        f"trader has no backend for Keras on {keras.backend.backend()}; set KERAS_BACKEND to tensorflow or jax"
    )

ENVS = chosen.ENVS
MAPS_SEEDS = chosen.MAPS_SEEDS
SEEDS = chosen.SEEDS
any_anywhere = chosen.any_anywhere
compiled = chosen.compiled
compiled_reader = chosen.compiled_reader
grid = chosen.grid
key = chosen.key
mapped = chosen.mapped
mapped_reader = chosen.mapped_reader
num_devices = chosen.num_devices
placed = chosen.placed
randint = chosen.randint
repeat = chosen.repeat
scan = chosen.scan
slices = chosen.slices
split = chosen.split
split_over_devices = chosen.split_over_devices
uniform = chosen.uniform
value_and_grad = chosen.value_and_grad

__all__ = [
    "ENVS",
    "MAPS_SEEDS",
    "SEEDS",
    "any_anywhere",
    "categorical",
    "compiled",
    "compiled_reader",
    "grid",
    "key",
    "mapped",
    "mapped_reader",
    "num_devices",
    "placed",
    "randint",
    "repeat",
    "scan",
    "slices",
    "split",
    "split_over_devices",
    "uniform",
    "value_and_grad",
]


def categorical(draws: Any, logits: Any) -> Any:
    """Return int32 choices `[...]` from `softmax(logits)` over the last axis (Gumbel maximum).

    Args:
        draws: uniform numbers in [0, 1) of the shape of `logits`.
        logits: `[..., A]`; an action at −1e9 is never drawn.
    """
    gumbel = -ops.log(-ops.log(draws + 1e-7) + 1e-7)
    return ops.cast(ops.argmax(logits + gumbel, axis=-1), "int32")
