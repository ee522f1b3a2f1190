"""What every test shares: the compute backend, chosen before Keras is imported, and a ledger of trials of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# No test is a timed one: a busy machine must not fail it.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
BACKEND = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# JAX makes four devices of the CPU, so that every test of seeds side by side is one of several devices too.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
os.environ.setdefault("NPROC", "1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    # Tests compile the same small programs again and again: once is enough for one pytest and all its processes.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="trader-tests-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")


@pytest.fixture(autouse=True)
def own_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's ledger of runs and looks out of the tests."""
    monkeypatch.setenv("TRADER_LEDGER", str(tmp_path / "trials.jsonl"))
