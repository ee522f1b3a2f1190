"""On a market with a known optimum every agent earns at least 90 % of it, with each of three fixed seeds."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trader.baselines.oracle import law_of, oracle_targets, solve
from trader.config import Experiment
from trader.data.prepare import Prepared, prepare, prepare_range
from trader.evaluation.backtest import Stage, agent_targets, ledgers_of
from trader.lanes import Trainer, build_trainer
from trader.rollout import greedy_pass
from trader.runs.judge import ALL_DATES
from trader.runs.opening import new_agent, training_task
from trader.training import Plan, start, to_device, train

FRESH_BARS = 50_000
NETWORK = {"kind": "mlp", "net_arch": [32], "activation": "tanh"}
AGENTS: dict[str, dict[str, Any]] = {
    "dqn": {
        "learning_rate": 3e-4,
        "gamma": 0.8,
        "batch_size": 256,
        "train_freq": 32,
        "gradient_steps": 1,
        "buffer_size": 500_000,
        "target_update_interval": 1000,
        "exploration_fraction": 0.5,
        "exploration_final_eps": 0.2,
    },
    "a2c": {"gamma": 0.8},
    "reinforce": {"gamma": 0.8, "learning_rate": 3e-3, "ent_coef": 0.001},
}
STEPS = {"dqn": 600_000, "a2c": 600_000, "reinforce": 2_000_000}


def experiment_of(agent: str, seed: int = 7, length: int = 150_000) -> Experiment:
    market = {"kind": "ar1", "autocorrelation": 0.3, "volatility": 0.01}
    document = {
        "data": {"source": "synthetic", "market": market, "length": length, "seed": seed},
        "features": [{"name": "log_return", "periods": [1]}],
        "env": {"window_size": 8, "trading_fees": 0.001, "slippage_bps": 0.0, "borrow_interest_rate": 0.0},
        "agent": {"name": agent, "network": NETWORK, **AGENTS[agent]},
        "train": {"total_timesteps": STEPS[agent], "n_envs": 32},
    }
    return Experiment.model_validate_json(json.dumps(document))


@cache
def fresh_bars(agent: str) -> tuple[Prepared, Prepared]:
    trained_on = prepare(experiment_of(agent), Path())
    fresh = experiment_of(agent, seed=99, length=FRESH_BARS + 10)
    return trained_on, prepare_range(fresh, Path(), trained_on.scaler, ALL_DATES, trained_on.return_deviation)


@cache
def trainer_of(agent: str) -> Trainer:
    experiment, (prepared, _) = experiment_of(agent), fresh_bars(agent)
    return build_trainer(new_agent(experiment, experiment.env, prepared.return_deviation, len(prepared.feature_names)))


def income(stage: Stage, targets: list[np.ndarray]) -> float:
    ledger = ledgers_of(stage, targets)[0]
    return float(np.log(ledger.equity[-1] / ledger.initial_cash))


def best_weights(trainer: Trainer, experiment: Experiment, prepared: Prepared, seed: int) -> None:
    """Train one seed and leave the weights of its best validation in the policy."""
    task, total = training_task(prepared), experiment.train.total_timesteps
    kept: list[np.ndarray] = []
    for event in train(trainer, task, Plan(total, total // 10, total, None), *start(trainer, task, [seed])):
        if event.reports[0].is_best:
            kept = [np.array(variable.value) for variable in trainer.agent.policy.variables]
    for variable, value in zip(trainer.agent.policy.variables, kept, strict=True):
        variable.assign(value)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("agent", AGENTS)
def test_agent_earns_nine_tenths_of_the_oracle_on_fresh_bars(agent: str, seed: int) -> None:
    experiment, trainer = experiment_of(agent), trainer_of(agent)
    prepared, fresh = fresh_bars(agent)
    best_weights(trainer, experiment, prepared, seed)

    stage = Stage(fresh, fresh.segments["test"], experiment.env, 0.0)
    first, last = int(stage.segment.first[0]), int(stage.segment.last[0])
    played = greedy_pass(trainer.agent)(to_device(fresh.market), stage.segment)
    law = law_of(experiment.data.market, 1 / 8760)  # type: ignore[union-attr]
    closes = fresh.bars[0].frame["close"].to_numpy()
    optimum = oracle_targets(solve(law, experiment.env), experiment.env, closes, first, last)

    assert last - first + 1 >= FRESH_BARS - 10
    share = income(stage, agent_targets(played, experiment.env)) / income(stage, [optimum])
    print(agent, seed, share)
    assert share >= 0.9
