"""Episodes: where they start and end, what they may read (P13), and that nothing outside moves them (P14)."""

import random
from functools import cache
from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

from tests.envs.worlds import Played, market_env, numbers, on_device, play, random_asset, seen_and_played, world
from trader import backend
from trader.envs import bars

WINDOW, DURATION, NUM_ENVS, NUM_STEPS = 3, 25, 4, 500
LENGTHS, FIRST = (120, 60, 200), [10, 2, 50]
LAST = [100, 58, 190]
HARD = {
    "window_size": WINDOW,
    "positions": [-3.0, -1.0, 0.0, 1.0, 3.0],
    "trading_fees": 0.01,
    "slippage_bps": 20.0,
    "borrow_interest_rate": 1.0,
    "max_episode_duration": DURATION,
    "drawdown_penalty": {},
    "turnover_penalty": 0.01,
}


def poisoned():
    """Return (market, segment) of three assets, volatile enough to ruin; NaN wherever no decision may look."""
    generator = np.random.default_rng(8)
    assets = [random_asset(generator, n, volatility=0.08) for n in LENGTHS]
    features = generator.standard_normal((3, max(LENGTHS), 2)).astype(np.float32)
    market, segment = world(assets, features=features, first=FIRST, last=LAST)
    for asset, (first, last) in enumerate(zip(FIRST, LAST, strict=True)):
        market.features[asset, : first - WINDOW + 1] = np.nan
        for values in market:
            values[asset, last + 2 :] = np.nan
        for values in market[1:]:
            values[asset, :first] = np.nan
        market.open[asset, first] = market.years[asset, first] = np.nan
    return market, segment


class Episode(NamedTuple):
    """A decision of a random player with resets, `[n, N, …]`."""

    asset: np.ndarray
    action: np.ndarray
    played: Played
    next_t: np.ndarray


def moved(env, market, segment, state, key):
    """Return (state, key, record) after one random legal decision; ended episodes start again."""
    action_key, reset_key, key = backend.split(key, 3)
    logits = ops.where(bars.action_mask(env, state), 0.0, -1e9)
    action = backend.categorical(backend.uniform(action_key, logits.shape), logits)
    following, record = seen_and_played(env, market, segment, state, action)
    done = ops.logical_or(record.terminated, record.truncated)
    fresh = bars.reset(env, segment, NUM_ENVS, reset_key)
    return bars.where_done(done, fresh, following), key, Episode(state.asset, action, record, following.t)


@cache
def long_play(actions, fill="next_open"):
    """Return the compiled `seed -> Episode` of 500 random decisions."""
    env = market_env(0.01, **HARD, actions=actions, fill=fill)
    market, segment = map(on_device, poisoned())

    def whole(market, segment, key):
        reset_key, key = backend.split(key, 2)
        start = (bars.reset(env, segment, NUM_ENVS, reset_key), key)

        def one(carry):
            state, key, record = moved(env, market, segment, *carry)
            return (state, key), record

        return backend.scan(one, start, NUM_STEPS, [])[1]

    program = backend.compiled(whole, [])
    return cache(lambda seed: numbers(program(market, segment, backend.key(seed))))


@pytest.mark.parametrize("actions", ["targets", "orders"])
def test_the_contract_holds_for_20_seeds_of_500_steps(actions):
    ruins = 0
    for seed in range(20):
        episode = long_play(actions)(seed)
        path = episode.played
        for name in ("window", "account", "reward", "equity", "cash", "units"):
            assert np.isfinite(getattr(path, name)).all(), name
        assert not (path.terminated & path.truncated).any()
        assert (path.equity >= 0).all()
        assert (np.abs(path.account[..., :2]) <= 5).all()
        assert ((path.account[..., 2] >= 0) & (path.account[..., 2] < 1)).all()
        assert ((path.account[..., 3] >= -1) & (path.account[..., 3] <= 0)).all()
        assert np.take_along_axis(path.mask, episode.action[..., None], axis=-1).all()
        assert path.window.dtype == path.account.dtype == path.reward.dtype == np.float32
        ruins += path.terminated.sum()
    assert ruins > 20


@pytest.mark.parametrize(("name", "shift"), [("windows", -1), ("at", 1)])
def test_the_poison_is_tasted_by_a_read_of_one_row_too_many(name, shift, monkeypatch):
    market, segment = poisoned()
    right = getattr(bars, name)
    env = market_env(window_size=WINDOW, positions=[0.5, 1.0])

    def is_clean():
        path = play(env, market, segment, np.arange(57)[:, None] % 2, asset=[1])
        return all(np.isfinite(values).all() for values in path)

    assert is_clean()
    monkeypatch.setattr(bars, name, lambda *arguments: right(*arguments[:-1], arguments[-1] + shift))
    assert not is_clean()


def test_episodes_start_where_a_whole_one_fits_and_end_after_their_duration():
    for seed in range(20):
        episode = long_play("targets")(seed)
        path, first, last = episode.played, np.asarray(FIRST)[episode.asset], np.asarray(LAST)[episode.asset]
        done = path.terminated | path.truncated
        starts = np.concatenate([np.ones((1, NUM_ENVS), bool), done[:-1]])
        assert (path.t[starts] >= first[starts]).all()
        assert (path.t[starts] <= last[starts] - DURATION + 1).all()
        assert (path.t <= last).all()
        assert (episode.next_t == path.t + 1).all()  # the state before any reset
        assert (path.t[1:][~starts[1:]] == path.t[:-1][~done[:-1]] + 1).all()
        begun = np.maximum.accumulate(np.where(starts, np.arange(NUM_STEPS)[:, None], 0), axis=0)
        elapsed = np.arange(NUM_STEPS)[:, None] - begun + 1
        assert (path.truncated == ((elapsed == DURATION) & ~path.terminated)).all()


def test_a_new_episode_starts_in_cash_with_nothing_remembered():
    episode = long_play("orders")(0)
    path = episode.played
    done = path.terminated | path.truncated
    fresh = path.account[1:][done[:-1]]
    assert len(fresh) > 50
    assert (fresh == 0).all()
    assert path.mask[1:][done[:-1]].all()  # on the middle rung again


def starts_of(env, num_envs=4000, seed=3):
    segment = on_device(poisoned()[1])
    state = numbers(bars.reset(env, segment, num_envs, backend.key(seed)))
    return state.asset, state.t


def test_every_asset_and_every_possible_start_is_drawn_evenly():
    asset, t = starts_of(market_env(**HARD))
    counts = np.bincount(asset, minlength=3)
    assert (np.abs(counts - 4000 / 3) < 5 * np.sqrt(4000 * 2 / 9)).all()
    for m in range(3):
        assert np.unique(t[asset == m]).tolist() == list(range(FIRST[m], LAST[m] - DURATION + 2))


@pytest.mark.parametrize("num_assets", [1, 2, 3, 5, 7, 15, 100])
def test_the_smallest_and_the_largest_draw_stay_inside(num_assets):
    segment = bars.Segment(np.full(num_assets, 7, np.int32), np.full(num_assets, 60_006, np.int32))
    env = market_env(max_episode_duration=2)
    state = numbers(bars.reset_by(env, on_device(segment), np.float32([[0, 0], [1 - 2**-24] * 2])))
    assert state.asset.tolist() == [0, num_assets - 1]
    assert state.t.tolist() == [7, 60_005]


def test_without_a_duration_episodes_begin_at_the_first_row_and_run_to_the_last():
    env = market_env(**{**HARD, "max_episode_duration": None})
    asset, t = starts_of(env, 100)
    assert (t == np.asarray(FIRST)[asset]).all()
    market, segment = poisoned()
    path = play(market_env(window_size=WINDOW), market, segment, np.ones((57, 1)), asset=[1])
    assert path.truncated[:, 0].tolist() == [False] * 56 + [True]
    assert path.t[-1, 0] == LAST[1]


def test_a_segment_shorter_than_an_episode_starts_at_its_first_row_and_ends_at_its_end():
    env = market_env(**{**HARD, "max_episode_duration": 57 + 1})
    asset, t = starts_of(env, 300)
    assert (t[asset == 1] == FIRST[1]).all()
    market, segment = poisoned()
    path = play(market_env(window_size=WINDOW, max_episode_duration=58), market, segment, np.ones((57, 1)), asset=[1])
    assert path.truncated[:, 0].tolist() == [False] * 56 + [True]


def test_inputs_are_not_changed():
    env = market_env(**HARD)
    market, segment = map(on_device, poisoned())
    state = bars.reset(env, segment, NUM_ENVS, backend.key(1))
    before = numbers((market, segment, state))
    for _ in range(3):
        moved(env, market, segment, state, backend.key(2))
    same = keras.tree.map_structure(lambda a, b: a.tobytes() == b.tobytes(), before, numbers((market, segment, state)))
    assert all(keras.tree.flatten(same))


@cache
def single_step():
    env = market_env(0.01, **HARD)
    arguments = tuple(map(on_device, poisoned()))
    step = backend.compiled(lambda market, segment, state, key: moved(env, market, segment, state, key), [])
    return lambda state, key: step(*arguments, state, key)


def bytes_of(seed, num_steps, disturb, step=None):
    """Return all bytes of a path of single steps, `disturb(i)` called between them."""
    step = step or single_step()
    reset_key, key = backend.split(backend.key(seed), 2)
    state = bars.reset(market_env(0.01, **HARD), on_device(poisoned()[1]), NUM_ENVS, reset_key)
    seen = []
    for i in range(num_steps):
        disturb(i)
        state, key, record = step(state, key)
        seen += [array.tobytes() for array in keras.tree.flatten(numbers((record, state)))]
    return b"".join(seen)


def test_the_same_bytes_while_global_generators_and_a_second_environment_move():
    other = [(bars.reset(market_env(**HARD), on_device(poisoned()[1]), NUM_ENVS, backend.key(77)), backend.key(78))]

    def disturb(i):
        random.seed(i)
        np.random.seed(i)  # noqa: NPY002
        keras.utils.set_random_seed(i)
        other[0] = single_step()(*other[0])[:2]

    quiet = bytes_of(4, 60, lambda i: None)
    assert bytes_of(4, 60, disturb) == quiet
    assert bytes_of(5, 60, lambda i: None) != quiet


def test_a_step_that_draws_from_a_global_generator_is_caught():
    def reseeded(i):
        np.random.seed(i)  # noqa: NPY002

    def leaky(state, key):
        return single_step()(state, backend.key(int(np.random.randint(2**31 - 1))))  # noqa: NPY002

    reseeded(99)
    quiet = bytes_of(4, 10, lambda i: None, leaky)
    assert bytes_of(4, 10, reseeded, leaky) != quiet


def test_seed_0_is_a_seed():
    zero, again, one = (bytes_of(seed, 20, lambda i: None) for seed in (0, 0, 1))
    assert zero == again
    assert zero != one
