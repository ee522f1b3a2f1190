"""The core (backend, environments, agents, training) needs Keras, NumPy and one backend, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def bare(*modules: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.bare_core", *modules]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_agent_trains_and_plays_where_nothing_else_is_installed():
    done = bare()
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told) == {"a2c", "dqn", "reinforce"}
    for name, found in told.items():
        assert (found["step"], found["bars"]) == (120, 21), name
        assert 0 < found["moved"] < 1, name
        assert 0.5 < found["equity"] < 2, name


@pytest.mark.parametrize(
    "module", ["pandas", "scipy.stats", "rich", "tensorflow", "trader.config", "trader.evaluation"]
)
def test_a_core_that_imports_more_is_caught(module: str):
    done = bare(module)
    assert done.returncode == 1
    assert f"ModuleNotFoundError: refused: {module}" in done.stderr
