"""Share of the known optimum that DQN earns on `ar1` with batches of 32 and of 128, at equal samples.

Both draw 8 transitions per environment step: four updates of 32 or one of 128 per 16 steps. Each seed trains on 150,000
bars, keeps the weights of its best validation and is scored on 50,000 fresh bars: its income over that of the optimal
policy. "No lower" means that the 95 % interval of the difference of means (Welch) does not lie wholly below zero.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from learning_table import table
from place import common_parser, store
from process import say
from tables import print_table

from trader import backend
from trader.agents.agent import Agent
from trader.baselines.oracle import law_of, oracle_targets, solve
from trader.config import Experiment
from trader.data.prepare import Prepared, prepare, prepare_range
from trader.evaluation.backtest import Stage, agent_targets, ledgers_of
from trader.lanes import Trainer, build_trainer, snapshot
from trader.rollout import greedy_pass
from trader.runs.judge import ALL_DATES
from trader.runs.opening import new_agent, training_task
from trader.training import Plan, start, to_device, train

STEPS, BARS, FRESH_BARS = 600_000, 150_000, 50_000
SETTINGS = {
    "name": "dqn",
    "network": {"kind": "mlp", "net_arch": [32], "activation": "tanh"},
    "gamma": 0.8,
    "double": False,
    "buffer_size": 500_000,
    "target_update_interval": 1000,
    "exploration_fraction": 0.5,
    "exploration_final_eps": 0.2,
    "train_freq": 16,
}
VARIANTS = {
    "batch of 32, 4 updates per 16 steps": {"batch_size": 32, "gradient_steps": 4, "learning_rate": 3e-4},
    "batch of 128, 1 update per 16 steps": {"batch_size": 128, "gradient_steps": 1, "learning_rate": 3e-4},
    "batch of 128, twice the learning rate": {"batch_size": 128, "gradient_steps": 1, "learning_rate": 6e-4},
}


def experiment_of(variant: str, steps: int, seed: int = 7, length: int = BARS) -> Experiment:
    market = {"kind": "ar1", "autocorrelation": 0.3, "volatility": 0.01}
    document = {
        "data": {"source": "synthetic", "market": market, "length": length, "seed": seed},
        "features": [{"name": "log_return", "periods": [1]}],
        "env": {"window_size": 8, "trading_fees": 0.001, "slippage_bps": 0.0, "borrow_interest_rate": 0.0},
        "agent": SETTINGS | VARIANTS[variant],
        "train": {"total_timesteps": steps, "n_envs": 16},
    }
    return Experiment.model_validate_json(json.dumps(document))


def shares(variant: str, seeds: list[int], steps: int) -> list[float]:
    """Return what each seed earns of the optimum on fresh bars; all seeds in one program where the backend can."""
    experiment = experiment_of(variant, steps)
    prepared = prepare(experiment, Path())
    fresh_of = experiment_of(variant, steps, seed=99, length=FRESH_BARS + 10)
    fresh = prepare_range(fresh_of, Path(), prepared.scaler, ALL_DATES, prepared.return_deviation)
    groups = [seeds] if backend.MAPS_SEEDS else [[seed] for seed in seeds]
    agent, found = _agent(experiment, prepared), []
    for group in groups:
        trainer = build_trainer(agent, len(group))
        for weights in best_weights(trainer, experiment, prepared, group):
            found.append(share_of(weights, experiment, prepared, fresh))
    return found


def _agent(experiment: Experiment, prepared: Prepared) -> Agent:
    return new_agent(experiment, experiment.env, prepared.return_deviation, len(prepared.feature_names))


def best_weights(
    trainer: Trainer, experiment: Experiment, prepared: Prepared, seeds: list[int]
) -> list[list[np.ndarray]]:
    """Train seeds and return the policy's weights of each one's best validation."""
    task, total = training_task(prepared), experiment.train.total_timesteps
    num_weights = len(trainer.agent.policy.variables)
    kept: list[list[np.ndarray]] = [[] for _ in seeds]
    for event in train(trainer, task, Plan(total, total // 10, total, None), *start(trainer, task, seeds)):
        for lane, report in enumerate(event.reports):
            if report.is_best:
                arrays = snapshot(trainer, event.lanes, lane)
                kept[lane] = [arrays[f"variable/{number:03d}"] for number in range(num_weights)]
    return kept


def share_of(weights: list[np.ndarray], experiment: Experiment, prepared: Prepared, fresh: Prepared) -> float:
    agent = _agent(experiment, prepared)
    for variable, value in zip(agent.policy.variables, weights, strict=True):
        variable.assign(value)
    stage = Stage(fresh, fresh.segments["test"], experiment.env, 0.0)
    first, last = int(stage.segment.first[0]), int(stage.segment.last[0])
    played = greedy_pass(agent)(to_device(fresh.market), stage.segment)
    law = law_of(experiment.data.market, 1 / 8760)  # type: ignore[union-attr]
    closes = fresh.bars[0].frame["close"].to_numpy()
    optimum = oracle_targets(solve(law, experiment.env), experiment.env, closes, first, last)
    return income(stage, agent_targets(played, experiment.env)) / income(stage, [optimum])


def income(stage: Stage, targets: list[np.ndarray]) -> float:
    ledger = ledgers_of(stage, targets)[0]
    return float(np.log(ledger.equity[-1] / ledger.initial_cash))


def main() -> None:
    parser = common_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.steps = 2, 20_000
    found = {}
    for variant in VARIANTS:
        say(f"learning: {variant}, {arguments.seeds} seeds")
        found[variant] = shares(variant, list(range(1, arguments.seeds + 1)), arguments.steps)
    figures = {"shares": found, "steps": arguments.steps, "backend": os.environ["KERAS_BACKEND"]}
    print_table(table(figures))
    store(arguments, "learning", figures)


if __name__ == "__main__":
    main()
