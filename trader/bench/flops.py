"""Floating-point operations of one environment step, from the network's matrix products alone.

On-policy: `2·MAC·(1 + 3)` (a rollout pass; forward, weight and input gradients of the update) less the input gradient
of the first layer, which nobody needs. DQN: `2·(MAC + u·B·((1 or 2)·MAC + 3·MAC − first))`, u updates of B transitions
per environment step, one pass of the target network and, for double Q-learning, one of the online network over next
observations. Values of next observations, element-wise work and the environment are not counted, so the share of the
roof is rather too low than too high.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import keras

from trader.evaluation.results import Measure, Undefined

if TYPE_CHECKING:
    from trader.config import AgentConfig, DqnConfig

# Every output position of these layers costs one multiplication and addition per number of the kernel.
_PRODUCTS = (keras.layers.Dense, keras.layers.Conv1D)


class Macs(NamedTuple):
    """Multiplications and additions of one forward pass of one sample.

    Attributes:
        total: of all layers.
        first: of the layers that see only what no weight has touched.
    """

    total: int
    first: int


def count_macs(model: keras.Model) -> Macs | Undefined:
    """Return the multiply-accumulates of one sample through a functional model, undefined for a layer without formula.

    Args:
        model: built; Dense and Conv1D layers are counted, weights of one axis (norms, biases) count nothing.
    """
    total = first = 0
    for layer in model.layers:
        if all(len(weight.shape) < 2 for weight in layer.weights):
            continue
        if type(layer) not in _PRODUCTS:
            return Undefined(f"no formula for layer {layer.name} ({type(layer).__name__})")
        positions = layer.output.shape[1:-1]
        if None in positions:
            return Undefined(f"layer {layer.name} has an output of unknown length")
        macs = math.prod(positions) * math.prod(layer.kernel.shape)
        total += macs
        if not keras.Model(model.inputs, layer.input).weights:
            first += macs
    return Macs(total, first)


def flops_per_env_step(agent: AgentConfig, policy: keras.Model) -> Measure:
    """Return the floating-point operations behind one environment step, updates included.

    Args:
        agent: its config; says how many updates of which batch a step carries.
        policy: the network that acts and learns.

    Example:
        >>> from trader.config import A2cConfig
        >>> inputs = keras.Input((10,))
        >>> flops_per_env_step(A2cConfig(name="a2c"), keras.Model(inputs, keras.layers.Dense(3)(inputs)))
        180.0
    """
    macs = count_macs(policy)
    if isinstance(macs, Undefined):
        return macs
    update = 3 * macs.total - macs.first
    if agent.name == "dqn":
        return 2.0 * (macs.total + _sampled_per_step(agent) * ((2 if agent.double else 1) * macs.total + update))
    return 2.0 * (macs.total + update)


def _sampled_per_step(agent: DqnConfig) -> float:
    """Return how many transitions are learnt from per environment step."""
    return agent.gradient_steps * agent.batch_size / agent.train_freq
