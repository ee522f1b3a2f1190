"""Keras networks from config: window `[W, F]` and account `[C]` in, one output per head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from trader.config import MlpNetwork


def build_network(
    network: MlpNetwork,
    window_shape: tuple[int, int],
    num_account: int,
    heads: dict[str, int],
    precision: str = "float32",
) -> keras.Model:
    """Return a model `[window [N, W, F], account [N, C]] -> [output [N, size] for each head]`.

    All weights are zero until `initial_weights` are assigned.

    Args:
        network: the config's network.
        window_shape: (W, F).
        num_account: C.
        heads: name -> outputs; the layers carry these names.
        precision: `mixed_bfloat16` computes the hidden layers in bfloat16; weights and heads are float32 always.
    """
    policy = "mixed_bfloat16" if precision == "mixed_bfloat16" else "float32"
    window = keras.Input(window_shape, name="window")
    account = keras.Input((num_account,), name="account")
    hidden: Any = keras.layers.Concatenate()([keras.layers.Flatten()(window), account])
    for number, units in enumerate(network.net_arch):
        layer = keras.layers.Dense(
            units, network.activation, kernel_initializer="zeros", dtype=policy, name=f"hidden_{number}"
        )
        hidden = layer(hidden)
    outputs = [
        keras.layers.Dense(size, kernel_initializer="zeros", dtype="float32", name=name)(hidden)
        for name, size in heads.items()
    ]
    return keras.Model([window, account], outputs)


def initial_weights(model: keras.Model, seed: int) -> list[np.ndarray]:
    """Return what `model.variables` start from: the same on every backend.

    Kernels of hidden layers are orthogonal with gain √2, those of heads with gain 0.01 (policy) or 1; biases are zero.

    Args:
        model: of `build_network`.
        seed: equal seeds give equal weights.

    Reference:
        Saxe et al. (2014), Exact solutions to the nonlinear dynamics of learning in deep linear neural networks;
        Andrychowicz et al. (2021), What matters in on-policy reinforcement learning, section 3.2 (small policy head).
    """
    generator = np.random.default_rng(seed)
    weights = []
    for variable in model.variables:
        layer, kind = variable.path.split("/")[-2:]
        if kind == "kernel":
            gain = 2**0.5 if layer.startswith("hidden") else 0.01 if layer == "policy" else 1.0
            weights.append(gain * _orthogonal(generator, variable.shape))
        else:
            weights.append(np.zeros(variable.shape, np.float32))
    return weights


def _orthogonal(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return a matrix `shape` float32 whose rows or columns, whichever are fewer, are orthonormal, drawn uniformly."""
    long, short = max(shape), min(shape)
    q, r = np.linalg.qr(generator.standard_normal((long, short)))
    q *= np.sign(np.diag(r))  # QR leaves the signs to the library; uniform are those of a positive diagonal
    return (q if shape[0] == long else q.T).astype(np.float32)


def build_optimizer(name: str, learning_rate: float, variables: list[Any]) -> keras.optimizers.Optimizer:
    """Return a built Adam (epsilon 1e-8) or RMSprop (decay 0.99, epsilon 1e-5) over `variables`."""
    if name == "rmsprop":
        optimizer = keras.optimizers.RMSprop(learning_rate, rho=0.99, epsilon=1e-5)
    else:
        optimizer = keras.optimizers.Adam(learning_rate, epsilon=1e-8)
    optimizer.build(variables)
    return optimizer
