"""One measurement of single-file PyTorch agents in the style of CleanRL per process, printed as one JSON line.

Written for this comparison: one loop over Gymnasium's vector environments, NumPy buffers, one network, one optimizer,
nothing between. Our market is stepped as one vector environment; the others by `SyncVectorEnv`. An ended episode's
next step only resets it (Gymnasium's `NEXT_STEP`) and is left out of learning.
"""

import argparse
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
import workload
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from peer_envs import ENVS, OUR_MARKET
from rates import Rates, peer_main
from torch import nn

import trader.gym

PACKAGES = ["torch", "gymnasium", "gym-anytrading", "gym-trading-env", "jax", "keras", "numpy"]


def make_envs(name: str, num_envs: int) -> VectorEnv:
    if name == "market":
        return gymnasium.make_vec(trader.gym.ENV_ID, num_envs, config=OUR_MARKET)
    return SyncVectorEnv([ENVS[name]] * num_envs, autoreset_mode=AutoresetMode.NEXT_STEP)


def layer(num_inputs: int, num_outputs: int, gain: float = 2**0.5) -> nn.Linear:
    linear = nn.Linear(num_inputs, num_outputs)
    nn.init.orthogonal_(linear.weight, gain)
    nn.init.zeros_(linear.bias)
    return linear


def trunk() -> nn.Sequential:
    first, second = workload.NET_ARCH
    return nn.Sequential(layer(workload.NUM_INPUTS, first), nn.ReLU(), layer(first, second), nn.ReLU())


class ActorCritic(nn.Module):
    def __init__(self, num_actions: int):
        super().__init__()
        self.trunk = trunk()
        self.actor = layer(workload.NET_ARCH[-1], num_actions, 0.01)
        self.critic = layer(workload.NET_ARCH[-1], 1, 1.0)

    def forward(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.trunk(obs)
        return self.actor(hidden), self.critic(hidden)[:, 0]


class Rollout(NamedTuple):
    """`[T, N]` arrays; `valid` is false for the steps that only reset."""

    obs: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    done: np.ndarray
    valid: np.ndarray

    @classmethod
    def empty(cls, num_steps: int, num_envs: int) -> "Rollout":
        obs = np.zeros((num_steps + 1, num_envs, workload.NUM_INPUTS), np.float32)
        kinds = (np.int64, np.float32, bool, bool, bool)
        return cls(obs, *(np.zeros((num_steps, num_envs), kind) for kind in kinds))


def returns(rollout: Rollout, values: np.ndarray) -> np.ndarray:
    """n-step returns `[T, N]`; `values [T + 1, N]` bootstrap at the end of the rollout and of an episode."""
    targets, following = np.empty_like(rollout.rewards), values[-1]
    for t in reversed(range(len(targets))):
        following = np.where(rollout.done[t], values[t + 1], following)
        following = rollout.rewards[t] + workload.A2C["gamma"] * ~rollout.terminated[t] * following
        targets[t] = following
    return targets


def a2c_update(model: ActorCritic, optimizer: torch.optim.Optimizer, rollout: Rollout) -> None:
    settings = workload.A2C
    with torch.no_grad():
        values = model(torch.from_numpy(rollout.obs).flatten(0, 1))[1].reshape(len(rollout.obs), -1).numpy()
    targets = torch.from_numpy(returns(rollout, values)).flatten()
    logits, value = model(torch.from_numpy(rollout.obs[:-1]).flatten(0, 1))
    policy = torch.distributions.Categorical(logits=logits)
    valid = torch.from_numpy(rollout.valid).flatten().float()
    advantage = targets - value
    gain = policy.log_prob(torch.from_numpy(rollout.actions).flatten()) * advantage.detach()
    per_sample = -gain + settings["vf_coef"] * advantage**2 - settings["ent_coef"] * policy.entropy()
    loss = (per_sample * valid).sum() / valid.sum().clamp(min=1.0)
    learn(model, optimizer, loss, settings["max_grad_norm"])


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor, max_grad_norm: float) -> None:
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    optimizer.step()


def run_a2c(envs: VectorEnv, rates: Rates) -> dict[str, Any]:
    model = ActorCritic(int(envs.single_action_space.n))
    optimizer = torch.optim.Adam(model.parameters(), lr=workload.A2C["learning_rate"])
    num_steps, num_envs = workload.A2C["n_steps"], envs.num_envs
    rollout, steps, updates = Rollout.empty(num_steps, num_envs), 0, 0
    obs, done = envs.reset(seed=0)[0], np.zeros(num_envs, bool)
    while True:
        for t in range(num_steps):
            with torch.no_grad():
                logits = model(torch.from_numpy(obs))[0]
                actions = torch.distributions.Categorical(logits=logits).sample().numpy()
            rollout.obs[t], rollout.actions[t], rollout.valid[t] = obs, actions, ~done
            obs, rollout.rewards[t], rollout.terminated[t], truncated, _ = envs.step(actions)
            rollout.done[t] = done = rollout.terminated[t] | truncated
            steps += num_envs
            if not rates.goes_on(steps, updates):
                return {"bytes_per_transition": None}
        rollout.obs[num_steps] = obs
        a2c_update(model, optimizer, rollout)
        updates += 1


class Replay:
    """Two observations, action, reward and end of each transition, the oldest overwritten."""

    def __init__(self, capacity: int):
        shape = (capacity, workload.NUM_INPUTS)
        self.obs, self.next_obs = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.actions, self.rewards = np.zeros(capacity, np.int64), np.zeros(capacity, np.float32)
        self.terminated = np.zeros(capacity, np.float32)
        self.position, self.size, self.capacity = 0, 0, capacity

    def columns(self) -> tuple[np.ndarray, ...]:
        return self.obs, self.next_obs, self.actions, self.rewards, self.terminated

    def add(self, *rows: np.ndarray) -> None:
        places = (self.position + np.arange(len(rows[0]))) % self.capacity
        for column, row in zip(self.columns(), rows, strict=True):
            column[places] = row
        self.position = (self.position + len(places)) % self.capacity
        self.size = min(self.size + len(places), self.capacity)

    def sample(self, rng: np.random.Generator, n: int) -> list[torch.Tensor]:
        rows = rng.integers(0, self.size, n)
        return [torch.from_numpy(column[rows]) for column in self.columns()]


def dqn_update(model: nn.Module, target: nn.Module, optimizer: torch.optim.Optimizer, batch: list[Any]) -> None:
    obs, next_obs, actions, rewards, terminated = batch
    with torch.no_grad():
        aim = rewards + workload.DQN["gamma"] * (1.0 - terminated) * target(next_obs).max(dim=1).values
    chosen = model(obs).gather(1, actions[:, None])[:, 0]
    learn(model, optimizer, nn.functional.smooth_l1_loss(chosen, aim), workload.DQN["max_grad_norm"])


def run_dqn(envs: VectorEnv, rates: Rates) -> dict[str, Any]:
    settings, num_envs, num_actions = workload.DQN, envs.num_envs, int(envs.single_action_space.n)
    model, target = (nn.Sequential(trunk(), layer(workload.NET_ARCH[-1], num_actions, 1.0)) for _ in range(2))
    target.load_state_dict(model.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    rng, replay = np.random.default_rng(0), Replay(settings["buffer_size"])
    obs, done, steps, updates, moved = envs.reset(seed=0)[0], np.zeros(num_envs, bool), 0, 0, 0
    while rates.goes_on(steps, updates):
        explores = rng.random(num_envs) < max(settings["exploration_final_eps"], 1.0 - steps / 100_000)
        actions = rng.integers(0, num_actions, num_envs)
        if not explores.all():
            with torch.no_grad():
                actions = np.where(explores, actions, model(torch.from_numpy(obs)).argmax(dim=1).numpy())
        following, rewards, terminated, truncated, _ = envs.step(actions)
        valid = ~done
        replay.add(obs[valid], following[valid], actions[valid], rewards[valid], terminated[valid])
        obs, done, steps = following, terminated | truncated, steps + num_envs
        due = steps // workload.ENV_STEPS_PER_UPDATE - (steps - num_envs) // workload.ENV_STEPS_PER_UPDATE
        for _ in range(due if steps >= settings["learning_starts"] else 0):
            dqn_update(model, target, optimizer, replay.sample(rng, settings["batch_size"]))
            updates += 1
        if steps - moved >= settings["target_update_interval"]:
            target.load_state_dict(model.state_dict())
            moved = steps
    return {"bytes_per_transition": sum(column.nbytes for column in replay.columns()) / replay.capacity}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    torch.manual_seed(0)
    rates = Rates(arguments.warmup, arguments.seconds)
    found = {"a2c": run_a2c, "dqn": run_dqn}[arguments.agent](make_envs(arguments.env, arguments.num_envs), rates)
    return rates.figures() | found


if __name__ == "__main__":
    peer_main(__doc__, list(ENVS), PACKAGES, measure)
