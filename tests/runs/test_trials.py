import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trader.errors import TraderError
from trader.runs.folder import create_run
from trader.runs.trials import (
    HeldOut,
    count_looks,
    count_trials,
    ledger_path,
    matching_trials,
    read_ledger,
    record_look,
    record_run_ended,
    record_run_started,
)

HELD_OUT = HeldOut({"nasdaq": "aa" * 32}, "2014-01-01", "2018-12-31")
WRITER = """
import sys
from trader.runs.trials import HeldOut, record_run_started
dates = HeldOut({"nasdaq": "aa"}, "2014-01-01", "2018-12-31")
for k in range(40):
    record_run_started(f"{sys.argv[1]}/{k}", dates, "c" * 64, resumed=False)
"""


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRADER_LEDGER", str(tmp_path / "state" / "ledger.jsonl"))
    return tmp_path / "state" / "ledger.jsonl"


def start(run: str, dates: HeldOut = HELD_OUT, resumed: bool = False) -> None:
    record_run_started(run, dates, "c" * 64, resumed)


def test_three_runs_a_crash_and_a_kill_are_five_trials_and_deleting_runs_changes_nothing(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for status in ("finished", "finished", "finished", "failed", None):
        run = create_run(runs, "first", "", {})
        start(run.label)
        if status:
            record_run_ended(run.label, status, {"valid_sharpe": 0.05} if status == "finished" else {})
    assert count_trials(HELD_OUT) == 5
    shutil.rmtree(runs)
    assert count_trials(HELD_OUT) == 5
    trials = matching_trials(HELD_OUT)
    assert [trial.status for trial in trials] == ["finished", "finished", "finished", "failed", None]
    assert [trial.outcome.get("valid_sharpe") for trial in trials] == [0.05, 0.05, 0.05, None, None]


def test_resumes_and_synthetic_markets_are_recorded_and_not_counted() -> None:
    start("a/1")
    start("a/1", resumed=True)
    start("a/2", HeldOut({"nasdaq": "aa" * 32}, "2014-01-01", "2018-12-31", synthetic=True))
    assert count_trials(HELD_OUT) == 1
    assert len(read_ledger()) == 3


@pytest.mark.parametrize(
    ("assets", "first", "last", "counted"),
    [
        ({"nasdaq": "bb"}, "2014-01-01", "2018-12-31", True),  # the file was downloaded anew
        ({"copy": "aa" * 32}, "2014-01-01", "2018-12-31", True),  # the same bars under another name
        ({"NASDAQ": "bb", "x": "cc"}, "2014-01-01", "2018-12-31", True),
        ({"sp500": "bb"}, "2014-01-01", "2018-12-31", False),
        ({"nasdaq": "aa" * 32}, "2018-12-31T15:00:00Z", "2019-06-30", True),  # the whole last day counts
        ({"nasdaq": "aa" * 32}, "2019-01-01", "2019-06-30", False),
        ({"nasdaq": "aa" * 32}, "2010-01-01", "2013-12-31", False),
        ({"nasdaq": "aa" * 32}, "2010-01-01", "2013-12-31T19:00:00-05:00", True),  # 2014 in UTC
        ({"nasdaq": "aa" * 32}, "2010-01-01", "2013-12-31T18:59:59-05:00", False),
    ],
)
def test_a_trial_shares_an_asset_and_a_test_date(assets: dict, first: str, last: str, counted: bool) -> None:
    start("a/1", HeldOut(assets, first, last))
    assert count_trials(HELD_OUT) == counted
    record_look("a/1", HeldOut(assets, first, last), "trader backtest a")
    assert count_looks(HELD_OUT) == counted


def test_every_look_counts() -> None:
    assert count_looks(HELD_OUT) == 0
    for look in range(3):
        record_look("a/1", HELD_OUT, f"trader backtest {look}")
    assert count_looks(HELD_OUT) == 3
    assert count_trials(HELD_OUT) == 0


def test_a_torn_last_line_costs_that_line_only(ledger: Path) -> None:
    start("a/1")
    with ledger.open("ab") as file:
        file.write(b'{"event": "run_started", "run": "a/2", "ass')
    assert count_trials(HELD_OUT) == 1
    start("a/3")
    assert [trial.run for trial in matching_trials(HELD_OUT)] == ["a/1", "a/3"]


def test_many_processes_lose_no_line(ledger: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(k)]) for k in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    lines = ledger.read_bytes().splitlines()
    assert len(lines) == 160
    assert len({json.loads(line)["run"] for line in lines}) == 160


def test_the_ledger_lies_in_the_state_folder_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ledger_path() == tmp_path / "state" / "ledger.jsonl"
    monkeypatch.delenv("TRADER_LEDGER")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert ledger_path() == Path("/var/state/trader/ledger.jsonl")
    for unusable in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", unusable)
        monkeypatch.setenv("HOME", "/home/ada")
        assert ledger_path() == Path("/home/ada/.local/state/trader/ledger.jsonl")


def test_a_ledger_that_cannot_be_written_is_one_line_that_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, read_only: Path
) -> None:
    monkeypatch.setenv("TRADER_LEDGER", str(read_only / "ledger.jsonl"))
    with pytest.raises(TraderError, match=r"Permission denied.*TRADER_LEDGER") as caught:
        start("a/1")
    assert len(str(caught.value).splitlines()) == 1
    assert os.listdir(read_only) == []
