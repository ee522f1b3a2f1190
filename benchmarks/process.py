"""One measurement per process: what is run, with which compiler, threads and cores, and what it printed."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

from place import HERE, ROOT

TIMEOUT_SECONDS = 900
# TensorFlow, OpenMP (torch, NumPy) and XLA's pool on the CPU.
THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "NPROC")


class MeasurementError(Exception):
    """A measurement ended without a figure; one line."""


@dataclass(frozen=True)
class Job:
    """A script of this folder that prints one JSON line.

    Attributes:
        python: interpreter of the environment it needs.
        script: its name.
        options: its arguments.
        backend: of Keras, where it matters.
        threads: asked of every library; 0 leaves their defaults.
        cores: that the process may use; 0 = all.
    """

    python: str
    script: str
    options: tuple[str, ...] = ()
    backend: str = "jax"
    threads: int = 0
    cores: int = 0

    def with_threads(self, threads: int) -> "Job":
        return replace(self, threads=threads)


def run(job: Job) -> dict[str, Any]:
    """Return what the job printed.

    Raises:
        MeasurementError: it failed or took too long.
    """
    command = [job.python, str(HERE / job.script), *job.options]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, env=_environment(job),
            preexec_fn=_pinned(job.cores), check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"{job.script}: not done after {TIMEOUT_SECONDS} s") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MeasurementError(f"{job.script} {' '.join(job.options)}: ended with {done.returncode}: {last[:300]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"threads": job.threads}


def _environment(job: Job) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    own = {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": job.backend, "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    if job.backend == "jax":  # as `trader train` starts it; peers on JAX have it too
        own |= {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
        own["XLA_FLAGS"] = f"{kept.get('XLA_FLAGS', '')} --xla_cpu_prefer_vector_width=512".strip()
    return kept | own | (dict.fromkeys(THREAD_VARIABLES, str(job.threads)) if job.threads else {})


def _pinned(cores: int):
    """Return what binds a process to its first cores before it starts."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        return None
    chosen = set(sorted(os.sched_getaffinity(0))[:cores])
    return lambda: os.sched_setaffinity(0, chosen)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
