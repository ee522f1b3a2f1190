"""REINFORCE (Williams 1992): whole fixed-length episodes, discounted returns (TD(1)) normalised over the batch.

Loss: −mean(log π(a|s)·Ĝ) − c_e·mean(entropy), Ĝ = (G − mean) / deviation over all steps of all episodes; truncated
returns are not bootstrapped. After ruin, or where an asset's segment ends early, steps weigh nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from trader import backend
from trader.agents import losses
from trader.agents.a2c import most_likely
from trader.agents.agent import Agent, Carry, flattened, observed, play, restarter, start_carry
from trader.agents.networks import build_network, build_optimizer
from trader.agents.replay import NUM_ACCOUNT, Transitions
from trader.agents.returns import episode_returns, normalized
from trader.data.market import Market, Segment
from trader.envs import bars
from trader.envs.bars import MarketEnv, Observation

if TYPE_CHECKING:
    from trader.config import ReinforceConfig, TrainConfig


class Learner(NamedTuple):
    """The parts of a REINFORCE, fixed while compiled; all episodes of an update run side by side."""

    config: ReinforceConfig
    env: MarketEnv
    num_episodes: int
    num_steps: int
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    variables: list[keras.Variable]


def build_reinforce(config: ReinforceConfig, train: TrainConfig, env: MarketEnv, num_features: int) -> Agent:
    """Return a REINFORCE agent; needs `env.max_episode_duration`."""
    num_steps = env.config.max_episode_duration
    if num_steps is None:
        raise ValueError("REINFORCE needs a fixed episode length")
    window = (env.config.window_size, num_features)

    heads = {"policy": env.config.num_actions}
    model = build_network(config.network, window, NUM_ACCOUNT, heads, train.precision)
    optimizer = build_optimizer(config.optimizer, config.learning_rate, model.trainable_variables)
    variables = [*model.variables, *optimizer.variables]
    num_episodes = config.episodes_per_update or train.n_envs
    learner = Learner(config, env, num_episodes, num_steps, model, optimizer, variables)
    return Agent(
        name=config.name,
        env=env,
        policy=model,
        variables=variables,
        steps_per_iteration=num_episodes * num_steps,
        restart=restarter(variables, model),
        start=lambda market, segment, seed: start_carry(env, num_episodes, (), segment, seed),
        iterate=lambda market, segment, carry: _iterate(learner, market, segment, carry),
        act_greedy=lambda obs, mask: most_likely(_listed(model), obs, mask),
        exploration=lambda step: None,
    )


def _listed(model: keras.Model) -> Any:
    return lambda obs: [model(obs)]


class _Episode(NamedTuple):
    """Scan state: the environments, whether each episode still runs (1 or 0), and the step."""

    env: bars.EnvState
    alive: Any
    step: Any


def _iterate(learner: Learner, market: Market, segment: Segment, carry: Carry) -> Carry:
    reset_key, play_key, next_key = backend.split(carry.key, 3)
    state = bars.reset(learner.env, segment, learner.num_episodes, reset_key)
    episode = _Episode(state, ops.ones((learner.num_episodes,), "float32"), ops.zeros((), "int32"))
    draws = backend.uniform(play_key, (learner.num_steps, learner.num_episodes, learner.env.config.num_actions))

    def act(e: _Episode) -> tuple[_Episode, tuple[Transitions, Any]]:
        return _act(learner, market, segment, e, draws[e.step])

    episode, (record, alive) = backend.scan(act, episode, learner.num_steps, learner.variables)
    steps = learner.num_episodes * learner.num_steps
    stats = carry.stats._replace(
        reward=carry.stats.reward + ops.sum(record.reward * alive), steps=carry.stats.steps + ops.sum(alive)
    )
    carry = Carry(episode.env, (), next_key, carry.step + steps, stats)
    return _update(learner, market, carry, record, alive)


def _act(learner: Learner, market: Market, segment: Segment, episode: _Episode, draws: Any) -> tuple[_Episode, Any]:
    env = learner.env
    logits = learner.model(list(bars.observe(env, market, episode.env)))
    action = backend.categorical(draws, losses.masked(logits, bars.action_mask(env, episode.env)))
    outcome, record = play(env, market, segment, episode.env, action, learner.config.gamma)
    ended = ops.logical_or(outcome.terminated, outcome.truncated)
    # A finished episode stands still, so that it never reads rows beyond its segment.
    state = bars.where_done(ended, episode.env, outcome.state)
    alive = episode.alive * (1.0 - ops.cast(ended, "float32"))
    return _Episode(state, alive, episode.step + 1), (record, episode.alive)


def _update(learner: Learner, market: Market, carry: Carry, record: Transitions, alive: Any) -> Carry:
    returns = normalized(episode_returns(record.reward, alive, learner.config.gamma), alive)
    batch, weights = flattened(record), flattened(alive)

    def loss(obs: Observation, mask: Any, action: Any, gain: Any) -> tuple[Any, Any]:
        log_probs = losses.masked_log_probs(learner.model(list(obs)), mask)
        entropy = losses.weighted_mean(losses.entropy(log_probs), weights)
        policy = losses.policy_gradient(losses.chosen(log_probs, action), gain, weights)
        return policy - learner.config.ent_coef * entropy, entropy

    mask = bars.rung_mask(learner.env.config, batch.rung)
    arguments = (observed(learner.env, market, batch), mask, batch.action, flattened(returns))
    trainable = learner.model.trainable_variables
    (value, entropy), gradients = backend.value_and_grad(loss, trainable)(*arguments)
    learner.optimizer.apply(losses.clipped_by_global_norm(gradients, learner.config.max_grad_norm), trainable)
    stats = carry.stats._replace(
        loss=carry.stats.loss + value,
        entropy=carry.stats.entropy + entropy,
        updates=carry.stats.updates + 1.0,
    )
    return carry._replace(stats=stats)
