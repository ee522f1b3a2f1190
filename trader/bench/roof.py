"""The roof: the fastest float32 matrix product that this machine shows, by NumPy or by the compiler."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from trader import backend
from trader.bench.chunks import Clock

CPU_SIZE, GPU_SIZE = 2048, 8192
_REPEATS = 10


class Roof(NamedTuple):
    """Best of several products of two square float32 matrices.

    Attributes:
        size: rows of the matrices.
        numpy_gflops, backend_gflops: 2·size³ operations over the shortest time, in 1e9 a second. On a GPU the compiler
            is free to multiply at its own default precision (TF32), as in training.
    """

    size: int
    numpy_gflops: float
    backend_gflops: float

    @property
    def gflops(self) -> float:
        """The better of the two."""
        return max(self.numpy_gflops, self.backend_gflops)


def measure_roof(on_gpu: bool, clock: Clock = time.perf_counter) -> Roof:
    """Return this machine's roof; takes a few seconds."""
    size = GPU_SIZE if on_gpu else CPU_SIZE
    compiled = best_gflops(_compiled_product(size), size, clock)
    # On a GPU machine the processor is no rival: a product of its usual size says enough.
    return Roof(size, best_gflops(_numpy_product(CPU_SIZE), CPU_SIZE, clock), compiled)


def best_gflops(product: Callable[[], object], size: int, clock: Clock) -> float:
    """Return 1e9 operations a second of the fastest of ten calls of `product`, after one that is not timed."""
    product()
    shortest = float("inf")
    for _ in range(_REPEATS):
        began = clock()
        product()
        shortest = min(shortest, clock() - began)
    return 2e-9 * size**3 / shortest


def _factors(size: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    return left, right


def _numpy_product(size: int) -> Callable[[], object]:
    left, right = _factors(size)
    out = np.empty_like(left)
    return lambda: np.matmul(left, right, out=out)


def _compiled_product(size: int) -> Callable[[], object]:
    left, right = (ops.convert_to_tensor(factor) for factor in _factors(size))
    matmul: Callable[[Any, Any], Any] = backend.compiled(ops.matmul, [])
    return lambda: float(matmul(left, right)[0, 0])  # reading a value waits for the device
