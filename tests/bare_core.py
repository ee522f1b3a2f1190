"""A program: the core trains and plays with every package but Keras, NumPy, JAX and their own needs kept out.

`python -m tests.bare_core [MODULE...]` imports the modules first, as the core would; the last line says what each agent
did.
"""

import builtins
import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import SimpleNamespace
from typing import Any

import numpy as np

ABSENT = {
    *("tensorflow", "torch", "pydantic", "pandas", "pyarrow", "yaml", "typer", "talib", "arch", "plotly"),
    *("tensorboard", "sklearn", "holidays", "gymnasium"),
    *("trader.config", "trader.data.prepare", "trader.evaluation", "trader.runs", "trader.report", "trader.cli"),
}
OURS_MAY_IMPORT = {*sys.stdlib_module_names, "trader", "numpy", "keras", "jax"}
plain_import = builtins.__import__


class Absent(MetaPathFinder):
    """Stands before all other finders and refuses packages, as if they were not installed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> None:
        if any(fullname == name or fullname.startswith(f"{name}.") for name in ABSENT):
            raise ModuleNotFoundError(f"refused: {fullname}", name=fullname)


def strict_import(name: str, globals: Any = None, *more: Any, **named: Any) -> Any:
    """Refuse to our own modules what JAX and Keras may have for themselves, e.g. SciPy and rich."""
    if str((globals or {}).get("__name__", "")).startswith("trader") and name.split(".")[0] not in OURS_MAY_IMPORT:
        raise ModuleNotFoundError(f"refused: {name}", name=name)
    return plain_import(name, globals, *more, **named)


def keep_out() -> None:
    """Refuse packages from here on; import what the command line names as the core would."""
    os.environ["KERAS_BACKEND"] = "jax"
    sys.meta_path.insert(0, Absent())
    builtins.__import__ = strict_import
    for module in sys.argv[1:]:
        strict_import(module, {"__name__": "trader.planted"})


ENV = SimpleNamespace(
    window_size=3,
    positions=[-1.0, 0.0, 1.0],
    actions="targets",
    num_actions=3,
    fill="next_open",
    initial_cash=1_000.0,
    trading_fees=0.001,
    slippage_bps=2.0,
    spread_bps=1.0,
    borrow_interest_rate=0.02,
    reward="log_return",
    differential_sharpe_rate=0.01,
    drawdown_penalty=SimpleNamespace(threshold=0.2, weight=0.1),
    turnover_penalty=0.001,
    max_episode_duration=10,
)
SHARED = {"network": SimpleNamespace(kind="mlp", net_arch=[4], activation="tanh"), "gamma": 0.9}
SHARED |= {"max_grad_norm": 1.0, "optimizer": "adam"}
AGENTS = {
    "a2c": {"actor_learning_rate": 1e-3, "critic_learning_rate": 1e-3, "n_steps": 5, "ent_coef": 0.01, "vf_coef": 0.5},
    "reinforce": {"learning_rate": 1e-3, "ent_coef": 0.01, "episodes_per_update": None},
    "dqn": {
        **{"learning_rate": 1e-3, "buffer_size": 64, "learning_starts": 16, "batch_size": 8, "train_freq": 8},
        **{"gradient_steps": 2, "tau": 1.0, "target_update_interval": 16, "loss": "huber", "double": True},
        **{"exploration_initial_eps": 1.0, "exploration_fraction": 0.5, "exploration_final_eps": 0.1},
    },
}
TRAIN = SimpleNamespace(total_timesteps=120, n_envs=4, precision="float32")


def columns() -> list[np.ndarray]:
    """Features, opens, closes and years of one asset."""
    returns = 0.01 * np.random.default_rng(1).standard_normal((1, 80))
    close = 100.0 * np.exp(np.cumsum(returns, axis=1))
    found = (returns[:, :, None], np.roll(close, 1), close, np.full_like(close, 1 / 365))
    return [column.astype(np.float32) for column in found]


def trained(name: str) -> dict[str, Any]:
    # Imported only now, that is after `keep_out`.
    from trader.agents.build import build_agent
    from trader.data.market import Market, Segment
    from trader.envs.bars import MarketEnv
    from trader.lanes import build_trainer, snapshot
    from trader.training import Plan, Task, start, to_device, train

    def rows(first: int, last: int) -> Segment:
        return Segment(np.array([first], np.int32), np.array([last], np.int32))

    config = SimpleNamespace(name=name, **SHARED, **AGENTS[name])
    agent = build_agent(config, TRAIN, MarketEnv(ENV, 0.01, 0.01), num_features=1)
    trainer = build_trainer(agent)
    task = Task(to_device(Market(*columns())), to_device(rows(3, 50)), rows(55, 75), 252.0)
    lanes, progress = start(trainer, task, [0])
    before = snapshot(trainer, lanes)["variable/000"]
    events = list(train(trainer, task, Plan(TRAIN.total_timesteps, 40, 80, None), lanes, progress))
    moved = float(np.abs(snapshot(trainer, events[-1].lanes)["variable/000"] - before).max())
    (played,) = trainer.greedy(task.market, task.valid, events[-1].lanes)
    return {"step": events[-1].step, "moved": moved, "bars": len(played.equity), "equity": float(played.equity[-1, 0])}


if __name__ == "__main__":
    keep_out()
    print(json.dumps({agent_name: trained(agent_name) for agent_name in AGENTS}))
