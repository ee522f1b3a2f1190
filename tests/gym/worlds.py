"""Small experiments and a player of random actions, shared by the tests of the Gymnasium adapter."""

from typing import Any

import gymnasium
import numpy as np
import pandas as pd

import trader.gym

DURATION = 40


def experiment(volatility: float = 0.02, **env: Any) -> dict[str, Any]:
    """The keys of a small experiment on a generated market."""
    settings = {"window_size": 4, "max_episode_duration": DURATION, **env}
    return {
        "data": {
            "source": "synthetic",
            "market": {"kind": "gbm", "volatility": volatility},
            "length": 600,
            "bar": "1d",
        },
        "features": [{"name": "log_return", "periods": [1, 5]}, {"name": "volatility", "period": 10}],
        "env": settings,
    }


# Enough leverage, cost and noise to ruin accounts within an episode.
HARD = {
    "volatility": 0.08,
    "positions": [-8.0, -1.0, 0.0, 1.0, 8.0],
    "trading_fees": 0.01,
    "slippage_bps": 20.0,
    "borrow_interest_rate": 1.0,
    "drawdown_penalty": {},
    "turnover_penalty": 0.01,
}


def universe(folder, **env: Any) -> dict[str, Any]:
    """The keys of an experiment on three files of different lengths."""
    generator = np.random.default_rng(5)
    for name, length in (("AAA", 400), ("BBB", 300), ("CCC", 350)):
        closes = 100 * np.exp(np.cumsum(0.02 * generator.standard_normal(length)))
        opens = closes * np.exp(0.01 * generator.standard_normal(length))
        bars = {"open": opens, "high": np.maximum(opens, closes), "low": np.minimum(opens, closes), "close": closes}
        days = pd.date_range(end="2021-02-03", periods=length, name="date")
        pd.DataFrame({**bars, "volume": 1.0}, index=days).to_csv(folder / f"{name}.csv")
    config = experiment(**env)
    config["data"] = {"source": "csv", "path": str(folder / "*.csv")}
    return config


def make(config: Any, **arguments: Any):
    """The raw environment: no wrapper between the test and the code."""
    return gymnasium.make(trader.gym.ENV_ID, config=config, **arguments).unwrapped


def make_vec(config: Any, num_envs: int, mode: str = "vector_entry_point", **arguments: Any):
    return gymnasium.make_vec(trader.gym.ENV_ID, num_envs, mode, config=config, **arguments)


def legal(mask: np.ndarray, generator: np.random.Generator) -> int:
    return int(generator.choice(np.flatnonzero(mask)))
