"""Starting the compute backend without its chatter: TensorFlow writes to file descriptor 2 from C++ at import."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

from trader.errors import TraderError, listing, nearest

BACKENDS = ("tensorflow",)


@contextmanager
def quiet_stderr() -> Generator[None]:
    """Send file descriptor 2 (not only `sys.stderr`) to nowhere while the body runs."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def start_backend(backend: str, device: str) -> None:
    """Import Keras on this backend, silently; Keras fixes its backend at import, so this comes before any other use.

    Args:
        backend: compiler and array library under Keras.
        device: auto, cpu or gpu.

    Raises:
        TraderError: unknown backend, a second backend in one process, `gpu` where there is none.
    """
    if backend not in BACKENDS:
        raise TraderError(
            f'--backend: unknown value "{backend}"{nearest(backend, BACKENDS) or ";"} allowed: {listing(BACKENDS)}'
        )
    _silence_python()
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its rounding depends on the machine's load
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with quiet_stderr():
        import keras

        num_gpus = _start_tensorflow()
    if keras.backend.backend() != backend:
        raise TraderError(
            f"--backend: Keras already runs on {keras.backend.backend()} in this process, not on {backend}"
        )
    if device == "gpu" and not num_gpus:
        raise TraderError("--device gpu: TensorFlow sees no GPU; allowed here: auto, cpu (trader[gpu] installs CUDA)")


def _start_tensorflow() -> int:
    """Touch the runtime once, since its first operation prints as well; return the number of GPUs."""
    import tensorflow as tf

    tf.zeros(())
    return len(tf.config.list_physical_devices("GPU"))


def _silence_python() -> None:
    """Keep packages' warnings off stderr, which is for our one line; a log file still gets them."""
    import logging

    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(logging.NullHandler())
