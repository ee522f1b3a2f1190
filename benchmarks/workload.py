"""The work that both sides do: the same bars, the same network inputs, the same batches and updates."""

import numpy as np

NUM_BARS = 2768  # eleven years of days
WINDOW = 32
NUM_FEATURES = 6
NUM_ACCOUNT_VALUES = 4
NUM_INPUTS = WINDOW * NUM_FEATURES + NUM_ACCOUNT_VALUES
POSITIONS = [-1, 0, 1]
EPISODE_BARS = 252
TRADING_FEES = 0.001
BORROW_RATE_PER_YEAR = 0.02
NET_ARCH = [64, 64]

A2C = {"n_steps": 5, "gamma": 0.99, "learning_rate": 7e-4, "ent_coef": 0.01, "vf_coef": 0.5, "max_grad_norm": 0.5}
DQN = {
    "batch_size": 32,
    "buffer_size": 100_000,
    "learning_starts": 1000,
    "learning_rate": 1e-4,
    "gamma": 0.99,
    "max_grad_norm": 10.0,
    "target_update_interval": 10_000,
    "exploration_final_eps": 0.05,
}
ENV_STEPS_PER_UPDATE = 4  # DQN: one update of 32 transitions per 4 environment steps, for everyone


def prices() -> dict[str, np.ndarray]:
    """Open, high, low, close and volume of bars whose log returns have autocorrelation 0.3 and deviation 1 %."""
    rng = np.random.default_rng(0)
    shocks = rng.normal(0.0, 0.01, NUM_BARS)
    log_returns = np.zeros(NUM_BARS)
    for t in range(1, NUM_BARS):
        log_returns[t] = 0.3 * log_returns[t - 1] + np.sqrt(1 - 0.3**2) * shocks[t]
    close = 100.0 * np.exp(np.cumsum(log_returns))
    open_ = np.concatenate([close[:1], close[:-1]])
    return {
        "open": open_,
        "high": np.maximum(open_, close) * 1.001,
        "low": np.minimum(open_, close) * 0.999,
        "close": close,
        "volume": rng.uniform(1e6, 2e6, NUM_BARS),
    }


def features() -> np.ndarray:
    """Six standard-normal columns `[T, 6]` float32: their content costs nobody anything."""
    return np.random.default_rng(1).normal(size=(NUM_BARS, NUM_FEATURES)).astype(np.float32)
