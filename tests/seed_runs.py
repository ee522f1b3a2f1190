"""Small runs made by the command in this process, and what their files hold."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np

from tests.conftest import BACKEND
from trader.cli.main import run
from trader.runs.checkpoints import read_checkpoint

CONFIG = """
name: %s
seed: %d
seeds: %d
backend: %s
data: {source: synthetic, market: {kind: ar1}, length: 1500, seed: 3}
features: [{name: log_return, periods: [1, 3]}]
env: {window_size: 8, max_episode_duration: 20}
agent: %s
train: {total_timesteps: %d, n_envs: 8, eval_freq: 160, save_freq: 160}
"""
AGENTS = {
    "dqn": "{name: dqn, buffer_size: 300, learning_starts: 80, network: {kind: mlp, net_arch: [16]}}",
    "a2c": "{name: a2c, n_steps: 7, network: {kind: mlp, net_arch: [16]}}",
    "reinforce": "{name: reinforce, network: {kind: mlp, net_arch: [16]}}",
}
STEPS = {"dqn": 320, "a2c": 336, "reinforce": 320}
CLOCK = ("wall_s", "steps_per_s")


def trained(folder: Path, agent: str, seed: int, seeds: int, *settings: str) -> Path:
    """Train to the end by the command, under settings such as `train.save_freq=100`, and return the run's folder."""
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG % (agent, seed, seeds, BACKEND, AGENTS[agent], STEPS[agent]))
    options = [part for setting in settings for part in ("--set", setting)]
    assert run(["train", "--config", f"{folder}/config.yaml", "--runs-dir", f"{folder}/runs", *options]) == 0
    return next((folder / "runs" / agent).iterdir())


def pointed(run_folder: Path, seed: int, which: str = "last") -> Path:
    folder = run_folder / f"seed-{seed}" / "checkpoints"
    return folder / json.loads((folder / f"{which}.json").read_text())["checkpoint"]


def last_value(run_folder: Path, seed: int) -> dict[str, np.ndarray]:
    return read_checkpoint(pointed(run_folder, seed))[0]


def rows(run_folder: Path, seed: int) -> list[dict[str, float]]:
    """Return metrics.csv without its clock; empty cells are NaN."""
    with (run_folder / f"seed-{seed}" / "metrics.csv").open() as file:
        return [{k: float(v or "nan") for k, v in row.items() if k not in CLOCK} for row in csv.DictReader(file)]


def text_of(run_folder: Path, seed: int) -> list[dict[str, str]]:
    with (run_folder / f"seed-{seed}" / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k not in CLOCK} for row in csv.DictReader(file)]


def bytes_of(run_folder: Path, seed: int) -> dict[str, str]:
    """Return the sha256 of every checkpoint's arrays by its step."""
    states = sorted((run_folder / f"seed-{seed}" / "checkpoints").glob("step-*/state.npz"))
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in states}
