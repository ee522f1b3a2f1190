"""Tiny synthetic markets, environments and trainers for the tests of agents."""

from typing import Any

import numpy as np

from trader.agents.agent import Agent
from trader.agents.build import build_agent
from trader.config import A2cConfig, DqnConfig, EnvConfig, MlpNetwork, ReinforceConfig, TrainConfig
from trader.data.market import Market, Segment
from trader.envs.bars import MarketEnv
from trader.training import Task, to_device

CONFIGS = {"dqn": DqnConfig, "a2c": A2cConfig, "reinforce": ReinforceConfig}
SMALL = MlpNetwork(net_arch=[3], activation="tanh")
HOUR = 1 / 8760
BUSY: dict[str, dict[str, Any]] = {
    "dqn": {"buffer_size": 128, "learning_starts": 40, "train_freq": 8, "gradient_steps": 2, "batch_size": 16},
    "a2c": {"n_steps": 2},
    "reinforce": {},
}
BUSY_ITERATIONS = {"dqn": 12, "a2c": 12, "reinforce": 3}


def market_of(log_returns: np.ndarray, seed: int = 0, num_features: int = 2) -> Market:
    """Bars with `open[t + 1] = close[t]`; the first feature is the last return in deviations, the others are noise."""
    returns = np.atleast_2d(log_returns)
    close = 100.0 * np.exp(np.cumsum(returns, axis=1))
    opens = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    features = np.random.default_rng(seed).standard_normal((*returns.shape, num_features))
    features[:, :, 0] = returns / max(float(returns.std()), 1e-9)
    years = np.full_like(close, HOUR)
    return Market(*(x.astype(np.float32) for x in (features, opens, close, years)))


def ar1_market(num_rows: int, seed: int = 0, num_assets: int = 1) -> Market:
    """Log returns of autocorrelation 0.3 and deviation 1 %."""
    noise = np.random.default_rng(seed).standard_normal((num_assets, num_rows)) * 0.01 * np.sqrt(1 - 0.09)
    returns = noise.copy()
    for t in range(1, num_rows):
        returns[:, t] += 0.3 * returns[:, t - 1]
    return market_of(returns, seed)


def segment_of(*bounds: tuple[int, int]) -> Segment:
    """(first, last) decision row of each asset."""
    return Segment(*(np.array(rows, dtype=np.int32) for rows in zip(*bounds, strict=True)))


def market_env(scale: float = 0.01, **changes: Any) -> MarketEnv:
    """Window 2, free trading unless `changes` say otherwise."""
    free = {"trading_fees": 0.0, "slippage_bps": 0.0, "borrow_interest_rate": 0.0, "window_size": 2}
    return MarketEnv(EnvConfig(**(free | changes)), scale, scale)


def small_agent(name: str, env: MarketEnv, num_envs: int = 4, total: int = 10_000, **changes: Any) -> Agent:
    """An agent with one hidden layer of three units."""
    config = CONFIGS[name](name=name, **({"network": SMALL} | changes))
    return build_agent(config, TrainConfig(n_envs=num_envs, total_timesteps=total), env, num_features=2)


def busy_agent(name: str, num_envs: int = 4) -> Agent:
    """An agent that meets everything within a dozen iterations: updates, ends of episodes, costs, both sides."""
    env = market_env(positions=[-1.0, 0.0, 1.0], max_episode_duration=10, trading_fees=0.001)
    return small_agent(name, env, num_envs=num_envs, total=1_000, **BUSY[name])


def busy_task() -> Task:
    """Two assets, validated on the rows from 210 on."""
    market, rows = on_device(ar1_market(300, seed=1, num_assets=2), segment_of((2, 200), (5, 180)))
    return Task(market, rows, segment_of((210, 240), (210, 225)), 8760.0)


def on_device(market: Market, segment: Segment) -> tuple[Market, Segment]:
    return to_device(market), to_device(segment)


def rough_market(num_rows: int = 60, seed: int = 0) -> Market:
    """Bars of 20 % deviation that ruin whoever is leveraged: one in five falls by 40 %, one in five rises by 60 %."""
    rng = np.random.default_rng(seed)
    returns = 0.2 * rng.standard_normal(num_rows)
    returns[3::5], returns[1::5] = np.log(0.6), np.log(1.6)
    return market_of(returns, seed)


def rough_env(actions: str, duration: int = 3) -> MarketEnv:
    """Three times long or short, so that episodes end by time and by ruin within a few bars."""
    return market_env(
        1.0, positions=[-3.0, 0.0, 3.0], actions=actions, max_episode_duration=duration, trading_fees=0.01
    )
