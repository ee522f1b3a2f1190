"""Programs of several seeds, and which variables a compiled program reads: where JAX must be told what to carry."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from tests.envs.worlds import numbers
from trader import backend

maps_seeds = pytest.mark.skipif(not backend.MAPS_SEEDS, reason="this backend takes one seed after the other")
lifts = pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow captures every variable it meets")


class Fit:
    """A small network that learns by itself: a loop of gradient steps on inputs that a scan makes from a key."""

    def __init__(self) -> None:
        self.model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)])
        self.optimizer = keras.optimizers.Adam(0.05)
        self.optimizer.build(self.model.trainable_variables)
        self.seen = keras.Variable(0.0, trainable=False)
        self.variables = [*self.model.variables, *self.optimizer.variables, self.seen]
        self.zeroth = [np.array(variable.value) for variable in self.variables]

    def start(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        for number, (variable, zeroth) in enumerate(zip(self.variables, self.zeroth, strict=True)):
            is_weight = number < len(self.model.variables)
            variable.assign(generator.standard_normal(zeroth.shape).astype(np.float32) if is_weight else zeroth)

    def loss(self, x: Any) -> tuple[Any, Any]:
        return ops.mean(ops.square(self.model(x) - x[:, :1])) * (1.0 + 0.0 * self.seen.value), ()

    def step(self, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        key, scale = carry
        now, following = backend.split(key, 2)
        rows = backend.uniform(now, (4, 5, 2))

        def shifted(i: Any) -> tuple[Any, Any]:
            self.seen.assign(self.seen + 1.0)
            return i + 1, scale * rows[i] + self.seen.value / 100.0

        _, x = backend.scan(shifted, ops.zeros((), "int32"), 4, self.variables)
        _, gradients = backend.value_and_grad(self.loss, self.model.trainable_variables)(ops.reshape(x, (-1, 2)))
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return following, scale

    def run(self, shared: Any, key: Any, n: Any) -> dict[str, Any]:
        key, _ = backend.repeat(self.step, (key, shared), n, self.variables)
        return {"key": key, "count": n + 0}


SEEDS = (3, 4, 9, 0)  # as many as divide over the devices that the tests make
BY_SEED: tuple[str, ...] = (backend.SEEDS,)
OUT = {"key": BY_SEED, "count": ()}


def alone(fit: Fit, seed: int, n: int) -> tuple[list[np.ndarray], Any]:
    fit.start(seed)
    result = backend.compiled(fit.run, fit.variables)(
        ops.ones(()), backend.key(seed), ops.convert_to_tensor(n, "int32")
    )
    return [np.array(variable.value) for variable in fit.variables], numbers(result)


def stacked_values(fit: Fit) -> list[Any]:
    parts = []
    for seed in SEEDS:
        fit.start(seed)
        parts.append([np.array(variable.value) for variable in fit.variables])
    return [ops.convert_to_tensor(np.stack(same)) for same in zip(*parts, strict=True)]


@maps_seeds
def test_seeds_side_by_side_equal_each_alone():
    fit = Fit()
    keys = ops.stack([backend.key(seed) for seed in SEEDS])
    program = backend.mapped(fit.run, fit.variables, backend.grid(1), ((), BY_SEED, ()), OUT)
    values, result = program(stacked_values(fit), ops.ones(()), keys, ops.convert_to_tensor(6, "int32"))
    assert int(result["count"]) == 6
    for lane, seed in enumerate(SEEDS):
        expected, told = alone(fit, seed, 6)
        assert np.array(result["key"])[lane].tolist() == told["key"].tolist()
        for ours, theirs in zip(values, expected, strict=True):
            np.testing.assert_allclose(np.array(ours)[lane], theirs, rtol=2e-4, atol=2e-5)
    assert float(values[-1][0]) == 24.0
    assert np.abs(np.array(values[0])[0] - np.array(values[0])[1]).max() > 0.01


@maps_seeds
def test_a_mapped_reader_gives_each_seed_its_answer_and_changes_nothing():
    fit = Fit()
    values, x = stacked_values(fit), ops.convert_to_tensor([[0.5, -1.0], [2.0, 0.25]])
    before = [np.array(value) for value in values]
    answers = np.array(backend.mapped_reader(lambda x: fit.model(x), fit.variables, backend.grid(1), ((),))(values, x))
    for lane, seed in enumerate(SEEDS):
        fit.start(seed)
        np.testing.assert_allclose(answers[lane], np.array(fit.model(x)), rtol=1e-5)
    assert all((np.array(value) == old).all() for value, old in zip(values, before, strict=True))


@maps_seeds
def test_values_given_to_a_mapped_program_are_donated_not_copied():
    big = keras.Variable(np.zeros(1000, np.float32), trainable=False)

    def add(x: Any) -> Any:
        big.assign(big + x)
        return x

    grid, steps = backend.grid(1), [1.0, 2.0, 3.0, 4.0]
    values = backend.placed([ops.zeros((4, 1000))], grid, BY_SEED)
    changed, _ = backend.mapped(add, [big], grid, (BY_SEED,), BY_SEED)(values, ops.convert_to_tensor(steps))
    assert np.array(changed[0]).sum(axis=1).tolist() == [1000.0 * step for step in steps]
    assert values[0].is_deleted()
    assert np.array(big.value).sum() == 0.0


@lifts
def test_a_compiled_program_donates_its_variables_and_a_reader_does_not():
    level = keras.Variable(np.zeros(8, np.float32), trainable=False)
    old = level.value
    assert float(backend.compiled_reader(lambda: ops.sum(level.value), [level])()) == 0.0
    assert not old.is_deleted()
    backend.compiled(lambda: level.assign(level + 1.0), [level])()
    assert old.is_deleted()
    assert np.array(level.value).tolist() == [1.0] * 8


@maps_seeds
@pytest.mark.parametrize("forgotten", ["by the program", "by the loop", "by neither"])
def test_a_variable_that_is_not_listed_would_be_a_constant(forgotten: str):
    """Planted: the program or the loop inside does not list what it reads."""
    level = keras.Variable(1.0, trainable=False)
    inside = [] if forgotten == "by the loop" else [level]

    def whole(x: Any) -> Any:
        level.assign(level + 1.0)
        return backend.repeat(lambda y: y + level.value, x, 3, inside)

    listed = [] if forgotten == "by the program" else [level]
    values = [ops.convert_to_tensor([10.0, 20.0, 30.0, 40.0])] if listed else []
    _, result = backend.mapped(whole, listed, backend.grid(1), (BY_SEED,), BY_SEED)(values, ops.zeros((4,)))
    right = [33.0, 63.0, 93.0, 123.0]
    assert (np.array(result).tolist() == right) == (forgotten == "by neither")


def test_every_nested_loop_and_gradient_reads_what_the_program_has_just_changed():
    # before: w = 2, k = 1. Each of 2 rounds: k += 1, then 3 scan steps give x = k·w + 0, 1, 2; the gradient of
    # k·w² is 2·k·w; w −= 0.1 of it. Round 1: k = 2, x = 4, 5, 6, w = 2 − 0.8 = 1.2. Round 2: k = 3, x = 3.6, 4.6, 5.6,
    # w = 1.2 − 0.72 = 0.48. Sums of x: 15 + 13.8.
    w, k = keras.Variable(2.0), keras.Variable(1.0, trainable=False)
    both = [w, k]

    def round_of(total: Any) -> Any:
        k.assign(k + 1.0)
        _, x = backend.scan(lambda i: (i + 1.0, k * w + i), ops.zeros(()), 3, both)
        _, gradients = backend.value_and_grad(lambda: (k * w * w, ()), [w])()
        w.assign(w - 0.1 * gradients[0])
        return total + ops.sum(x)

    program = backend.compiled(lambda: backend.repeat(round_of, ops.zeros(()), 2, both), both)
    assert float(program()) == pytest.approx(28.8, rel=1e-6)
    assert [float(w.value), float(k.value)] == pytest.approx([0.48, 3.0], rel=1e-6)
