"""The workload's configs as plain records, so that measuring needs neither pydantic nor pandas; see `build.py`.

A test holds their fields against those of `trader.config`.
"""

from typing import NamedTuple

import workload


class Network(NamedTuple):
    kind: str = "mlp"
    net_arch: tuple[int, ...] = tuple(workload.NET_ARCH)
    activation: str = "relu"


class A2c(NamedTuple):
    name: str = "a2c"
    network: Network = Network()
    gamma: float = workload.A2C["gamma"]
    max_grad_norm: float = workload.A2C["max_grad_norm"]
    optimizer: str = "adam"
    actor_learning_rate: float = workload.A2C["learning_rate"]
    critic_learning_rate: float = workload.A2C["learning_rate"]
    n_steps: int = workload.A2C["n_steps"]
    ent_coef: float = workload.A2C["ent_coef"]
    vf_coef: float = workload.A2C["vf_coef"]


class Dqn(NamedTuple):
    """Plain targets, since Stable-Baselines3 has no double DQN."""

    name: str = "dqn"
    network: Network = Network()
    gamma: float = workload.DQN["gamma"]
    max_grad_norm: float = workload.DQN["max_grad_norm"]
    optimizer: str = "adam"
    learning_rate: float = workload.DQN["learning_rate"]
    buffer_size: int = workload.DQN["buffer_size"]
    learning_starts: int = workload.DQN["learning_starts"]
    batch_size: int = workload.DQN["batch_size"]
    train_freq: int = 16
    gradient_steps: int = 4
    tau: float = 1.0
    target_update_interval: int = workload.DQN["target_update_interval"]
    exploration_initial_eps: float = 1.0
    exploration_fraction: float = 0.3
    exploration_final_eps: float = workload.DQN["exploration_final_eps"]
    loss: str = "huber"
    double: bool = False


class Env(NamedTuple):
    window_size: int = workload.WINDOW
    positions: tuple[float, ...] = tuple(map(float, workload.POSITIONS))
    actions: str = "targets"
    fill: str = "next_open"
    initial_cash: float = 100_000.0
    trading_fees: float = workload.TRADING_FEES
    slippage_bps: float = 2.0
    spread_bps: float = 0.0
    borrow_interest_rate: float = workload.BORROW_RATE_PER_YEAR
    reward: str = "log_return"
    reward_scale: str = "auto"
    differential_sharpe_rate: float = 0.01
    drawdown_penalty: None = None
    turnover_penalty: float = 0.0
    max_episode_duration: int = workload.EPISODE_BARS

    @property
    def cost_fraction(self) -> float:
        moved = self.slippage_bps / 1e4 + self.spread_bps / 2e4
        return moved + (1 + moved) * self.trading_fees

    @property
    def num_actions(self) -> int:
        return len(self.positions)


class Train(NamedTuple):
    total_timesteps: int = 500_000
    n_envs: int = 16
    eval_freq: int = 25_000
    save_freq: int = 50_000
    keep_checkpoints: int = 5
    early_stopping_patience: None = None
    precision: str = "float32"
    devices_per_seed: int = 1
    seeds_per_program: None = None
