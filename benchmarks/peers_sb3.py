"""One measurement of Stable-Baselines3 per process, printed as one JSON line."""

import argparse
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch
import workload
from peer_envs import ENVS
from rates import Rates, peer_main
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv

PACKAGES = ["stable-baselines3", "torch", "gymnasium", "gym-anytrading", "gym-trading-env", "jax", "keras", "numpy"]


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
    """Ends the training when enough was measured."""

    def __init__(self, rates: Rates):
        super().__init__()
        self.rates = rates

    def _on_step(self) -> bool:
        return self.rates.goes_on(self.model.num_timesteps, self.model._n_updates)


def build_a2c(env: DummyVecEnv):
    policy = {"features_extractor_class": Trunk, "net_arch": []}
    return stable_baselines3.A2C(
        "MlpPolicy", env, use_rms_prop=False, policy_kwargs=policy, device="cpu", seed=0, **workload.A2C
    )


def dqn_pace(num_envs: int) -> dict[str, int]:
    """SB3 counts `train_freq` in steps of the whole vector, so many environments need several updates each time."""
    train_freq = max(workload.ENV_STEPS_PER_UPDATE // num_envs, 1)
    return {"train_freq": train_freq, "gradient_steps": train_freq * num_envs // workload.ENV_STEPS_PER_UPDATE}


def build_dqn(env: DummyVecEnv):
    policy = {"net_arch": workload.NET_ARCH, "activation_fn": torch.nn.ReLU}
    return stable_baselines3.DQN(
        "MlpPolicy", env, policy_kwargs=policy, device="cpu", seed=0, **dqn_pace(env.num_envs), **workload.DQN
    )


def bytes_per_transition(model: Any) -> float | None:
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return None
    arrays = [value for value in vars(buffer).values() if isinstance(value, np.ndarray)]
    return sum(array.nbytes for array in arrays) / (buffer.buffer_size * buffer.n_envs)


def trained(model: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train until enough was measured."""
    rates = Rates(arguments.warmup, arguments.seconds)
    model.learn(total_timesteps=10**9, callback=Stopwatch(rates), log_interval=10**9)
    return rates.figures() | {"bytes_per_transition": bytes_per_transition(model)}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    env = DummyVecEnv([ENVS[arguments.env]] * arguments.num_envs)
    return trained({"a2c": build_a2c, "dqn": build_dqn}[arguments.agent](env), arguments)


if __name__ == "__main__":
    peer_main(__doc__, list(ENVS), PACKAGES, measure)
