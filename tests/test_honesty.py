"""What a run may look at and what judging it may change (P5, P21, P26), through the commands a user types."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import BACKEND
from trader.cli.main import run
from trader.config import SyntheticSource
from trader.data.synthetic import generate

CONFIG = f"""
name: honest
backend: {BACKEND}
seeds: 1
data: {{source: csv, path: prices.csv}}
features: [{{name: log_return, periods: [1, 5]}}, {{name: volatility, period: 10}}]
env: {{window_size: 8, max_episode_duration: 50}}
agent: {{name: a2c, network: {{kind: mlp, net_arch: [8]}}}}
train: {{total_timesteps: 4000, n_envs: 8, eval_freq: 1000, save_freq: 2000}}
"""


def bars(length: int = 1200) -> pd.DataFrame:
    source = {"source": "synthetic", "market": {"kind": "gbm"}, "length": length, "seed": 5, "bar": "1d"}
    return generate(SyntheticSource.model_validate_json(json.dumps(source))).frame.rename_axis("date")


def with_other_test_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Replace every bar of the last fifth, the test segment, by other prices."""
    changed, first = frame.copy(), int(0.8 * len(frame))
    factor = np.exp(np.random.default_rng(0).normal(0, 0.03, len(frame) - first).cumsum())
    changed.iloc[first:, :4] = changed.iloc[first:, :4].mul(factor, axis=0)
    return changed


def trained(folder: Path, frame: pd.DataFrame) -> Path:
    folder.mkdir()
    frame.to_csv(folder / "prices.csv")
    (folder / "config.yaml").write_text(CONFIG)
    assert run(["train", "--config", str(folder / "config.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    return next((folder / "runs" / "honest").iterdir())


def digests(run_folder: Path, pattern: str) -> dict[str, str]:
    files = sorted(path for path in run_folder.glob(pattern) if path.is_file())
    return {str(path.relative_to(run_folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "one"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADER_LEDGER", str(folder.parent / "ledger.jsonl"))
        return trained(folder, bars())


def test_other_test_rows_change_no_weight_no_scaler_and_no_choice(finished: Path, tmp_path: Path) -> None:
    other = trained(tmp_path / "other", with_other_test_rows(bars()))
    one, two = (json.loads((path / "manifest.json").read_text()) for path in (finished, other))
    assert one["data_sha256"] != two["data_sha256"]
    assert one["scaler"] == two["scaler"]
    assert one["return_deviation"] == two["return_deviation"]
    states = digests(finished, "seed-0/checkpoints/**/*")
    assert len(states) >= 6
    assert digests(other, "seed-0/checkpoints/**/*") == states


def test_judging_changes_nothing_but_its_own_new_files(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = ["--runs-dir", str(finished.parents[1])]
    before = digests(finished, "**/*")
    reports = []
    for _ in range(2):
        assert run(["evaluate", str(finished), *runs]) == 0
        assert run(["backtest", str(finished), "--json", *runs]) == 0
        reports.append(capsys.readouterr().out)
    after = digests(finished, "**/*")
    assert {name: after[name] for name in before} == before
    new = {name.split("/")[0] for name in after.keys() - before.keys()}
    assert new == {"evaluation.json", "backtests"}
    one, two = (json.loads(text[text.index("\n{\n") :]) for text in reports)
    for report in (one, two):
        del report["looks"], report["warnings"]
    assert one == two


def test_a_second_look_at_the_same_dates_is_counted_and_said(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["--runs-dir", str(finished.parents[1])]
    assert run(["backtest", str(finished), *runs]) == 0
    assert "Look 1 at these dates" in capsys.readouterr().out
    assert run(["backtest", str(finished), *runs]) == 0
    assert "look 2 at these held-out dates" in " ".join(capsys.readouterr().out.split())


def test_changed_prices_are_refused_unless_named(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, prices = ["--runs-dir", str(finished.parents[1])], finished.parents[2] / "prices.csv"
    kept = prices.read_bytes()
    try:
        frame = bars()
        frame.iloc[-1, 3] = frame.iloc[-1, 2]  # the last close, down to the low
        frame.to_csv(prices)
        for command in ("evaluate", "backtest"):
            assert run([command, str(finished), *runs]) == 2
            said = capsys.readouterr().err
            assert said.count("\n") == 1
            assert "--data" in said
        other = prices.with_name("other.csv")
        bars(700).to_csv(other)
        assert run(["backtest", str(finished), "--data", str(other), *runs]) == 0
    finally:
        prices.write_bytes(kept)


def test_a_timerange_inside_training_is_said_to_be_in_sample(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["--runs-dir", str(finished.parents[1])]
    assert run(["backtest", str(finished), "--timerange", "20001001-20010301", *runs]) == 0
    assert "not out of sample" in " ".join(capsys.readouterr().out.split())


def test_a_resumed_run_refuses_a_key_that_matters(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = ["--runs-dir", str(finished.parents[1])]
    assert run(["train", "--resume", str(finished), "--set", "agent.gamma=0.5", *runs]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "agent.gamma was 0.99, now 0.5" in said


def test_a_resumed_run_refuses_other_prices_and_other_versions(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resume = ["train", "--resume", str(finished), "--runs-dir", str(finished.parents[1])]
    assert run(resume) == 0
    with monkeypatch.context() as patch:
        patch.setattr("trader.runs.execute.package_versions", lambda: {"numpy": "0.1"})
        assert run(resume) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"numpy was {np.__version__}, now 0.1" in said

    prices = finished.parents[2] / "prices.csv"
    kept = prices.read_bytes()
    try:
        with_other_test_rows(bars()).to_csv(prices)
        assert run(resume) == 2
    finally:
        prices.write_bytes(kept)
    assert "the prices changed (--inexact goes on all the same)" in capsys.readouterr().err


@pytest.mark.parametrize(("steps", "ends"), [(6000, [1000, 2000, 3000, 4000, 5000, 6000]), (1500, [1000, 2000])])
def test_an_inexact_resume_is_recorded_and_ends_at_the_new_length(
    finished: Path, tmp_path: Path, steps: int, ends: list[int]
) -> None:
    copy = tmp_path / "runs" / "honest" / finished.name
    shutil.copytree(finished, copy)
    if steps < 4000:  # as if the run had been stopped after its second checkpoint
        for path in copy.glob("seed-0/checkpoints/step-00000[34]*"):
            shutil.rmtree(path)
        (copy / "seed-0" / "checkpoints" / "best.json").unlink()
        (copy / "seed-0" / "checkpoints" / "last.json").unlink()
    changed = f"train.total_timesteps={steps}"
    assert run(["train", "--resume", str(copy), "--set", changed, "--inexact", "--runs-dir", str(tmp_path)]) == 0
    manifest = json.loads((copy / "manifest.json").read_text())
    assert manifest["resumed"][-1]["inexact"] == [f"train.total_timesteps was 4000, now {steps}"]
    assert manifest["status"] == "finished"
    assert pd.read_csv(copy / "seed-0" / "metrics.csv")["step"].tolist() == ends
