"""One measurement of SBX (Stable-Baselines3's agents in JAX) per process, printed as one JSON line.

SBX has no A2C. Its PPO with one epoch, one minibatch, λ = 1, no clipping and no normalised advantages has A2C's
gradients; its actor and critic are two networks, of 64-64 each. Its DQN clips no gradients.
"""

import argparse
from typing import Any

import flax.linen as nn
import sbx
import workload
from peer_envs import ENVS
from peers_sb3 import dqn_pace, trained
from rates import peer_main
from stable_baselines3.common.vec_env import DummyVecEnv

PACKAGES = ["sbx-rl", "jax", "flax", "stable-baselines3", "gymnasium", "gym-anytrading", "gym-trading-env", "numpy"]
NO_CLIPPING = 1e9


def build_a2c(env: DummyVecEnv):
    as_a2c = {
        "batch_size": workload.A2C["n_steps"] * env.num_envs,
        "n_epochs": 1,
        "gae_lambda": 1.0,
        "clip_range": NO_CLIPPING,
        "normalize_advantage": False,
    }
    policy = {"net_arch": workload.NET_ARCH, "activation_fn": nn.relu}
    return sbx.PPO("MlpPolicy", env, policy_kwargs=policy, seed=0, **as_a2c, **workload.A2C)


def build_dqn(env: DummyVecEnv):
    settings = {name: value for name, value in workload.DQN.items() if name != "max_grad_norm"}
    policy = {"net_arch": workload.NET_ARCH, "activation_fn": nn.relu}
    return sbx.DQN("MlpPolicy", env, policy_kwargs=policy, seed=0, **dqn_pace(env.num_envs), **settings)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    env = DummyVecEnv([ENVS[arguments.env]] * arguments.num_envs)
    return trained({"a2c": build_a2c, "dqn": build_dqn}[arguments.agent](env), arguments)


if __name__ == "__main__":
    peer_main(__doc__, list(ENVS), PACKAGES, measure)
