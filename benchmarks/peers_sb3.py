"""One measurement of Stable-Baselines3 per process, printed as one JSON line.

Inputs are equal to ours: the environment's own window of 32 x 6 features, flattened, and four account values behind
it. Neither peer has such values beside its window, so a subclass appends them from numbers that it keeps anyway.
"""

import argparse
import json
import resource
import time
import warnings
from importlib.metadata import version

import gymnasium
import numpy as np
import pandas as pd
import stable_baselines3
import torch
import workload
from gym_anytrading.envs import StocksEnv
from gym_trading_env.environments import TradingEnv
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv

warnings.resetwarnings()  # importing gym_trading_env turns every warning into an error
warnings.simplefilter("ignore")


def input_space() -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-np.inf, np.inf, (workload.NUM_INPUTS,), np.float32)


def flat_inputs(window: np.ndarray, account: tuple[float, ...]) -> np.ndarray:
    obs = np.empty(workload.NUM_INPUTS, np.float32)
    obs[: -workload.NUM_ACCOUNT_VALUES] = window.reshape(-1)
    obs[-workload.NUM_ACCOUNT_VALUES :] = account
    return obs


class AnyTrading(StocksEnv):
    """gym-anytrading's stocks with our bars, features and fees (its fees enter its profit, not its reward)."""

    def __init__(self):
        close = pd.DataFrame({"Close": workload.prices()["close"]})
        super().__init__(close, workload.WINDOW, (workload.WINDOW, workload.NUM_BARS))
        self.trade_fee_bid_percent = self.trade_fee_ask_percent = workload.TRADING_FEES
        self.observation_space = input_space()

    def _process_data(self):
        return self.df["Close"].to_numpy(np.float32), workload.features()

    def _get_observation(self):
        idle = self._current_tick - self._last_trade_tick
        account = (self._position.value, self._total_profit - 1.0, idle / workload.EPISODE_BARS, 0.0)
        return flat_inputs(super()._get_observation(), account)


class GymTrading(TradingEnv):
    """Gym-Trading-Env with our bars, features, positions, fees and borrow interest."""

    def __init__(self):
        table = pd.DataFrame(workload.prices(), index=pd.date_range("2000-01-01", periods=workload.NUM_BARS, freq="D"))
        for i, column in enumerate(workload.features().T):
            table[f"feature_{i}"] = column
        super().__init__(
            table,
            positions=workload.POSITIONS,
            dynamic_feature_functions=[],
            windows=workload.WINDOW,
            trading_fees=workload.TRADING_FEES,
            borrow_interest_rate=workload.BORROW_RATE_PER_YEAR / 252,
            initial_position=0,
            max_episode_duration=workload.EPISODE_BARS,
            verbose=0,
        )
        self.observation_space = input_space()

    def _get_obs(self):
        value = self.historical_info["portfolio_valuation", -1] / self.portfolio_initial_value - 1.0
        account = (self._position, self.historical_info["real_position", -1], value, self._step / workload.EPISODE_BARS)
        return flat_inputs(super()._get_obs(), account)


class Trunk(BaseFeaturesExtractor):
    """The hidden layers 64-64, shared by actor and critic as in our A2C."""

    def __init__(self, observation_space: gymnasium.spaces.Box):
        super().__init__(observation_space, workload.NET_ARCH[-1])
        first, second = workload.NET_ARCH
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(workload.NUM_INPUTS, first),
            torch.nn.ReLU(),
            torch.nn.Linear(first, second),
            torch.nn.ReLU(),
        )

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return self.layers(obs)


class Stopwatch(BaseCallback):
    """Counts environment steps and updates between the end of the warm-up and the end of the measurement."""

    def __init__(self, warmup_seconds: float, seconds: float):
        super().__init__()
        self.warmup_seconds, self.seconds = warmup_seconds, seconds
        self.started = self.begun = self.ended = (0.0, 0, 0)
        self.running = False

    def now(self) -> tuple[float, int, int]:
        return time.perf_counter(), self.model.num_timesteps, self.model._n_updates

    def _on_training_start(self) -> None:
        self.started = self.now()

    def _on_step(self) -> bool:
        self.ended = self.now()
        learning = self.ended[2] > 0
        if not self.running and learning and self.ended[0] - self.started[0] >= self.warmup_seconds:
            self.begun, self.running = self.ended, True
        return not (self.running and self.ended[0] - self.begun[0] >= self.seconds)

    def rates(self) -> dict[str, float]:
        elapsed, steps, updates = (end - begin for begin, end in zip(self.begun, self.ended, strict=True))
        return {"env_steps_per_s": steps / elapsed, "updates_per_s": updates / elapsed, "seconds": elapsed}


def build_a2c(env: DummyVecEnv):
    policy = {"features_extractor_class": Trunk, "net_arch": []}
    return stable_baselines3.A2C(
        "MlpPolicy", env, use_rms_prop=False, policy_kwargs=policy, device="cpu", seed=0, **workload.A2C
    )


def build_dqn(env: DummyVecEnv):
    """SB3 counts `train_freq` in steps of the whole vector, so many environments need several updates each time."""
    train_freq = max(workload.ENV_STEPS_PER_UPDATE // env.num_envs, 1)
    return stable_baselines3.DQN(
        "MlpPolicy",
        env,
        train_freq=train_freq,
        gradient_steps=train_freq * env.num_envs // workload.ENV_STEPS_PER_UPDATE,
        policy_kwargs={"net_arch": workload.NET_ARCH, "activation_fn": torch.nn.ReLU},
        device="cpu",
        seed=0,
        **workload.DQN,
    )


def bytes_per_transition(model) -> float | None:
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return None
    arrays = [value for value in vars(buffer).values() if isinstance(value, np.ndarray)]
    return sum(array.nbytes for array in arrays) / (buffer.buffer_size * buffer.n_envs)


def versions() -> dict[str, str]:
    names = ["stable-baselines3", "torch", "gymnasium", "gym-anytrading", "gym-trading-env", "numpy"]
    return {name: version(name) for name in names}


def measure(arguments: argparse.Namespace) -> dict:
    env_class = {"gym-anytrading": AnyTrading, "gym-trading-env": GymTrading}[arguments.env]
    env = DummyVecEnv([env_class for _ in range(arguments.num_envs)])
    model = {"a2c": build_a2c, "dqn": build_dqn}[arguments.agent](env)
    stopwatch = Stopwatch(arguments.warmup, arguments.seconds)
    model.learn(total_timesteps=10**9, callback=stopwatch, log_interval=10**9)
    return stopwatch.rates() | {
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "bytes_per_transition": bytes_per_transition(model),
        "versions": versions(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", choices=["gym-anytrading", "gym-trading-env"], required=True)
    parser.add_argument("--agent", choices=["a2c", "dqn"], required=True)
    parser.add_argument("--num-envs", type=int, required=True)
    parser.add_argument("--warmup", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
