"""The commands of the benchmarks run to their end on a small job and count what they say they count."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def measured(script: str, *options: str) -> dict:
    words = [sys.executable, str(BENCHMARKS / script), "--json", "--rounds", "1", *options]
    words += ["--backend", os.environ["KERAS_BACKEND"]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_the_backtest_benchmark_accounts_for_all_of_its_time():
    size = {"assets": 2, "years": 1, "seeds": 2, "steps": 200}
    found = measured("backtest.py", *(word for key, value in size.items() for word in (f"--{key}", str(value))))
    assert found["strategies"] == 2 + 4 + 2  # seeds, rules, random for each seed
    assert found["strategy_bars"] == found["agent_bars"] / 2 * found["strategies"]
    assert found["agent_bars"] == 2 * 2 * 260  # 2005 has 260 weekdays from January 3 to December 30
    assert sum(found["phase_s"].values()) == pytest.approx(found["after_imports_s"])
    phases = ("data preparation", "first greedy pass, compiled", "other greedy passes", "ledgers", "report.html")
    assert all(found["phase_s"][phase] > 0 for phase in phases)
    assert found["bars_per_s"]["ledgers"] == pytest.approx(found["strategy_bars"] / found["phase_s"]["ledgers"])


def test_the_startup_benchmark_splits_the_time_to_the_first_update():
    found = measured("startup.py")
    assert sum(found["phase_s"].values()) == pytest.approx(found["to_first_update_s"])
    assert min(found["phase_s"].values()) > 0
    assert found["next_seed_s"] >= 0
