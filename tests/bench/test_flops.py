"""FLOPs per environment step, worked by hand: 2·MAC per pass."""

import keras
import pytest

from trader.agents.networks import build_network
from trader.bench.flops import Macs, count_macs, flops_per_env_step
from trader.config import A2cConfig, DqnConfig, MlpNetwork, ReinforceConfig
from trader.evaluation.results import Undefined


def mlp(heads: dict[str, int], net_arch: list[int]) -> keras.Model:
    """192 numbers of a window of 32 × 6 and 4 of the account: 196 inputs."""
    return build_network(MlpNetwork(net_arch=net_arch), (32, 6), 4, heads)


def test_the_standard_a2c_costs_110_080_operations_a_step():
    model = mlp({"policy": 3, "value": 1}, [64, 64])
    # 196·64 = 12,544; 64·64 = 4,096; 64·3 + 64·1 = 256.
    assert count_macs(model) == Macs(16_896, 12_544)
    # Rollout 16,896; update 3·16,896 − 12,544; two operations each.
    assert flops_per_env_step(A2cConfig(name="a2c"), model) == 110_080.0


def test_reinforce_is_counted_like_a2c_without_the_value_head():
    model = mlp({"policy": 3}, [64, 64])
    assert flops_per_env_step(ReinforceConfig(name="reinforce"), model) == 2.0 * (4 * 16_832 - 12_544)


@pytest.mark.parametrize(("double", "operations"), [(False, 910_208.0), (True, 1_179_520.0)])
def test_dqn_adds_its_batches_and_the_passes_over_next_observations(double: bool, operations: float):
    model = mlp({"q_values": 3}, [64, 64])
    config = DqnConfig(name="dqn", train_freq=16, gradient_steps=4, batch_size=32, double=double)
    # 4·32/16 = 8 transitions a step. Rollout 16,832; update 8·(3·16,832 − 12,544) = 303,616.
    # Target pass 8·16,832 = 134,656; double: as much again for the online network.
    assert flops_per_env_step(config, model) == operations


def test_without_hidden_layers_every_head_is_a_first_layer():
    model = mlp({"policy": 3, "value": 1}, [])
    assert count_macs(model) == Macs(784, 784)
    assert flops_per_env_step(A2cConfig(name="a2c"), model) == 2.0 * 3 * 784


def test_a_convolution_costs_its_kernel_at_every_position():
    window, account = keras.Input((10, 6)), keras.Input((4,))
    # Kernel 3 × 6 × 8 = 144 at (10 − 3) // 2 + 1 = 4 positions = 576; 4·8 + 4 = 36 numbers into 5 units = 180.
    hidden = keras.layers.Conv1D(8, 3, strides=2)(window)
    hidden = keras.layers.LayerNormalization()(hidden)
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(hidden), account])
    assert count_macs(keras.Model([window, account], keras.layers.Dense(5)(joined))) == Macs(756, 576)


def test_a_dense_layer_over_a_window_costs_its_kernel_at_every_row():
    window = keras.Input((10, 6))
    assert count_macs(keras.Model(window, keras.layers.Dense(8)(window))) == Macs(480, 480)


def test_a_layer_without_a_formula_makes_the_count_undefined_and_is_named():
    window = keras.Input((10, 6))
    model = keras.Model(window, keras.layers.Dense(3)(keras.layers.LSTM(4, name="memory")(window)))
    expected = Undefined("no formula for layer memory (LSTM)")
    assert count_macs(model) == expected
    assert flops_per_env_step(A2cConfig(name="a2c"), model) == expected


def test_an_output_of_unknown_length_makes_the_count_undefined():
    window = keras.Input((None, 6))
    assert isinstance(count_macs(keras.Model(window, keras.layers.Conv1D(8, 3, name="scan")(window))), Undefined)
