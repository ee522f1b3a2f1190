"""The standard workload: what `trader bench` measures without a config, the same everywhere.

Generated bars, window 32 × 6 features, an MLP of 64-64 units, the settings of `docs/benchmarks.md`: A2C with 8 and with
64 environments, DQN with 16, each DQN update of 32 transitions per 4 environment steps.
"""

from __future__ import annotations

from typing import Any

from trader.config import Experiment

AGENTS = ("a2c", "dqn", "reinforce")
STANDARD = (("a2c", 8), ("a2c", 64), ("dqn", 16))
_STEPS_PER_UPDATE = 4

_SHARED: dict[str, Any] = {
    "name": "bench",
    "data": {"source": "synthetic", "market": {"kind": "ar1"}, "length": 10_000, "bar": "1d"},
    "features": [{"name": "log_return", "periods": [1, 2, 5, 10, 21, 63]}],
    "env": {
        "window_size": 32,
        "positions": [-1, 0, 1],
        "trading_fees": 0.001,
        "borrow_interest_rate": 0.02,
        "max_episode_duration": 252,
    },
}


def standard_experiments(agent: str | None, n_envs: int | None) -> list[Experiment]:
    """Return the standard workload, or the part of it that is asked for.

    Args:
        agent: the only one; None = A2C and DQN.
        n_envs: for all; None = the standard numbers.
    """
    chosen = [(name, size) for name, size in STANDARD if agent in (None, name)] or [(str(agent), 16)]
    if n_envs is not None:
        chosen = [(name, n_envs) for name in dict.fromkeys(name for name, _ in chosen)]
    return [_experiment(name, size) for name, size in chosen]


def _experiment(agent: str, n_envs: int) -> Experiment:
    document = _SHARED | {"agent": _agent(agent, n_envs), "train": {"n_envs": n_envs}}
    return Experiment.model_validate(document)


def _agent(name: str, n_envs: int) -> dict[str, Any]:
    if name != "dqn":
        return {"name": name}
    updates = n_envs // _STEPS_PER_UPDATE if n_envs % _STEPS_PER_UPDATE == 0 else n_envs
    pace = {"train_freq": updates * _STEPS_PER_UPDATE, "gradient_steps": updates}
    # Without double Q-learning, which Stable-Baselines3 lacks: the figures compare with docs/benchmarks.md.
    return {"name": name, "double": False, "batch_size": 32, **pace}
