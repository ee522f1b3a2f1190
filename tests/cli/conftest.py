import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from trader.cli.main import run

SMALL_CONFIG = """
name: small
seeds: 2
data: {source: synthetic, market: {kind: ar1}, length: 800}
features: [{name: log_return, periods: [1]}]
env: {window_size: 4, max_episode_duration: 32}
agent: {name: dqn, learning_starts: 64, buffer_size: 512, network: {net_arch: [8]}}
train: {total_timesteps: 320, eval_freq: 160, save_freq: 160}
"""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Trader = Callable[..., Outcome]


@pytest.fixture
def trader(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trader:
    """Run one command line in this process, from an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TRADER_LEDGER", str(tmp_path / "ledger.jsonl"))

    def call(*words: str) -> Outcome:
        code = run(words)
        return Outcome(code, *capfd.readouterr())

    return call


@pytest.fixture
def python(tmp_path: Path) -> Callable[[str], Outcome]:
    """Run a Python program in a process of its own, from an empty working folder."""

    def call(program: str) -> Outcome:
        environment = {
            **os.environ,
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "TRADER_LEDGER": str(tmp_path / "ledger.jsonl"),
        }
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call
