"""Weights mean the same on TensorFlow and on JAX: greedy actions, evaluations, backtests; runs go on across them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.seed_runs import AGENTS, CONFIG

ROOT = Path(__file__).parents[1]
OTHER = {"tensorflow": "jax", "jax": "tensorflow"}
COMMANDS = """
import json, sys
from trader.cli.main import run
sys.exit(max(run(words) for words in json.loads(sys.argv[1])))
"""


def commanded(backend: str, folder: Path, *lines: str) -> str:
    """Run command lines in one process of a backend; return what they said."""
    words = [[*line.split(), "--runs-dir", str(folder / "runs"), "--backend", backend] for line in lines]
    environment = {**os.environ, "TRADER_LEDGER": str(folder / "ledger.jsonl"), "KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(words)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    return done.stdout


class Judged:
    """A run's copy, judged on one backend."""

    def __init__(self, run: Path) -> None:
        (backtest,) = (run / "backtests").iterdir()
        self.equity = pd.read_csv(backtest / "equity.csv")
        self.report: dict[str, Any] = json.loads((backtest / "report.json").read_text())
        self.evaluation: dict[str, Any] = json.loads((run / "evaluation.json").read_text())


def numbers_in(tree: Any, path: str = "") -> dict[str, float]:
    if isinstance(tree, dict):
        tree = list(tree.items())
    elif isinstance(tree, list):
        tree = list(enumerate(tree))
    else:
        return {path: float(tree)} if isinstance(tree, int | float) else {}
    return {key: value for name, part in tree for key, value in numbers_in(part, f"{path}/{name}").items()}


def copied(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "runs" / run.parent.name / run.name))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Judged]]:
    """By the backend of the training, then by that of the judging."""
    folders = {name: tmp_path_factory.mktemp(name) for name in OTHER}
    runs, found = {}, {name: {} for name in OTHER}
    for name, agent in (("tensorflow", "dqn"), ("jax", "a2c")):
        config = folders[name] / "config.yaml"
        config.write_text(CONFIG % (agent, 5, 2, name, AGENTS[agent], 8_000))
        settings = "--set train.eval_freq=4000 --set train.save_freq=4000"
        commanded(name, folders[name], f"train --config {config} {settings}")
        runs[name] = next((folders[name] / "runs" / agent).iterdir())
    for judge in OTHER:
        here = tmp_path_factory.mktemp(f"judged-on-{judge}")
        copies = {name: copied(run, here) for name, run in runs.items()}
        lines = [f"{command} {copy}" for copy in copies.values() for command in ("evaluate", "backtest")]
        commanded(judge, here, *lines)
        for name, copy in copies.items():
            found[name][judge] = Judged(copy)
    return found


@pytest.mark.parametrize("trained_on", OTHER)
def test_a_run_is_judged_alike_on_the_other_backend(judged: dict[str, dict[str, Judged]], trained_on: str):
    own, other = judged[trained_on][trained_on], judged[trained_on][OTHER[trained_on]]
    agent = {"tensorflow": "dqn", "jax": "a2c"}[trained_on]
    assert len(own.equity[own.equity["strategy"] == agent]["target"].unique()) > 1
    assert (own.equity["target"] == other.equity["target"]).all()
    np.testing.assert_allclose(own.equity["equity"], other.equity["equity"], rtol=1e-12)
    for one, two in ((own.report, other.report), (own.evaluation, other.evaluation)):
        ours, theirs = numbers_in(one), numbers_in(two)
        assert len(ours) > 10
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6)


def test_other_weights_are_judged_otherwise(judged: dict[str, dict[str, Judged]]):
    one, other = judged["tensorflow"]["tensorflow"].equity, judged["jax"]["tensorflow"].equity
    same = one["target"].to_numpy() == other["target"].to_numpy()
    assert same[one["strategy"] == "buy_and_hold"].all()
    assert one["strategy"].iloc[0] == "dqn"
    assert not same[one["strategy"] == "dqn"].all()


def actions(folder: Path, backend: str, seed: int) -> dict[str, np.ndarray]:
    target = folder / f"{backend}-{seed}.npz"
    command = [sys.executable, "-m", "tests.greedy_actions", str(target), str(seed)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "KERAS_BACKEND": backend}, check=True, capture_output=True)
    return dict(np.load(target))


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, np.ndarray]]:
    """By TensorFlow with weights 1, by JAX with the same, by JAX with weights 2."""
    folder = tmp_path_factory.mktemp("answers")
    return [actions(folder, *of) for of in (("tensorflow", 1), ("jax", 1), ("jax", 2))]


def disagreement(one: dict[str, np.ndarray], other: dict[str, np.ndarray], name: str) -> float:
    """Return the share of decisions that differ though the best two scores lie 1e-5 or more apart."""
    best = np.sort(one[f"{name}/scores"], axis=1)
    is_tie = best[:, -1] - best[:, -2] < 1e-5
    assert is_tie.mean() < 0.001
    return float((~is_tie & (one[f"{name}/action"] != other[f"{name}/action"])).mean())


def test_equal_weights_give_equal_greedy_actions_on_both_backends(answered: list[dict[str, np.ndarray]]):
    one, other, unlike = answered
    for name in ("a2c", "dqn", "reinforce"):
        np.testing.assert_allclose(one[f"{name}/scores"], other[f"{name}/scores"], rtol=1e-4, atol=1e-5)
        assert set(one[f"{name}/action"]) == {0, 1, 2, 3, 4}
        assert disagreement(one, other, name) <= 0.001
        assert disagreement(one, unlike, name) > 0.2


def test_equal_seeds_start_from_equal_weights_on_both_backends(answered: list[dict[str, np.ndarray]]):
    one, other, unlike = answered
    for name in ("a2c", "dqn", "reinforce"):
        assert one[f"{name}/first"].tobytes() == other[f"{name}/first"].tobytes()
        assert one[f"{name}/first"].tobytes() != unlike[f"{name}/first"].tobytes()


@pytest.mark.parametrize(("name", "other"), OTHER.items())
def test_a_run_of_two_seeds_goes_on_on_the_other_backend_when_told_that_it_is_not_exact(
    name: str, other: str, tmp_path: Path
):
    (tmp_path / "config.yaml").write_text(CONFIG % ("a2c", 5, 2, name, AGENTS["a2c"], 336))
    commanded(name, tmp_path, f"train --config {tmp_path}/config.yaml")
    run = next((tmp_path / "runs" / "a2c").iterdir())
    commanded(other, tmp_path, f"train --resume {run} --set train.total_timesteps=672 --inexact")
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert f"backend was '{name}', now '{other}'" in manifest["resumed"][-1]["inexact"]
    for seed in (0, 1):
        assert pd.read_csv(run / f"seed-{seed}" / "metrics.csv")["step"].tolist() == [168, 336, 504, 672]
