"""Train, evaluate, backtest, report, resume: one small run, every command on it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL_CONFIG as CONFIG
from tests.cli.conftest import Trader
from trader.cli.main import run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a finished run of CONFIG, made by the command."""
    folder = tmp_path_factory.mktemp("whole_way")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADER_LEDGER", str(folder / "ledger.jsonl"))
        (folder / "small.yaml").write_text(CONFIG)
        words = ["train", "--config", f"{folder}/small.yaml", "--runs-dir", f"{folder}/runs", "--device", "cpu"]
        assert run(words) == 0
        yield folder


@pytest.fixture
def at_home(trader: Trader, home: Path, monkeypatch: pytest.MonkeyPatch) -> Trader:
    monkeypatch.chdir(home)
    monkeypatch.setenv("TRADER_LEDGER", str(home / "ledger.jsonl"))
    return trader


def test_a_finished_run_is_listed_and_whole(at_home: Trader):
    (record,) = json.loads(at_home("runs", "list", "--json").out)
    assert (record["status"], record["step"]) == ("finished", 320)
    assert at_home("runs", "verify", "small").code == 0


def test_evaluate_marks_one_best_checkpoint_a_seed(at_home: Trader):
    outcome = at_home("evaluate", "small", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    (found,) = json.loads(outcome.out)
    assert found["split"] == "valid"
    for seed in (0, 1):
        assert sum(score["best"] for score in found["checkpoints"] if score["seed"] == seed) == 1
    said = at_home("evaluate", "small").out
    assert "best" in said
    assert re.search(r"^small/\S+, valid dates: ([\d,]+) of \1 steps", said, re.MULTILINE)


def test_backtest_prints_the_table_and_report_finds_its_page(at_home: Trader):
    outcome = at_home("backtest", "small")
    assert (outcome.code, outcome.err) == (0, "")
    assert "oracle" in outcome.out
    assert re.search(r"^small/\S+, held-out dates: ([\d,]+) of \1 steps", outcome.out, re.MULTILINE)
    page = outcome.out.rstrip().splitlines()[-1]
    assert page.startswith("Report: ")
    assert Path(page.removeprefix("Report: ")).is_file()
    assert at_home("report", "small").out.strip() == page


def test_backtest_as_json_is_the_written_report(at_home: Trader):
    outcome = at_home("backtest", "small", "--json", "--checkpoint", "last", "--fee", "0.002")
    assert (outcome.code, outcome.err) == (0, "")
    written = sorted(Path("runs/small").glob("*/backtests/*/report.json"))[-1]
    assert json.loads(outcome.out) == json.loads(written.read_text())
    assert json.loads(outcome.out)["costs"]["trading_fees"] == 0.002


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("backtest small --checkpoint 77", "77"),
        ("backtest small --timerange 20300101-20310101", "2030-01-01"),
        ("backtest smal", 'did you mean "small"?'),
        ("train --resume small --set agent.gamma=0.5", "agent.gamma was 0.99, now 0.5"),
        ("train --resume small --set agent.gama=0.5", 'did you mean "gamma"?'),
    ],
)
def test_a_mistake_about_a_run_is_told_in_one_line(at_home: Trader, words: str, says: str):
    outcome = at_home(*words.split())
    assert outcome.code == 2
    assert says in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_window_longer_than_the_segment_is_told_before_a_run_exists(at_home: Trader):
    outcome = at_home("train", "--config", "small.yaml", "--set", "env.window_size=700", "--name", "never")
    assert outcome.code == 2
    assert "window" in outcome.err
    assert outcome.err.count("\n") == 1
    assert not Path("runs/never").exists()


def test_resuming_a_finished_run_changes_nothing(at_home: Trader):
    before = {path: path.read_bytes() for path in Path("runs").rglob("state.npz")}
    assert at_home("train", "--resume", "small").code == 0
    assert {path: path.read_bytes() for path in Path("runs").rglob("state.npz")} == before


def test_a_mistake_found_after_tensorflow_was_imported_is_still_one_line(home: Path):
    words = [sys.executable, "-m", "trader", "backtest", "small", "--checkpoint", "77"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}
    done = subprocess.run(words, capture_output=True, text=True, cwd=home, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("trader: ")
    assert done.stderr.count("\n") == 1


def test_other_prices_are_no_generated_market(at_home: Trader):
    assert at_home("data", "export", "--config", "small.yaml", "copy.csv").code == 0
    outcome = at_home("backtest", "small", "--data", "copy.csv", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    report = json.loads(outcome.out)
    assert "oracle" not in report["strategies"]
    assert report["looks"] == 1


def test_episodes_that_no_training_segment_can_hold_are_told_before_a_run_exists(at_home: Trader):
    agent = ("--set", "agent={name: reinforce}", "--set", "env.max_episode_duration=100000")
    outcome = at_home("train", "--config", "small.yaml", "--name", "never", *agent)
    assert outcome.code == 2
    assert "env.max_episode_duration: 100000 bars, but the training segment has" in outcome.err
    assert not Path("runs/never").exists()


def test_a_backtest_of_a_part_of_the_seeds_says_so(at_home: Trader, tmp_path: Path):
    copy = Path(
        shutil.copytree(next(Path("runs/small").iterdir()), tmp_path / "runs" / "part" / "20240101T000000Z-0000")
    )
    shutil.rmtree(copy / "seed-1")
    outcome = at_home("backtest", str(copy))
    assert (outcome.code, outcome.err) == (0, "")
    assert "Warning: only 1 of 2 seeds were trained so far: finish the run" in outcome.out


def test_a_refused_backtest_is_no_look_and_leaves_no_folder(at_home: Trader, home: Path, tmp_path: Path):
    copy = Path(
        shutil.copytree(next(Path("runs/small").iterdir()), tmp_path / "runs" / "bad" / "20240101T000000Z-0000")
    )
    shutil.rmtree(copy / "backtests", ignore_errors=True)
    state = next((copy / "seed-0" / "checkpoints").glob("step-*320/state.npz"))
    state.write_bytes(state.read_bytes()[:-1])
    ledger = (home / "ledger.jsonl").read_bytes()
    outcome = at_home("backtest", str(copy), "--checkpoint", "last")
    assert outcome.code == 2
    assert "state.npz: damaged" in outcome.err
    assert (home / "ledger.jsonl").read_bytes() == ledger
    assert not (copy / "backtests").exists()
