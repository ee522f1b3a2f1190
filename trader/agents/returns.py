"""Discounted returns and advantages over the time axis, `[T, N]`.

G[t] = r[t] + d[t]·G[t+1], where the discount d[t] is gamma, but 0 at a termination; at a truncation the chain is cut
and bootstrapped from the value of the last observation before the reset.
"""

from __future__ import annotations

from typing import Any

from keras import ops


def n_step_targets(rewards: Any, discounts: Any, next_values: Any, cuts: Any) -> Any:
    """Return bootstrapped returns `[T, N]` (float32); gradients do not flow.

    Args:
        rewards: `[T, N]` r[t].
        discounts: `[T, N]` gamma · (1 − terminated[t]).
        next_values: `[T, N]` V of the observation after step t, before any reset.
        cuts: `[T, N]` bool, true where the chain ends after step t (truncated, terminated); it also ends at the last.

    Reference:
        Mnih et al. (2016), Asynchronous methods for deep reinforcement learning, algorithm S3; time limits as in
        Pardo et al. (2018), Time limits in reinforcement learning, section 3.
    """
    num_steps = rewards.shape[0]
    following = next_values[-1]
    targets = []
    for t in reversed(range(num_steps)):
        following = rewards[t] + discounts[t] * ops.where(cuts[t], next_values[t], following)
        targets.append(following)
    return ops.stop_gradient(ops.stack(targets[::-1]))


def discount_matrix(num_steps: int, gamma: float) -> Any:
    """Return `[T, T]` with gamma^(j − i) for j ≥ i, else 0: returns of a whole episode as one product."""
    steps = ops.arange(num_steps, dtype="float32")
    ahead = steps[None, :] - steps[:, None]
    return ops.where(ahead >= 0.0, ops.power(ops.cast(gamma, "float32"), ops.maximum(ahead, 0.0)), 0.0)


def episode_returns(rewards: Any, alive: Any, gamma: float) -> Any:
    """Return discounted returns `[T, N]` of episodes that all start at row 0 (TD(1)); nothing is bootstrapped.

    Args:
        rewards: `[T, N]`.
        alive: `[T, N]` 1 while the episode runs, 0 after it terminated.
        gamma: discount per bar.

    Reference:
        Williams (1992), Simple statistical gradient-following algorithms, section 6.
    """
    return ops.matmul(discount_matrix(rewards.shape[0], gamma), rewards * alive)


def normalized(values: Any, weights: Any) -> Any:
    """Return `values` less their weighted mean, over their weighted deviation (1e-8 added); 0 where weight is 0."""
    total = ops.maximum(ops.sum(weights), 1.0)
    centred = (values - ops.sum(values * weights) / total) * weights
    deviation = ops.sqrt(ops.sum(ops.square(centred)) / total)
    return centred / (deviation + 1e-8)
