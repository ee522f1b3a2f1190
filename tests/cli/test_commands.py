"""Commands that need no agent, run for real."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Trader
from tests.cli.test_mistakes import NASDAQ, prices, write
from trader.cli.console import Console, print_records, print_table, progress_words
from trader.cli.train import _overrides
from trader.config.load import load_experiment, parse_experiment
from trader.runs.checkpoints import write_checkpoint
from trader.runs.folder import create_run
from trader.runs.manifest import update_manifest
from trader.runs.pointers import point_to


def test_a_new_config_loads_and_is_never_overwritten(trader: Trader, tmp_path: Path):
    assert trader("config", "init", "mine.yaml").code == 0
    assert load_experiment(tmp_path / "mine.yaml").name == "mine"
    assert trader("config", "init", "mine.yaml") == (
        2,
        "",
        "trader: mine.yaml: exists already and is not overwritten; name another file\n",
    )


def test_the_shown_config_is_the_resolved_one(trader: Trader, tmp_path: Path):
    path = write(tmp_path / "mine.yaml", NASDAQ)
    outcome = trader("config", "show", path, "--set", "agent.gamma=0.5")
    assert parse_experiment(outcome.out, "shown") == load_experiment(Path(path), ["agent.gamma=0.5"])


def test_the_schema_is_json_and_names_every_section(trader: Trader):
    schema = json.loads(trader("config", "schema").out)
    assert {"data", "env", "agent", "train"} <= set(schema["properties"])


def test_a_clean_file_passes_the_check(trader: Trader, tmp_path: Path):
    outcome = trader("data", "check", prices(tmp_path / "clean.csv"))
    assert (outcome.code, outcome.err) == (0, "")


def test_a_faulty_file_fails_the_check_with_3_and_names_the_row(trader: Trader, tmp_path: Path):
    path = prices(tmp_path / "bad.csv", num_days=9)
    with (tmp_path / "bad.csv").open("a") as file:
        file.write("2020-01-10,110,112,109,-1,1000\n")
    outcome = trader("data", "check", path, "--json")
    assert outcome.code == 3
    assert outcome.err.startswith("trader data check: ")
    assert outcome.err.count("\n") == 1
    assert any(finding["row"] == 11 and finding["severity"] == "error" for finding in json.loads(outcome.out))
    assert "bad.csv" in trader("data", "check", path).out


def test_exported_bars_are_described_by_the_same_fingerprint(trader: Trader, tmp_path: Path):
    path = write(tmp_path / "mine.yaml", "data: {source: synthetic, market: {kind: ar1}, length: 2000}")
    assert trader("data", "export", "--config", path, "synthetic.csv").code == 0
    copy = write(tmp_path / "copy.yaml", "data: {source: csv, path: synthetic.csv, repairs: {zero_volume: accept}}")
    described = [json.loads(trader("data", "describe", "--config", each, "--json").out) for each in (path, copy)]
    assert described[0]["segments"][0]["decisions"] == described[1]["segments"][0]["decisions"]
    assert "decisions" in trader("data", "describe", "--config", path).out


def test_runs_are_listed_shown_and_verified(trader: Trader, tmp_path: Path):
    run = create_run(tmp_path / "runs", "mine", NASDAQ, {"command": "trader train --config mine.yaml"})
    update_manifest(run.path, {"status": "finished", "ended": "2024-01-31T10:15:00.123456Z"})
    lines = trader("runs", "list").out.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["run", "status", "step", "ended", "(UTC)"],
        [run.label, "finished", "2024-01-31", "10:15:00"],
    ]
    assert max(map(len, lines)) <= 80
    assert [record["run"] for record in json.loads(trader("runs", "list", "mine", "--json").out)] == [run.label]
    assert trader("runs", "list", "other").out == "No runs of the name other in runs\n"
    assert "trader train --config mine.yaml" in trader("runs", "show", "mine").out
    assert json.loads(trader("runs", "show", "mine", "--json").out)["run"] == run.label


def test_a_changed_file_fails_verify_with_3(trader: Trader, tmp_path: Path):
    run = create_run(tmp_path / "runs", "mine", NASDAQ, {"command": "trader train"})
    update_manifest(run.path, {"status": "finished"})
    assert trader("runs", "verify", "mine").code == 0
    run.config.write_text(NASDAQ + "seed: 5\n")
    outcome = trader("runs", "verify", "mine")
    assert outcome.code == 3
    assert "config.yaml" in outcome.out
    assert outcome.err.count("\n") == 1


def test_prune_removes_old_checkpoints_and_says_which(trader: Trader, tmp_path: Path):
    run = create_run(tmp_path / "runs", "mine", NASDAQ, {"command": "trader train"})
    for step in (100, 200, 300):
        write_checkpoint(run.checkpoints(0), step, {"x": np.arange(step)}, {})
    point_to(run.checkpoints(0), "best", 100, {})
    update_manifest(run.path, {"status": "finished"})
    assert trader("runs", "prune", "mine", "--keep", "2").out == f"{run.label}: nothing to remove\n"
    gone = "seed-0/checkpoints/step-000000200"
    assert json.loads(trader("runs", "prune", "mine", "--json").out) == {"run": run.label, "removed": [gone]}
    assert trader("runs", "verify", "mine").code == 0
    write_checkpoint(run.checkpoints(0), 400, {"x": np.arange(4)}, {})
    assert trader("runs", "prune", "mine").out == "Removed seed-0/checkpoints/step-000000300\n"
    outcome = trader("runs", "prune", "mine", "--keep", "0")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1


def test_an_option_becomes_an_override_that_keeps_text_text():
    named: dict[str, int | str | None] = {"seed": 3, "seeds": None, "name": "1e3", "backend": None}
    experiment = parse_experiment(NASDAQ, "f", _overrides(named))
    assert (experiment.seed, experiment.seeds, experiment.name) == (3, 5, "1e3")


def test_progress_is_plain_lines_when_stdout_is_no_terminal(capfd: pytest.CaptureFixture[str]):
    console = Console()
    console.begin("seed 0", 100)
    console.update(50, {})
    console.update(100, {"valid/log_growth": 0.0125})
    console.end()
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 1  # the first update came too soon after the beginning
    assert lines[0].startswith("seed 0: 100 of 100 steps, ")
    assert lines[0].endswith("valid/log_growth 0.0125")


def test_a_table_is_one_line_a_row_when_stdout_is_no_terminal(capfd: pytest.CaptureFixture[str]):
    print_table("Things", ["name", "what"], [["a", "x" * 300], ["bcdefg", "two\nlines"]])
    assert capfd.readouterr().out.splitlines() == [
        "Things",
        "name    what",
        "a       " + "x" * 300,
        "bcdefg  two lines",
    ]


def test_records_show_every_key_and_short_numbers(capfd: pytest.CaptureFixture[str]):
    print_records("Repairs", [{"asset": "a", "factor": 0.123456789}, {"asset": "b", "count": 1234567}])
    assert [line.split() for line in capfd.readouterr().out.splitlines()] == [
        ["Repairs"],
        ["asset", "factor", "count"],
        ["a", "0.123457"],
        ["b", "1234567"],
    ]
    print_records("Findings", [])
    assert capfd.readouterr().out == ""


def test_progress_is_silent_when_stdout_is_for_json(capfd: pytest.CaptureFixture[str]):
    console = Console(silent=True)
    console.begin("seed 0", 1)
    console.update(1, {})
    console.line("a sentence")
    console.end()
    assert capfd.readouterr().out == ""


def test_speed_and_time_left_are_told_once_known():
    assert progress_words(1_000, 3_000, 2.0, {}) == "500 steps/s, 6 s left"
    assert progress_words(0, 3_000, 0.0, {}) == ""
