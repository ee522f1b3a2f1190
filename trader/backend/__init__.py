"""The seam to the compiler: what Keras lacks, once per backend, under equal names.

`keras.ops` computes; this module compiles, loops, differentiates and draws. Everything that changes is either a Keras
variable (weights, optimizer slots, replay storage), changed in place, or part of an explicit carry, passed in and
returned. The functions come from the module of the backend that Keras runs on (fixed when Keras is imported).
"""

from __future__ import annotations

import keras

if keras.backend.backend() == "tensorflow":
    from trader.backend.tensorflow import (
        categorical,
        compiled,
        key,
        randint,
        repeat,
        scan,
        split,
        uniform,
        value_and_grad,
    )
else:
    raise ImportError(f"trader has no backend for Keras on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow")

__all__ = [
    "categorical",
    "compiled",
    "key",
    "randint",
    "repeat",
    "scan",
    "split",
    "uniform",
    "value_and_grad",
]
