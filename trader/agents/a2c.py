"""A2C (Mnih et al. 2016, synchronous): shared trunk, policy and value heads with their own learning rates.

Loss: −mean(log π(a|s)·(R − V(s))) + c_v·mean((R − V(s))²) − c_e·mean(entropy), R the n-step return. The trunk moves at
the actor's rate. Time limits are bootstrapped from the last observation before the reset, ruin is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from trader import backend
from trader.agents import losses
from trader.agents.agent import (
    Agent,
    Carry,
    flattened,
    fresh_where_done,
    observed,
    observed_after,
    play,
    restarter,
    start_carry,
)
from trader.agents.networks import build_network, build_optimizer
from trader.agents.replay import NUM_ACCOUNT, Transitions
from trader.agents.returns import n_step_targets
from trader.data.market import Market, Segment
from trader.envs import bars
from trader.envs.bars import MarketEnv, Observation

if TYPE_CHECKING:
    from trader.config import A2cConfig, TrainConfig


class Learner(NamedTuple):
    """The parts of an A2C, fixed while compiled."""

    config: A2cConfig
    env: MarketEnv
    num_envs: int
    model: keras.Model
    actor: keras.optimizers.Optimizer
    critic: keras.optimizers.Optimizer
    variables: list[keras.Variable]


class Rollout(NamedTuple):
    """`n_steps` of N environments, `[T, N]`: the record and where episodes ended."""

    record: Transitions
    truncated: Any
    terminated: Any


def build_a2c(config: A2cConfig, train: TrainConfig, env: MarketEnv, num_features: int) -> Agent:
    """Return an A2C agent."""
    window = (env.config.window_size, num_features)

    heads = {"policy": env.config.num_actions, "value": 1}
    model = build_network(config.network, window, NUM_ACCOUNT, heads, train.precision)
    own, head = actor_and_critic_variables(model)
    actor = build_optimizer(config.optimizer, config.actor_learning_rate, own)
    critic = build_optimizer(config.optimizer, config.critic_learning_rate, head)
    variables = [*model.variables, *actor.variables, *critic.variables]
    learner = Learner(config, env, train.n_envs, model, actor, critic, variables)
    return Agent(
        name=config.name,
        env=env,
        policy=model,
        variables=variables,
        steps_per_iteration=train.n_envs * config.n_steps,
        restart=restarter(variables, model),
        start=lambda market, segment, seed: start_carry(env, train.n_envs, (), segment, seed),
        iterate=lambda market, segment, carry: _iterate(learner, market, segment, carry),
        act_greedy=lambda obs, mask: most_likely(model, obs, mask),
        exploration=lambda step: None,
    )


def actor_and_critic_variables(model: keras.Model) -> tuple[list[keras.Variable], list[keras.Variable]]:
    """Return (trunk and policy head, value head)."""
    critic = model.get_layer("value").trainable_variables
    names = {id(variable) for variable in critic}
    return [variable for variable in model.trainable_variables if id(variable) not in names], critic


def most_likely(model: keras.Model, obs: Observation, mask: Any) -> Any:
    """Return the legal action of highest probability, int32 `[N]`."""
    return ops.cast(ops.argmax(losses.masked(model(list(obs))[0], mask), axis=-1), "int32")


def _iterate(learner: Learner, market: Market, segment: Segment, carry: Carry) -> Carry:
    draw_key, next_key = backend.split(carry.key, 2)
    num_steps = learner.config.n_steps
    # All draws of a rollout at once: a generator call costs as much for one number as for a thousand.
    num_draws = learner.env.config.num_actions + bars.NUM_RESET_DRAWS
    draws = backend.uniform(draw_key, (num_steps, learner.num_envs, num_draws))

    def collect(c: tuple[Carry, Any]) -> tuple[tuple[Carry, Any], Rollout]:
        moved, row = _collect(learner, market, segment, c[0], draws[c[1]])
        return (moved, c[1] + 1), row

    begin = (carry._replace(key=next_key), ops.zeros((), "int32"))
    (carry, _), rollout = backend.scan(collect, begin, num_steps, learner.variables)
    targets = _targets(learner, market, rollout)
    return _update(learner, market, carry, rollout.record, targets)


def _collect(learner: Learner, market: Market, segment: Segment, carry: Carry, draws: Any) -> tuple[Carry, Rollout]:
    env, num_actions = learner.env, learner.env.config.num_actions
    logits = learner.model(list(bars.observe(env, market, carry.env)))[0]
    mask = bars.action_mask(env, carry.env)
    action = backend.categorical(draws[:, :num_actions], losses.masked(logits, mask))
    outcome, record = play(env, market, segment, carry.env, action, learner.config.gamma)
    stats = carry.stats._replace(
        reward=carry.stats.reward + ops.sum(outcome.reward), steps=carry.stats.steps + learner.num_envs
    )
    state = fresh_where_done(env, segment, outcome, draws[:, num_actions:])
    carry = carry._replace(env=state, step=carry.step + learner.num_envs, stats=stats)
    return carry, Rollout(record, outcome.truncated, outcome.terminated)


def _targets(learner: Learner, market: Market, rollout: Rollout) -> Any:
    record = rollout.record
    ends = ops.logical_or(rollout.truncated, rollout.terminated)
    next_values = _next_values(learner, market, rollout)
    return n_step_targets(record.reward, record.discount, next_values, ends)


def _next_values(learner: Learner, market: Market, rollout: Rollout) -> Any:
    """Return V after each step `[T, N]`, before any reset; rows but the last only when a time limit needs them."""

    def value(record: Transitions) -> Any:
        return learner.model(list(observed_after(learner.env, market, record)))[1][:, 0]

    record = rollout.record
    last = value(Transitions(*(x[-1] for x in record)))[None]
    num_steps = learner.config.n_steps
    if num_steps == 1:
        return last
    earlier = Transitions(*(x[:-1] for x in record))
    shape = (learner.num_envs, num_steps - 1)
    before = ops.cond(
        backend.any_anywhere(rollout.truncated[:-1]),
        lambda: ops.reshape(value(flattened(earlier)), shape),
        lambda: ops.zeros(shape, "float32"),
    )
    return ops.concatenate([ops.transpose(before), last])


def _update(learner: Learner, market: Market, carry: Carry, record: Transitions, targets: Any) -> Carry:
    batch, config = flattened(record), learner.config
    own, head = actor_and_critic_variables(learner.model)

    def loss(obs: Observation, mask: Any, action: Any, aim: Any) -> tuple[Any, Any]:
        logits, values = learner.model(list(obs))
        return a2c_loss(config, losses.masked_log_probs(logits, mask), values[:, 0], action, aim)

    mask = bars.rung_mask(learner.env.config, batch.rung)
    arguments = (observed(learner.env, market, batch), mask, batch.action, flattened(targets))
    (value, entropy), gradients = backend.value_and_grad(loss, own + head)(*arguments)
    gradients = losses.clipped_by_global_norm(gradients, config.max_grad_norm)
    learner.actor.apply(gradients[: len(own)], own)
    learner.critic.apply(gradients[len(own) :], head)
    stats = carry.stats._replace(
        loss=carry.stats.loss + value,
        entropy=carry.stats.entropy + entropy,
        updates=carry.stats.updates + 1.0,
    )
    return carry._replace(stats=stats)


def a2c_loss(config: A2cConfig, log_probs: Any, values: Any, action: Any, targets: Any) -> tuple[Any, Any]:
    """Return (loss, mean entropy) of B samples.

    Args:
        config: `vf_coef` and `ent_coef`.
        log_probs: `[B, A]` over legal actions.
        values: `[B]`.
        action: `[B]` int32.
        targets: `[B]` n-step returns.
    """
    advantage = targets - values
    entropy = ops.mean(losses.entropy(log_probs))
    policy = losses.policy_gradient(losses.chosen(log_probs, action), advantage, ops.ones_like(values))
    value = ops.mean(losses.squared(advantage))
    return policy + config.vf_coef * value - config.ent_coef * entropy, entropy
