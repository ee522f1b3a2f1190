"""`trader bench`, run for real on a tiny experiment."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Trader
from tests.cli.test_mistakes import write

TINY = """
data: {source: synthetic, market: {kind: ar1}, length: 400}
features: [{name: log_return, periods: [1]}]
env: {window_size: 2, max_episode_duration: 10}
agent: {name: a2c, network: {net_arch: [3]}}
train: {n_envs: 4}
"""


@pytest.fixture(autouse=True)
def small_products(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("trader.bench.roof.CPU_SIZE", 64)
    monkeypatch.setattr("trader.bench.roof.GPU_SIZE", 64)


def test_an_experiment_is_measured_and_leaves_nothing_behind(trader: Trader, tmp_path: Path):
    config = write(tmp_path / "tiny.yaml", TINY)
    outcome = trader("bench", "--config", config, "--seconds", "0.01", "--seeds", "1,2")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert any(line.split()[:3] == ["a2c", "4", "3"] for line in lines)
    assert any(line.startswith("Roof: ") for line in lines)
    assert any(line.startswith("Backtest: ") for line in lines)
    assert [path.name for path in tmp_path.iterdir() if path.name != "trials.jsonl"] == ["tiny.yaml"]
    assert not (tmp_path / "ledger.jsonl").exists()


def test_json_is_all_that_stdout_holds(trader: Trader, tmp_path: Path):
    config = write(tmp_path / "tiny.yaml", TINY)
    outcome = trader("bench", "--config", config, "--n-envs", "2", "--seconds", "0.01", "--seeds", "2", "--json")
    content = json.loads(outcome.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert content["training"][0]["n_envs"] == 2
    assert [cost["seeds"] for cost in content["seeds"]["costs"]] == [1, 2]
    assert content["machine"]["versions"]["keras"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--seeds 1,x", 'trader: --seeds: must be whole numbers of 1 to 1024, such as 1,2,4,8; received "1,x"'),
        ("--seeds 0", "trader: --seeds: must be whole numbers of 1 to 1024"),
        ("--agent dqm", "trader bench: invalid value for '--agent': 'dqm' is not one of 'a2c', 'dqn', 'reinforce'"),
        (
            "--n-envs 0",
            "trader bench: invalid value for '--n-envs': Input should be greater than or equal to 1",
        ),
        ("--seconds soon", "trader bench: invalid value for '--seconds': "),
        ("--config x.yaml --agent dqn", "trader bench: --agent belongs to the standard workload"),
        ("--config nowhere.yaml", "trader: nowhere.yaml: no such file"),
        ("--backend tensorflo", 'trader: --backend: unknown value "tensorflo"; did you mean "tensorflow"?'),
    ],
)
def test_a_wrong_wish_is_told_in_one_line(trader: Trader, words: str, says: str):
    outcome = trader("bench", *words.split())
    assert outcome.code == 2
    assert outcome.err.startswith(says)
    assert outcome.err.count("\n") == 1
