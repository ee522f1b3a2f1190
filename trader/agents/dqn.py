"""DQN (Mnih et al. 2015) and double DQN (van Hasselt et al. 2016) with action masks and index replay.

Loss: mean of Huber or squared `Q(s, a) − [r + γ·Q⁻(s′, argmax_legal Q(s′))]`; masks act in exploration, in the
target's maximum and in the greedy policy. Time limits are bootstrapped, ruin is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from trader import backend
from trader.agents import losses, replay
from trader.agents.agent import Agent, Carry, fresh_where_done, observed, observed_after, play, restarter, start_carry
from trader.agents.networks import build_network, build_optimizer
from trader.agents.schedules import epsilon
from trader.data.market import Market, Segment
from trader.envs import bars
from trader.envs.bars import MarketEnv, Observation

if TYPE_CHECKING:
    from trader.config import DqnConfig, TrainConfig


class Pace(NamedTuple):
    """How collecting and learning alternate: vector steps, then sequential updates."""

    vector_steps: int
    updates: int


class Learner(NamedTuple):
    """The parts of a DQN, fixed while compiled."""

    config: DqnConfig
    env: MarketEnv
    num_envs: int
    total_timesteps: int
    online: keras.Model
    target: keras.Model
    optimizer: keras.optimizers.Optimizer
    storage: keras.Variable
    layout: replay.Layout
    variables: list[keras.Variable]


def pace(config: DqnConfig, num_envs: int) -> Pace:
    """Return the alternation that gives `gradient_steps` updates every `train_freq` environment steps."""
    return Pace(max(1, config.train_freq // num_envs), config.gradient_steps * max(1, num_envs // config.train_freq))


def build_dqn(config: DqnConfig, train: TrainConfig, env: MarketEnv, num_features: int) -> Agent:
    """Return a DQN agent; the replay holds `buffer_size` transitions, rounded up to a multiple of `n_envs`."""
    num_envs = train.n_envs
    window = (env.config.window_size, num_features)

    heads = {"q_values": env.config.num_actions}
    online, target = (
        build_network(config.network, window, replay.NUM_ACCOUNT, heads, train.precision) for _ in range(2)
    )
    optimizer = build_optimizer(config.optimizer, config.learning_rate, online.trainable_variables)
    storage, _ = replay.init(-(-config.buffer_size // num_envs) * num_envs)
    variables = [*online.variables, *target.variables, *optimizer.variables, storage]
    layout = replay.Layout(len(env.config.positions), env.config.num_actions, config.gamma)
    learner = Learner(
        config, env, num_envs, train.total_timesteps, online, target, optimizer, storage, layout, variables
    )
    restart_online = restarter(variables, online)

    def restart(seed: int) -> None:
        restart_online(seed)
        for copy, weight in zip(target.variables, online.variables, strict=True):
            copy.assign(ops.copy(weight.value))  # two variables must not share an array

    rate = pace(config, num_envs)
    return Agent(
        name=config.name,
        env=env,
        policy=online,
        variables=variables,
        steps_per_iteration=rate.vector_steps * num_envs,
        restart=restart,
        start=lambda market, segment, seed: _start(learner, market, segment, seed),
        iterate=lambda market, segment, carry: _iterate(learner, rate, market, segment, carry),
        act_greedy=lambda obs, mask: greedy(online, obs, mask),
        exploration=lambda step: float(_epsilon(learner, step)),
    )


def _start(learner: Learner, market: Market, segment: Segment, seed: int) -> Carry:
    num_assets, num_rows = market.close.shape
    replay.check_exact(num_assets, num_rows, learner.layout)
    return start_carry(learner.env, learner.num_envs, replay.empty(), segment, seed)


def greedy(model: keras.Model, obs: Observation, mask: Any) -> Any:
    """Return the legal action of highest value, int32 `[N]`; ties go to the lowest index."""
    return ops.cast(ops.argmax(losses.masked(model(list(obs)), mask), axis=-1), "int32")


def explore(action: Any, mask: Any, share: Any, draws: Any) -> Any:
    """Return `action` with probability 1 − `share`, else a uniformly drawn legal action, int32 `[N]`.

    Args:
        action: `[N]` int32.
        mask: `[N, A]` legal actions.
        share: exploration, scalar.
        draws: `[N, 1 + A]` in [0, 1): a coin, then one lot per action, of which the highest legal one wins.
    """
    drawn = ops.cast(ops.argmax(ops.where(mask, draws[:, 1:], -1.0), axis=-1), "int32")
    return ops.where(draws[:, 0] < share, drawn, action)


def _epsilon(learner: Learner, step: Any) -> Any:
    config = learner.config
    decay_steps = int(config.exploration_fraction * (learner.total_timesteps - config.learning_starts))
    first, last = config.exploration_initial_eps, config.exploration_final_eps
    return epsilon(step, config.learning_starts, decay_steps, first, last)


def _iterate(learner: Learner, rate: Pace, market: Market, segment: Segment, carry: Carry) -> Carry:
    act_key, sample_key, next_key = backend.split(carry.key, 3)
    # All draws of an iteration at once: a generator call costs as much for one number as for a thousand.
    num_draws = 1 + learner.layout.num_actions + bars.NUM_RESET_DRAWS
    draws = backend.uniform(act_key, (rate.vector_steps, learner.num_envs, num_draws))
    carry = _counted(
        lambda c, i: _collect(learner, market, segment, c, draws[i]), carry, rate.vector_steps, learner.variables
    )
    rows = replay.draw(carry.memory, (rate.updates, learner.config.batch_size), sample_key)
    updates = rate.updates * ops.cast(carry.step >= learner.config.learning_starts, "int32")
    carry = _counted(lambda c, i: _update(learner, market, c, rows[i]), carry, updates, learner.variables)
    carry = carry._replace(key=next_key)
    _move_target(learner, carry.step, rate.vector_steps * learner.num_envs)
    return carry


def _counted(function: Any, carry: Carry, n: Any, variables: list[keras.Variable]) -> Carry:
    """Return `carry` after `function(carry, i)` for i = 0 … n − 1."""
    start = (carry, ops.zeros((), "int32"))
    return backend.repeat(lambda c: (function(*c), c[1] + 1), start, n, variables)[0]


def _collect(learner: Learner, market: Market, segment: Segment, carry: Carry, draws: Any) -> Carry:
    env, split_at = learner.env, 1 + learner.layout.num_actions
    mask = bars.action_mask(env, carry.env)
    best = greedy(learner.online, bars.observe(env, market, carry.env), mask)
    action = explore(best, mask, _epsilon(learner, carry.step), draws[:, :split_at])
    outcome, record = play(env, market, segment, carry.env, action, learner.config.gamma)
    stats = carry.stats._replace(
        reward=carry.stats.reward + ops.sum(outcome.reward), steps=carry.stats.steps + learner.num_envs
    )
    return carry._replace(
        env=fresh_where_done(env, segment, outcome, draws[:, split_at:]),
        memory=replay.add(learner.storage, carry.memory, learner.layout, record),
        step=carry.step + learner.num_envs,
        stats=stats,
    )


def _update(learner: Learner, market: Market, carry: Carry, rows: Any) -> Carry:
    config, online = learner.config, learner.online
    batch = replay.gather(learner.storage, learner.layout, backend.split_over_devices(rows))
    target = _target(learner, market, batch)
    error = losses.huber if config.loss == "huber" else losses.squared

    def loss(obs: Observation, action: Any, aim: Any) -> tuple[Any, Any]:
        return ops.mean(error(losses.chosen(online(list(obs)), action) - aim)), ()

    trainable = online.trainable_variables
    arguments = (observed(learner.env, market, batch), batch.action, target)
    (value, _), gradients = backend.value_and_grad(loss, trainable)(*arguments)
    learner.optimizer.apply(losses.clipped_by_global_norm(gradients, config.max_grad_norm), trainable)
    stats = carry.stats._replace(loss=carry.stats.loss + value, updates=carry.stats.updates + 1.0)
    return carry._replace(stats=stats)


def _target(learner: Learner, market: Market, batch: replay.Transitions) -> Any:
    obs = list(observed_after(learner.env, market, batch))
    rung = bars.next_rung(learner.env.config, batch.rung, batch.action)
    mask = bars.rung_mask(learner.env.config, rung)
    q_t = learner.target(obs)
    selector = learner.online(obs) if learner.config.double else q_t
    return losses.td_target(batch.reward, batch.discount, q_t, mask, selector)


def _move_target(learner: Learner, step: Any, steps_taken: int) -> None:
    interval, tau = learner.config.target_update_interval, learner.config.tau
    due = step // interval > (step - steps_taken) // interval
    for slow, fast in zip(learner.target.variables, learner.online.variables, strict=True):
        slow.assign(ops.where(due, tau * fast.value + (1.0 - tau) * slow.value, slow.value))
