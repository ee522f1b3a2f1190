"""The seam: loops, gradients and draws mean the same compiled and not, and chance is fair."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.envs.worlds import numbers
from trader import backend


def fibonacci(carry):
    a, b = carry
    return (b, a + b), {"first": a, "pair": ops.stack([a, b])}


def one():
    return (ops.convert_to_tensor(1.0), ops.convert_to_tensor(1.0))


@pytest.mark.parametrize("n", [1, 5, 8, 9, 20])
def test_scan_stacks_every_step_in_order(n):
    carry, rows = numbers(backend.scan(fibonacci, one(), n, []))
    sequence = [1.0, 1.0]
    while len(sequence) < n + 2:
        sequence.append(sequence[-2] + sequence[-1])
    assert rows["first"].tolist() == sequence[:n]
    assert rows["pair"].tolist() == [sequence[i : i + 2] for i in range(n)]
    assert list(carry) == sequence[n : n + 2]


@pytest.mark.parametrize("n", [1, 6, 12])
@pytest.mark.parametrize("as_compiled", [False, True])
def test_scan_agrees_with_a_plain_loop(n, as_compiled):
    weight = np.random.default_rng(0).standard_normal((3, 3)).astype(np.float32)

    def step(x):
        x = ops.tanh(ops.matmul(x, weight))
        return x, (x, ops.sum(x))

    def whole(x):
        return backend.scan(step, x, n, [])

    last, (rows, sums) = numbers((backend.compiled(whole, []) if as_compiled else whole)(ops.ones((2, 3))))
    x = np.ones((2, 3))
    for i in range(n):
        x = np.tanh(x @ weight)
        assert rows[i] == pytest.approx(x, rel=1e-5, abs=1e-6)
        assert sums[i] == pytest.approx(x.sum(), rel=1e-5, abs=1e-6)
    assert (last == rows[-1]).all()


def test_scan_changes_variables_once_a_step():
    total = keras.Variable(0.0)

    def step(x):
        total.assign(total + x)
        return x + 1.0, total.value + 0.0

    program = backend.compiled(lambda x: backend.scan(step, x, 5, [total]), [total])
    assert numbers(program(ops.ones(())))[1].tolist() == [1.0, 3.0, 6.0, 10.0, 15.0]
    assert float(total.value) == 15.0


def test_scan_keeps_the_types_of_its_outputs():
    def step(i):
        return i + 1, (i, i > 2, ops.cast(i, "float32"))

    for n in (3, 12):
        _, rows = numbers(backend.scan(step, ops.zeros((), "int32"), n, []))
        assert [row.dtype for row in rows] == [np.int32, np.bool_, np.float32]


def test_repeat_serves_any_number_of_steps_with_one_program():
    traced = []

    def whole(x, n):
        traced.append(1)
        return backend.repeat(
            lambda c: {"x": c["x"] * 2.0, "n": c["n"] + 1}, {"x": x, "n": ops.zeros((), "int32")}, n, []
        )

    program = backend.compiled(whole, [])
    for n in (0, 1, 7, 100):
        result = numbers(program(ops.convert_to_tensor(3.0), ops.convert_to_tensor(n, "int32")))
        assert (result["x"], result["n"]) == (3.0 * 2.0**n, n)
    assert len(traced) == 1


def test_repeat_takes_a_plain_number_too():
    assert float(backend.repeat(lambda x: x + 1.0, ops.zeros(()), 4, [])) == 4.0


def test_variables_change_in_place_within_a_compiled_loop():
    total = keras.Variable(0.0)

    def add(x):
        total.assign(total + x)
        return x + 1.0

    backend.compiled(lambda n: backend.repeat(add, ops.ones(()), n, [total]), [total])(
        ops.convert_to_tensor(4, "int32")
    )
    assert float(total.value) == 1 + 2 + 3 + 4


@pytest.mark.parametrize("as_compiled", [False, True])
def test_value_and_grad_by_hand(as_compiled):
    # loss = mean over rows of (w·x + b − y)²; w = [2, −1], b = 0.5; x = [1, 1], [3, 0]; y = 0, 2
    # residuals 2 − 1 + 0.5 − 0 = 1.5 and 6 + 0.5 − 2 = 4.5; loss (2.25 + 20.25)/2 = 11.25
    # dw = (2/2)·(1.5·[1, 1] + 4.5·[3, 0]) = [15, 1.5]; db = 1.5 + 4.5 = 6
    w, b, other = keras.Variable([2.0, -1.0]), keras.Variable(0.5), keras.Variable(7.0)

    def loss(x, y):
        residual = ops.matmul(x, w.value) + b.value - y + 0.0 * other.value
        return ops.mean(ops.square(residual)), {"residual": residual}

    evaluate = backend.value_and_grad(loss, [w, b])
    if as_compiled:
        evaluate = backend.compiled(evaluate, [w, b, other])
    x, y = ops.convert_to_tensor([[1.0, 1.0], [3.0, 0.0]]), ops.convert_to_tensor([0.0, 2.0])
    (value, auxiliary), gradients = numbers(evaluate(x, y))
    assert value == pytest.approx(11.25)
    assert auxiliary["residual"].tolist() == pytest.approx([1.5, 4.5])
    assert gradients[0].tolist() == pytest.approx([15.0, 1.5])
    assert gradients[1] == pytest.approx(6.0)


def test_value_and_grad_through_a_model_agrees_with_differences():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)])
    x = ops.convert_to_tensor(np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32))
    evaluate = backend.value_and_grad(lambda z: (ops.mean(ops.square(model(z))), ()), model.trainable_variables)
    gradients = numbers(evaluate(x)[1])
    kernel = model.layers[0].kernel
    base = ops.convert_to_numpy(kernel.value)
    losses = []
    for sign in (1, -1):
        moved = base.copy()
        moved[1, 2] += sign * 1e-2
        kernel.assign(moved)
        losses.append(float(evaluate(x)[0][0]))
    assert gradients[0][1, 2] == pytest.approx((losses[0] - losses[1]) / 2e-2, rel=2e-2)


def as_tuples(keys):
    return [tuple(numbers(k).tolist()) for k in keys]


def test_keys_that_are_split_are_distinct_and_repeat_with_their_parent():
    keys = [k for seed in range(50) for k in as_tuples(backend.split(backend.key(seed), 20))]
    assert len(set(keys)) == 1000
    assert as_tuples(backend.split(backend.key(7), 20)) == keys[140:160]


DRAWS = {
    "uniform": lambda k: backend.uniform(k, (1000,)),
    "randint": lambda k: backend.randint(k, (1000,), 17),
    "split": lambda k: ops.stack(backend.split(k, 1000)),
    "categorical": lambda k: backend.categorical(backend.uniform(k, (1000, 3)), ops.zeros((1000, 3))),
}


@pytest.mark.parametrize("name", DRAWS)
def test_compiled_draws_equal_eager_ones_bit_for_bit(name):
    draw = DRAWS[name]
    program = backend.compiled(draw, [])
    for seed in (0, 1, 2**31 - 1):
        assert numbers(draw(backend.key(seed))).tobytes() == numbers(program(backend.key(seed))).tobytes()
    assert numbers(draw(backend.key(0))).tobytes() != numbers(draw(backend.key(1))).tobytes()


def chi_square(counts, expected):
    return float((np.square(counts - expected) / expected).sum())


def test_uniform_stays_in_its_range_and_is_uniform():
    draws = numbers(backend.uniform(backend.key(5), (200_000,)))
    assert draws.dtype == np.float32
    assert draws.min() >= 0.0
    assert draws.max() < 1.0
    assert (draws * 2**24 == np.floor(draws * 2**24)).all()
    counts = np.histogram(draws, 100, (0, 1))[0]
    assert chi_square(counts, 2000) < 148.2  # 99 degrees of freedom, 0.1 %


@pytest.mark.parametrize("high", [1, 2, 7, 100])
def test_randint_stays_in_its_range_and_is_uniform(high):
    draws = numbers(backend.randint(backend.key(6), (50_000,), high))
    assert draws.dtype == np.int32
    counts = np.bincount(draws, minlength=high)
    assert draws.min() >= 0
    assert len(counts) == high
    limit = {1: 0.01, 2: 10.8, 7: 22.5, 100: 148.2}[high]  # 0.1 % at high − 1 degrees of freedom
    assert chi_square(counts, 50_000 / high) < limit


def test_categorical_draws_with_softmax_frequencies():
    probabilities = np.array([0.5, 0.3, 0.15, 0.04, 0.01])
    logits = ops.tile(np.log(probabilities)[None].astype(np.float32) + 3.0, (100_000, 1))
    draws = numbers(backend.categorical(backend.uniform(backend.key(8), (100_000, 5)), logits))
    assert draws.dtype == np.int32
    assert chi_square(np.bincount(draws, minlength=5), 100_000 * probabilities) < 18.5  # 4 degrees, 0.1 %


def test_categorical_never_draws_a_masked_action():
    logits = ops.tile(np.float32([[-1e9, 0.0, -1e9, -20.0]]), (100_000, 1))
    draws = numbers(backend.categorical(backend.uniform(backend.key(9), (100_000, 4)), logits))
    assert set(draws.tolist()) <= {1, 3}
    extremes = np.float32([[1 - 2**-24, 0.0, 1 - 2**-24, 0.0], [0.0] * 4, [1 - 2**-24] * 4])
    assert numbers(backend.categorical(extremes, np.float32([[-1e9, 0.0, -1e9, -1e9]] * 3))).tolist() == [1, 1, 1]


def test_categorical_draws_every_leading_axis_on_its_own():
    logits = np.full((2, 3, 4), -1e9, np.float32)
    allowed = np.arange(6).reshape(2, 3) % 4
    np.put_along_axis(logits, allowed[..., None], 0.0, axis=-1)
    assert numbers(backend.categorical(backend.uniform(backend.key(1), (2, 3, 4)), logits)).tolist() == allowed.tolist()


def test_slices_are_the_rows_from_each_start_on():
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    starts = np.array([0, 17, 5, 5], np.int32)
    expected = np.stack([rows[start : start + 3] for start in starts])
    for gather in (backend.slices, backend.compiled(lambda r, s, n=3: backend.slices(r, s, n), [])):
        taken = gather(
            ops.convert_to_tensor(rows), ops.convert_to_tensor(starts), *([3] if gather is backend.slices else [])
        )
        assert np.array(taken).tolist() == expected.tolist()


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the generator of the other backend")
@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_published_words(key, counter, words):
    from trader.backend.jax import threefry

    drawn = threefry(np.array(key, np.uint32), tuple(np.array([word], np.uint32) for word in counter))
    assert tuple(int(word[0]) for word in drawn) == words
