"""A run is opened as it was trained: a config edited afterwards is refused, a renamed copy of its bars is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trader.config.load import load_experiment
from trader.data.prepare import prepare
from trader.errors import TraderError
from trader.runs.folder import RunFolder, find_run
from trader.runs.manifest import read_manifest, update_manifest
from trader.runs.opening import held_out, stored_experiment
from trader.runs.results import begin_backtest, discarded_on_failure, result_folders

NASDAQ = "data: {source: nasdaq}\n"


def test_an_edited_config_is_refused(run: RunFolder):
    (run.path / "config.yaml").write_text("seed: 1\n")
    with pytest.raises(TraderError, match="config.yaml: changed since training"):
        stored_experiment(run, read_manifest(run.path))


def test_what_a_resume_changed_stays_changed(run: RunFolder):
    (run.path / "config.yaml").write_text(NASDAQ + "seeds: 2\n")
    update_manifest(run.path, {"status": "interrupted", "overrides": ["seeds=3"]})
    assert stored_experiment(run, read_manifest(run.path)).seeds == 3
    assert stored_experiment(run, read_manifest(run.path), ["seeds=4"]).seeds == 4


def test_a_run_named_by_a_dot_has_its_own_label(run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(run.path)
    assert find_run(".", Path("runs")).label == run.label


def test_a_name_too_long_for_the_system_is_told(tmp_path: Path):
    with pytest.raises(TraderError, match="File name too long"):
        find_run("x" * 300, tmp_path)


def test_a_report_that_cannot_be_finished_leaves_nothing(run: RunFolder):
    part = begin_backtest(run)
    with pytest.raises(OSError, match="full"), discarded_on_failure(part):
        (part / "equity.csv").write_text("half")
        raise OSError("full")
    assert list((run.path / "backtests").iterdir()) == []
    assert result_folders(run) == []


def test_a_renamed_copy_of_the_bars_is_the_same_asset_in_the_ledger(tmp_path: Path):
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 200)))
    times = pd.date_range("2020-01-01", periods=200).strftime("%Y-%m-%d")
    table = pd.DataFrame({"date": times, "open": close, "high": close, "low": close, "close": close, "volume": 1})
    digests = []
    for name in ("one", "two"):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        config = tmp_path / f"{name}.yaml"
        features = "features: [{name: log_return}]\nenv: {window_size: 4}\n"
        config.write_text(f"data: {{source: csv, path: {name}.csv}}\n{features}")
        experiment = load_experiment(config)
        prepared = prepare(experiment, tmp_path)
        digests.append(held_out(experiment, prepared, prepared.segments["test"]).assets)
    assert set(digests[0]) == {"one"}
    assert digests[0]["one"] == digests[1]["two"]
