"""A run that is killed or stopped ends bit for bit as one that was left alone (P15–P18)."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import BACKEND

CONFIG = """
name: kill-me
seeds: 1
backend: %s
data: {source: synthetic, market: {kind: ar1}, length: 4000, seed: 3}
features: [{name: log_return, periods: [1, 3]}]
env: {window_size: 8, max_episode_duration: 50}
agent: %s
train: {total_timesteps: 40000, n_envs: 8, eval_freq: 4000, save_freq: 3000}
"""
AGENTS = {
    "dqn": "{name: dqn, buffer_size: 5000, learning_starts: 500, network: {kind: mlp, net_arch: [16]}}",
    "a2c": "{name: a2c, n_steps: 7, network: {kind: mlp, net_arch: [16]}}",
    "reinforce": "{name: reinforce, network: {kind: mlp, net_arch: [16]}}",
}


# Two in one program where the backend allows it.
SEEDS = (0, 1) if BACKEND == "jax" else (0,)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "trader", *arguments]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Devices as a user's machine has them; the tests' own flag makes more."""
    kept = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    return {**kept, "TRADER_LEDGER": str(folder / "ledger.jsonl"), **more}


def trained(folder: Path, agent: str, seeds: int = 1, **more: str) -> Path:
    """Run a training to its end and return its run folder."""
    folder.mkdir()
    (folder / "config.yaml").write_text((CONFIG % (BACKEND, AGENTS[agent])).replace("seeds: 1", f"seeds: {seeds}"))
    arguments = command("train", "--config", str(folder / "config.yaml"), "--runs-dir", str(folder / "runs"))
    subprocess.run(arguments, check=True, env=environment(folder, **more), cwd=folder, capture_output=True)
    return next((folder / "runs" / "kill-me").iterdir())


def final_state(run: Path, seed: int = 0) -> str:
    checkpoints = run / f"seed-{seed}" / "checkpoints"
    last = json.loads((checkpoints / "last.json").read_text())
    return hashlib.sha256((checkpoints / last["checkpoint"] / "state.npz").read_bytes()).hexdigest()


def rows(run: Path, seed: int = 0) -> list[dict[str, str]]:
    """Return metrics.csv without its two columns of clock time."""
    with (run / f"seed-{seed}" / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k not in ("wall_s", "steps_per_s")} for row in csv.DictReader(file)]


def stopped_midway(folder: Path, agent: str, how: signal.Signals) -> tuple[Path, int]:
    """Start a training, signal it once it has written a checkpoint, and return its run folder and exit status."""
    folder.mkdir()
    text = (CONFIG % (BACKEND, AGENTS[agent])).replace("save_freq: 3000", "save_freq: 1500")
    text = text.replace("seeds: 1", f"seeds: {len(SEEDS)}")
    (folder / "config.yaml").write_text(text)
    arguments = command("train", "--config", str(folder / "config.yaml"), "--runs-dir", str(folder / "runs"))
    process = subprocess.Popen(
        arguments, env=environment(folder), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while not list((folder / "runs").glob(f"kill-me/*/seed-{SEEDS[-1]}/checkpoints/step-*[0-9]/manifest.json")):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"no checkpoint came: {process.communicate()}")
        time.sleep(0.002)
    process.send_signal(how)
    process.communicate(timeout=60)
    return next((folder / "runs" / "kill-me").iterdir()), process.returncode


def resumed(folder: Path, run: Path) -> str:
    arguments = command("train", "--resume", str(run), "--runs-dir", str(folder / "runs"))
    subprocess.run(arguments, check=True, env=environment(folder), cwd=folder, capture_output=True)
    return (run / "log.txt").read_text()


@pytest.mark.parametrize(("agent", "how"), [("dqn", signal.SIGKILL), ("a2c", signal.SIGTERM)])
def test_a_stopped_run_resumes_to_the_bytes_of_an_uninterrupted_one(
    tmp_path: Path, agent: str, how: signal.Signals
) -> None:
    whole = trained(tmp_path / "whole", agent, len(SEEDS))
    run, status = stopped_midway(tmp_path / "stopped", agent, how)
    assert status == (130 if how == signal.SIGTERM else -how)
    assert json.loads((run / "manifest.json").read_text())["status"] in ("running", "interrupted")

    log = resumed(tmp_path / "stopped", run)
    said = [line for line in log.splitlines() if "resumes at step" in line]
    assert len({line.rsplit(" ", 1)[1] for line in said}) == 1
    assert len(said) == len(SEEDS)
    assert 0 < int(said[0].rsplit(" ", 1)[1]) < 40_000
    for seed in SEEDS:
        assert final_state(run, seed) == final_state(whole, seed)
        assert rows(run, seed) == rows(whole, seed)
        steps = [int(row["step"]) for row in rows(run, seed)]
        assert steps == sorted(set(steps))
        assert len(steps) == 10


def test_same_seed_gives_the_same_bytes_in_another_process_place_and_time_zone_and_two_seeds_differ(
    tmp_path: Path,
) -> None:
    own = {"JAX_ENABLE_COMPILATION_CACHE": "false"}  # each compiles by itself
    one = trained(tmp_path / "one", "reinforce", 2, PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C", **own)
    other = trained(tmp_path / "other", "reinforce", 2, PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="C.UTF-8", **own)
    for seed in (0, 1):
        assert final_state(one, seed) == final_state(other, seed)
        assert rows(one, seed) == rows(other, seed)
    assert final_state(one, 0) != final_state(one, 1)
    assert rows(one, 0) != rows(one, 1)
