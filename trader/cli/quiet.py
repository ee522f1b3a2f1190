"""Starting the compute backend without its chatter: both write to file descriptor 2 from C++."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from trader.cli.allocation import keep_freed_memory
from trader.cli.quick_imports import quick_imports
from trader.errors import TraderError, listing, nearest

BACKENDS = ("tensorflow", "jax")


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


class Compute(NamedTuple):
    """How a backend is started.

    Attributes:
        device: auto, cpu or gpu.
        precision: of matrix products on a GPU; TF32 rounds their inputs to 10 bits and is off unless asked for.
        compile_cache: folder in which JAX keeps compiled programs for later processes; TensorFlow keeps none.
        threads: of each program on a CPU; None: one on JAX (more are slower at usual sizes), TensorFlow's own choice.
        cpu_devices: devices that JAX makes of the CPU, for seeds and environments that are split over devices.
    """

    device: str = "auto"
    precision: str = "float32"
    compile_cache: Path | None = None
    threads: int | None = None
    cpu_devices: int = 1


def start_backend(backend: str, compute: Compute) -> None:
    """Import Keras on this backend, silently; Keras fixes its backend at import, so this comes before any other use.

    Args:
        backend: compiler and array library under Keras.
        compute: where and how to compute.

    Raises:
        TraderError: unknown or missing backend, a second backend in one process, `gpu` where there is none.
    """
    if backend not in BACKENDS:
        raise TraderError(
            f'--backend: unknown value "{backend}"{nearest(backend, BACKENDS) or ";"} allowed: {listing(BACKENDS)}'
        )
    if importlib.util.find_spec(backend) is None:
        package = "trader[jax]" if backend == "jax" else backend
        raise TraderError(f"backend {backend}: not installed; pip install {package}, or use another --backend")
    _silence_python()
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its rounding depends on the machine's load
    if compute.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    with quiet_stderr(), quick_imports(backend):
        num_gpus = _start_jax(compute) if backend == "jax" else _start_tensorflow(compute)
        import keras
    if keras.backend.backend() != backend:
        raise TraderError(
            f"--backend: Keras already runs on {keras.backend.backend()} in this process, not on {backend}"
        )
    if compute.device == "gpu" and not num_gpus:
        names, extra = {"jax": ("JAX", "jax-cuda"), "tensorflow": ("TensorFlow", "gpu")}[backend]
        raise TraderError(f"--device gpu: {names} sees no GPU; allowed here: auto, cpu (trader[{extra}] installs CUDA)")


def _start_tensorflow(compute: Compute) -> int:
    """Touch the runtime once, since its first operation prints as well; return the number of GPUs."""
    if compute.threads is not None:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(compute.threads)
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_tensor_float_32_execution(compute.precision == "tf32")
    tf.zeros(())
    return len(gpus)


def _start_jax(compute: Compute) -> int:
    """Set JAX up before its first operation; return the number of GPUs."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX would take most of a GPU's memory at once
    os.environ["NPROC"] = str(compute.threads or 1)  # how many threads XLA makes for a CPU
    _add_xla_flag("--xla_cpu_prefer_vector_width", "512")
    keep_freed_memory()
    import jax

    # Keras would import TensorFlow when it saves a model, only to ask whether a value is one of its shapes.
    sys.modules.setdefault("tensorflow", None)  # type: ignore[arg-type]
    if compute.cpu_devices > 1 and "xla_force_host_platform_device_count" not in os.environ["XLA_FLAGS"]:
        with suppress(RuntimeError):  # JAX is at work in this process already: its devices stay as they are
            jax.config.update("jax_num_cpu_devices", compute.cpu_devices)
    gpus = [device for device in jax.devices() if device.platform == "gpu"]
    if gpus:
        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if compute.precision == "tf32" else "float32")
    if compute.compile_cache is not None:
        jax.config.update("jax_compilation_cache_dir", str(compute.compile_cache.absolute()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return len(gpus)


def _add_xla_flag(name: str, value: str) -> None:
    """Set a flag of XLA unless the user has."""
    flags = os.environ.get("XLA_FLAGS", "")
    if name not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {name}={value}".strip()


def _silence_python() -> None:
    """Keep packages' warnings off stderr, which is for our one line; a log file still gets them."""
    import logging

    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(logging.NullHandler())
