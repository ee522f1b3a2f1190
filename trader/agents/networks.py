"""Keras networks from config: window `[W, F]` and account `[C]` in, one output per head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from trader.config import MlpNetwork


def build_network(
    network: MlpNetwork,
    window_shape: tuple[int, int],
    num_account: int,
    heads: dict[str, int],
    seed: int,
    precision: str = "float32",
) -> keras.Model:
    """Return a model `[window [N, W, F], account [N, C]] -> [output [N, size] for each head]`.

    Hidden layers start orthogonal with gain √2, heads with gain 0.01 (policy) or 1, biases at zero.

    Args:
        network: the config's network.
        window_shape: (W, F).
        num_account: C.
        heads: name -> outputs; the layers carry these names.
        seed: of the initial weights; equal seeds give equal weights.
        precision: `mixed_bfloat16` computes the hidden layers in bfloat16; weights and heads are float32 always.

    Reference:
        Andrychowicz et al. (2021), What matters in on-policy reinforcement learning, section 3.2 (small policy head).
    """
    policy = "mixed_bfloat16" if precision == "mixed_bfloat16" else "float32"
    window = keras.Input(window_shape, name="window")
    account = keras.Input((num_account,), name="account")
    hidden: Any = keras.layers.Concatenate()([keras.layers.Flatten()(window), account])
    for number, units in enumerate(network.net_arch):
        start = keras.initializers.Orthogonal(gain=2**0.5, seed=seed * 1009 + number)
        name = f"hidden_{number}"
        hidden = keras.layers.Dense(units, network.activation, kernel_initializer=start, dtype=policy, name=name)(
            hidden
        )
    outputs = []
    for number, (name, size) in enumerate(heads.items()):
        gain = 0.01 if name == "policy" else 1.0
        start = keras.initializers.Orthogonal(gain=gain, seed=seed * 1009 + 500 + number)
        outputs.append(keras.layers.Dense(size, kernel_initializer=start, dtype="float32", name=name)(hidden))
    return keras.Model([window, account], outputs)


def build_optimizer(name: str, learning_rate: float, variables: list[Any]) -> keras.optimizers.Optimizer:
    """Return a built Adam (epsilon 1e-8) or RMSprop (decay 0.99, epsilon 1e-5) over `variables`."""
    if name == "rmsprop":
        optimizer = keras.optimizers.RMSprop(learning_rate, rho=0.99, epsilon=1e-5)
    else:
        optimizer = keras.optimizers.Adam(learning_rate, epsilon=1e-8)
    optimizer.build(variables)
    return optimizer
