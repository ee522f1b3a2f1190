"""The record, as JSON and as people read it; no figure's size is tested."""

import json
from pathlib import Path

import pytest

from trader import backend
from trader.bench import words
from trader.bench.machine import cpu_model, this_machine
from trader.bench.roof import Roof
from trader.bench.suite import Figures, Plan, figures_json, run_suite
from trader.bench.workload import open_workload
from trader.config import Experiment
from trader.evaluation.results import Undefined


def experiment(agent: dict[str, object]) -> Experiment:
    return Experiment.model_validate(
        {
            "data": {"source": "synthetic", "market": {"kind": "ar1"}, "length": 400},
            "features": [{"name": "log_return", "periods": [1]}],
            "env": {"window_size": 2, "max_episode_duration": 10},
            "agent": {"network": {"net_arch": [3]}, **agent},
            "train": {"n_envs": 4},
        }
    )


@pytest.fixture(scope="module")
def measured() -> tuple[Figures, list[str]]:
    patch, said = pytest.MonkeyPatch(), []
    patch.setattr("trader.bench.suite.measure_roof", lambda on_gpu: Roof(2048, 80.0, 100.0))
    dqn = {"name": "dqn", "train_freq": 4, "gradient_steps": 1, "learning_starts": 8, "buffer_size": 64}
    plan = Plan([experiment({"name": "a2c"}), experiment(dqn)], Path(), 0.01, (1, 2))
    figures = run_suite(plan, said.append)
    patch.undo()
    return figures, said


def test_every_part_is_measured_and_told(measured: tuple[Figures, list[str]]):
    figures, said = measured
    assert [(speed.agent, speed.n_envs) for speed in figures.training] == [("a2c", 4), ("dqn", 4)]
    assert all(speed.env_steps_per_s > 0 and speed.updates_per_s > 0 for speed in figures.training)
    assert [cost.seeds for cost in figures.seeds.costs] == [1, 2]
    assert figures.seeds.how == ("in one program" if backend.MAPS_SEEDS else "one after the other")
    assert figures.backtest.bars > 0
    assert [line.split(":")[0] for line in said] == [
        "roof",
        *["a2c, 4 environments"] * 2,
        *["dqn, 4 environments"] * 2,
        "seeds",
        "backtest",
    ]


def test_the_share_of_the_roof_is_operations_a_second_over_the_better_product(measured: tuple[Figures, list[str]]):
    speed = measured[0].training[0]
    # 2·1 + 4 inputs, 3 units, 3 actions and a value: 18 + 12 = 30; 2·(4·30 − 18) = 204.
    assert speed.flops_per_env_step == 204.0
    assert speed.share_of_roof == pytest.approx(204.0 * speed.env_steps_per_s / 100e9)


def test_a_plain_dqn_updates_once_an_iteration_of_four_steps(measured: tuple[Figures, list[str]]):
    speed = measured[0].training[1]
    assert speed.updates_per_s == pytest.approx(speed.env_steps_per_s / 4)


def test_the_json_is_strict_and_says_why_a_figure_is_missing(measured: tuple[Figures, list[str]]):
    content = json.loads(json.dumps(figures_json(measured[0]), allow_nan=False))
    assert list(content) == ["date", "machine", "roof", "training", "seeds", "backtest"]
    assert content["roof"]["gflops"] == 100.0
    assert content["training"][0]["bytes_per_transition"] == {"value": None, "reason": "no replay"}
    assert content["training"][1]["bytes_per_transition"] > 0
    assert content["seeds"]["costs"][0]["relative"] == 1.0


def test_tables_have_a_cell_for_every_column(measured: tuple[Figures, list[str]]):
    figures = measured[0]
    for table in (words.training_table(figures), words.seeds_table(figures)):
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert "100 GFLOP/s" in words.roof_line(figures)
    assert words.machine_line(figures).count("\n") == 0


def test_a_missing_share_is_a_dash_in_the_table_and_a_line_below_it(measured: tuple[Figures, list[str]]):
    figures = measured[0]
    unknown = Undefined("no formula for layer memory (LSTM)")
    changed = figures._replace(training=(figures.training[0]._replace(share_of_roof=unknown),))
    assert words.undefined_lines(figures) == []
    assert words.undefined_lines(changed) == ["a2c: no share of the roof: no formula for layer memory (LSTM)"]
    assert "–" in words.training_table(changed).rows[0]


def test_a_late_start_of_learning_is_cut_short_and_nothing_else_changes():
    late = experiment({"name": "dqn", "learning_starts": 50_000, "train_freq": 4, "buffer_size": 64})
    workload = open_workload(late, Path())
    sooner = late.agent.model_copy(update={"learning_starts": 1_000})
    assert workload.experiment == late.model_copy(update={"agent": sooner})


def test_the_processor_is_named(tmp_path: Path):
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor\t: 0\nmodel name\t: Fast One 3000\nprocessor\t: 1\nmodel name\t: Fast One 3000\n")
    assert cpu_model(listed) == "Fast One 3000"
    assert cpu_model(tmp_path / "missing")
    assert this_machine().cores >= 1
