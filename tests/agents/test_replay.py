import itertools

import numpy as np
import pytest

from trader import backend
from trader.agents import replay
from trader.agents.replay import Cursor, Layout, Transitions
from trader.errors import TraderError

LAYOUT = Layout(num_rungs=5, num_actions=3, gamma=0.99)


def batch_of(t, asset=0, rung=0, action=0):
    t = np.asarray(t, np.int32)
    same = {
        name: np.broadcast_to(np.int32(x), t.shape)
        for name, x in (("asset", asset), ("rung", rung), ("action", action))
    }
    age, next_age = bars_held(t), np.where(t % 3 == 0, 0.0, bars_held(t + 1))  # every third step trades
    accounts = np.stack([t, t + 0.25, age, t + 0.75], axis=1).astype(np.float32)
    after = np.stack([-t, -t - 0.25, next_age, -t - 0.75], axis=1).astype(np.float32)
    discounts = np.where(t % 5 == 0, 0.0, 0.99).astype(np.float32)  # every fifth step terminates
    scalars = {"reward": (t * 0.5).astype(np.float32), "discount": discounts}
    return Transitions(t=t, account=accounts, next_account=after, **same, **scalars)


def bars_held(bars):
    """The account's third feature, as the environment computes it."""
    bars = np.asarray(bars, np.float32)
    return bars / (bars + np.float32(20.0))


def filled(capacity: int, *batches: Transitions):
    storage, cursor = replay.init(capacity)
    for batch in batches:
        cursor = replay.add(storage, cursor, LAYOUT, batch)
    return storage, cursor


def sample(storage, cursor, num: int, seed: int) -> Transitions:
    return replay.gather(storage, LAYOUT, replay.draw(cursor, (num,), backend.key(seed)))


def drawn(storage, cursor, num: int, seed: int = 0) -> Transitions:
    return Transitions(*(np.asarray(x) for x in sample(storage, cursor, num, seed)))


def test_every_asset_rung_and_action_survives_the_round_trip():
    cells = np.array(list(itertools.product([0, 1, 17, 4999], range(-1, 5), range(3))), np.int32)
    batch = batch_of(np.arange(len(cells)), cells[:, 0], cells[:, 1], cells[:, 2])
    back = drawn(*filled(len(cells), batch), num=2000)
    assert set(back.t) == set(range(len(cells)))
    for name, stored, seen in zip(Transitions._fields, batch, back, strict=True):
        if name == "next_account":  # the age of a position is computed, not stored
            np.testing.assert_allclose(stored[back.t], seen, rtol=3e-7, atol=0)
        else:
            np.testing.assert_array_equal(stored[back.t], seen)


@pytest.mark.parametrize("bars", [0, 1, 19, 20, 251, 5_000, 200_000])
def test_the_age_of_a_position_follows_from_the_one_before(bars):
    batch = batch_of([1])._replace(
        account=np.array([[0, 0, bars_held(bars), 0]], np.float32),
        next_account=np.array([[0, 0, bars_held(bars + 1), 0]], np.float32),
    )
    assert drawn(*filled(1, batch), num=1).next_account[0, 2] == pytest.approx(bars_held(bars + 1), rel=3e-7)


def test_a_transition_takes_40_bytes():
    storage, _ = replay.init(100)
    assert np.asarray(storage.value).nbytes == 100 * replay.BYTES_PER_TRANSITION == 4000


def test_only_filled_rows_are_drawn():
    storage, cursor = filled(100, batch_of([1, 2, 3, 4]))
    assert set(drawn(storage, cursor, 500).t) == {1, 2, 3, 4}


def test_the_oldest_rows_are_overwritten():
    storage, cursor = filled(6, *(batch_of([2 * i, 2 * i + 1]) for i in range(4)))
    assert set(drawn(storage, cursor, 500).t) == {2, 3, 4, 5, 6, 7}
    assert (int(cursor.position), int(cursor.size)) == (2, 6)


def test_compiled_writing_changes_the_storage_in_place():
    storage, cursor = replay.init(4)
    add = backend.compiled(lambda c, b: replay.add(storage, c, LAYOUT, b), [storage])
    for i in range(3):
        cursor = add(cursor, batch_of([2 * i, 2 * i + 1]))
    assert np.asarray(storage.value)[:, 0].tolist() == [4, 5, 2, 3]


def test_compiled_and_eager_draws_agree():
    storage, cursor = filled(50, batch_of(np.arange(50)))
    draw = backend.compiled(lambda c: sample(storage, c, 64, 3), [storage])
    np.testing.assert_array_equal(np.asarray(draw(cursor).t), drawn(storage, cursor, 64, seed=3).t)


def test_draws_are_uniform():
    storage, cursor = filled(10, batch_of(np.arange(10)))
    counts = np.bincount(drawn(storage, cursor, 100_000).t, minlength=10)
    # chi-squared of 9 degrees of freedom: beyond 27.9 once in a thousand
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 27.9


def test_an_empty_replay_has_nothing():
    assert replay.empty() == Cursor(0, 0)


@pytest.mark.parametrize(("num_assets", "num_rows"), [(1, 2**24 + 1), (2**20, 100)])
def test_indices_beyond_exact_float32_are_refused(num_assets, num_rows):
    with pytest.raises(TraderError, match="exact"):
        replay.check_exact(num_assets, num_rows, LAYOUT)


def test_the_largest_exact_indices_are_accepted():
    replay.check_exact(2**24 // 72 - 1, 2**24, LAYOUT)
    batch = batch_of([2**24 - 1], 2**24 // 72 - 1, 4, 2)
    back = drawn(*filled(1, batch), num=1)
    assert (int(back.t[0]), int(back.asset[0]), int(back.rung[0]), int(back.action[0])) == (
        2**24 - 1,
        2**24 // 72 - 1,
        4,
        2,
    )
