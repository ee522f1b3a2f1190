"""What the figures were measured on: processor, cores, graphics cards, versions, memory."""

from __future__ import annotations

import platform
import resource
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import keras

import trader
from trader.cores import num_cores
from trader.evaluation.results import Measure, Undefined

_CPU_INFO = Path("/proc/cpuinfo")


class Machine(NamedTuple):
    """One computer and what computes on it.

    Attributes:
        cpu: model name.
        cores: logical cores that this process may use.
        gpus: model names of those that the backend sees.
        backend: compiler under Keras.
        versions: of this package, Python, the backend, Keras and NumPy.
    """

    cpu: str
    cores: int
    gpus: tuple[str, ...]
    backend: str
    versions: dict[str, str]


def this_machine() -> Machine:
    """Return what this process computes on."""
    return Machine(cpu_model(), num_cores(), _gpus(), keras.backend.backend(), _versions())


def cpu_model(cpu_info: Path = _CPU_INFO) -> str:
    """Return the processor's model name, or what the platform says where there is no list of processors."""
    try:
        for line in cpu_info.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def peak_memory_bytes() -> int:
    """Return the most memory this process has held so far."""
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def peak_device_memory_bytes() -> Measure:
    """Return the most memory held so far on the first GPU."""
    if not _computes_on_gpu():
        return Undefined("no GPU")
    figures = _device_memory()
    peak = figures.get("peak", figures.get("peak_bytes_in_use"))
    return Undefined("the backend does not tell") if peak is None else float(peak)


def _computes_on_gpu() -> bool:
    # Asked for GPUs alone, Keras on JAX raises where there are none.
    return any(device.startswith("gpu") for device in keras.distribution.list_devices())


def _device_memory() -> dict[str, Any]:
    if keras.backend.backend() == "jax":
        import jax

        return jax.local_devices()[0].memory_stats() or {}
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")


def _gpus() -> tuple[str, ...]:
    if not _computes_on_gpu():
        return ()
    if keras.backend.backend() == "jax":
        import jax

        return tuple(device.device_kind for device in jax.devices("gpu"))
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return tuple(str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in found)


def _versions() -> dict[str, str]:
    packages = (keras.backend.backend(), "keras", "numpy")
    own = {"trader": trader.__version__, "python": platform.python_version()}
    return own | {package: metadata.version(package) for package in packages}
