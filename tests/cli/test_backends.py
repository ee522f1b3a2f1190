"""Starting a backend: what is missing is told in one line, and nothing else is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL_CONFIG as CONFIG
from tests.cli.conftest import Outcome

NAMES = {"jax": ("JAX", "jax-cuda"), "tensorflow": ("TensorFlow", "gpu")}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "quiet.yaml").write_text(CONFIG)
    return tmp_path


def said(home: Path, words: str, before: str = "") -> Outcome:
    """Run a command line in a process that nobody told to be quiet, `before` it a line of Python."""
    program = f"import sys\n{before}\nfrom trader.cli.main import run\nsys.exit(run({words.split()!r}))"
    told = ("KERAS_BACKEND", "TF_", "XLA_", "JAX_", "NPROC")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    environment |= {"TRADER_LEDGER": str(home / "ledger.jsonl"), "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run([sys.executable, "-c", program], cwd=home, env=environment, capture_output=True, text=True)
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("backend", NAMES)
def test_a_backend_that_is_not_installed_is_told_in_one_line_and_no_run_exists(home: Path, backend: str):
    outcome = said(home, f"train --config quiet.yaml --backend {backend}", f"sys.modules['{backend}'] = None")
    package = {"jax": "trader[jax]", "tensorflow": "tensorflow"}[backend]
    line = f"backend {backend}: not installed; pip install {package}, or use another --backend"
    assert outcome == (2, "", f"trader: {line}\n")
    assert not (home / "runs").exists()


@pytest.mark.parametrize("backend", NAMES)
def test_a_gpu_that_is_not_there_is_told_in_one_line_and_no_run_exists(home: Path, backend: str):
    outcome = said(home, f"train --config quiet.yaml --backend {backend} --device gpu")
    name, extra = NAMES[backend]
    line = f"--device gpu: {name} sees no GPU; allowed here: auto, cpu (trader[{extra}] installs CUDA)"
    assert outcome == (2, "", f"trader: {line}\n")
    assert not (home / "runs").exists()


def test_a_second_backend_in_one_process_is_refused_in_one_line(home: Path):
    before = "import os; os.environ['KERAS_BACKEND'] = 'jax'; import keras"
    outcome = said(home, "train --config quiet.yaml --backend tensorflow", before)
    assert outcome.code == 2
    assert outcome.err == "trader: --backend: Keras already runs on jax in this process, not on tensorflow\n"


@pytest.mark.parametrize("before", ["", "import jax; jax.numpy.zeros(1).block_until_ready()"])
def test_a_whole_training_on_jax_says_nothing_on_stderr(home: Path, before: str):
    """Also where JAX is at work already, so that the devices cannot be chosen any more."""
    outcome = said(home, "train --config quiet.yaml --backend jax", before)
    assert (outcome.code, outcome.err) == (0, "")
    assert "Run: " in outcome.out
    (run,) = (home / "runs" / "small").iterdir()
    assert [path.is_file() for path in sorted(run.glob("seed-*/policy.keras"))] == [True, True]
