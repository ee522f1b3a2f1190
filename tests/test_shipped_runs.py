"""Every shipped config trains, is evaluated and backtested; the user's files are stood in for by generated ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trader.cli.main import run
from trader.config import SyntheticSource
from trader.data.synthetic import generate

CONFIGS = Path(__file__).parents[1] / "configs"
SHORT = ["train.total_timesteps=3000", "train.eval_freq=1500", "train.save_freq=1500"]
OWN = {
    "dqn": ["agent.learning_starts=500", "agent.buffer_size=2000"],
    "a2c": [],
    "reinforce": ["env.max_episode_duration=20"],
}


def price_file(path: Path, seed: int) -> None:
    source = {"source": "synthetic", "market": {"kind": "gbm"}, "length": 3000, "seed": seed, "bar": "1h"}
    frame = generate(SyntheticSource.model_validate_json(json.dumps(source))).frame
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.rename_axis("date").to_csv(path)


def newest_first(path: Path) -> None:
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *reversed(rows)]) + "\n", encoding="utf-8")


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.yaml")))
def test_shipped_config_trains_evaluates_and_backtests(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / f"{name}.yaml"
    config.write_text((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    for number in range(3):
        price_file(tmp_path / "prices" / f"asset{number}.csv", number)
    price_file(tmp_path / "BTC_USD-Hourly.csv", 9)
    newest_first(tmp_path / "BTC_USD-Hourly.csv")
    agent = name.rpartition("-")[2] if name.rpartition("-")[2] in OWN else "dqn"
    settings = [part for value in [*SHORT, *OWN[agent]] for part in ("--set", value)]
    runs = ["--runs-dir", str(tmp_path / "runs")]

    assert run(["train", "--config", str(config), "--seeds", "1", *settings, *runs]) == 0
    assert run(["evaluate", name, *runs]) == 0
    assert run(["backtest", name, "--json", *runs]) == 0

    said = capfd.readouterr()
    assert said.err == ""
    report = json.loads(said.out[said.out.index("\n{\n") :])
    assert report["strategies"]["buy_and_hold"]["total_return"]["per_seed"][0] is not None
    assert ("oracle" in report["strategies"]) == (name == "known-optimum")
    assert not [warning for warning in report["warnings"] if "differ by up to" in warning]
