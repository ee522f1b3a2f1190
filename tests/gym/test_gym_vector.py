"""N environments in one call equal N single ones, ends and new starts included (Gymnasium's NEXT_STEP)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode

from tests.gym.worlds import DURATION, HARD, experiment, make, make_vec, universe
from trader.gym.vector import GymMarketVectorEnv

NUM_ENVS, NUM_STEPS = 5, 150


def differences(one, other, kind: str) -> list[str]:
    """Play equal actions in both and return what differs, by name."""
    generator, faults = np.random.default_rng(0), set()
    two = [vector.reset(seed=7) for vector in (one, other)]
    compare(faults, [(obs, 0, False, False, facts) for obs, facts in two])
    for _ in range(NUM_STEPS):
        actions = generator.integers(0, one.single_action_space.n, NUM_ENVS)
        compare(faults, [vector.step(actions) for vector in (one, other)])
    return sorted(faults)


def compare(faults: set[str], two: list[tuple[Any, ...]]) -> None:
    for name, a, b in zip(("obs", "reward", "terminated", "truncated"), *(r[:4] for r in two), strict=True):
        same = np.allclose if name in ("obs", "reward") else np.array_equal
        if not same(a, b):
            faults.add(name)
    for name, value in two[1][4].items():
        ours = two[0][4].get(name)
        if ours is None or not (np.allclose(ours, value) if name == "equity" else (ours == value).all()):
            faults.add(name)


@pytest.mark.parametrize("kind", ["targets", "orders"])
def test_the_vector_form_equals_single_ones_through_ends_and_new_starts(kind: str, tmp_path):
    settings = {name: value for name, value in HARD.items() if name != "volatility"}
    config = universe(tmp_path, **settings, actions=kind)
    one, other = make_vec(config, NUM_ENVS), make_vec(config, NUM_ENVS, "sync")
    assert isinstance(one.unwrapped, GymMarketVectorEnv)
    assert one.single_observation_space == other.single_observation_space
    assert one.action_space == other.action_space
    assert one.metadata["autoreset_mode"] is other.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert differences(one, other, kind) == []


def test_a_start_in_the_same_step_would_be_noticed(monkeypatch: pytest.MonkeyPatch):
    one, other = make_vec(experiment(), NUM_ENVS), make_vec(experiment(), NUM_ENVS, "sync")
    honest = one.unwrapped.step

    def eager(actions):
        obs, *rest = honest(actions)
        ended = rest[1] | rest[2]
        if ended.any():
            obs = np.where(ended[:, None], honest(actions)[0], obs)
        return (obs, *rest)

    monkeypatch.setattr(one.unwrapped, "step", eager)
    assert "obs" in differences(one, other, "targets")


def test_the_observation_of_an_end_is_the_last_and_the_next_step_starts_anew():
    vector = make_vec(experiment(), 3)
    vector.reset(seed=0)
    for _ in range(DURATION):
        obs, _, terminated, truncated, facts = vector.step([2, 2, 2])
    assert truncated.all()
    assert not terminated.any()
    single = make(experiment())
    single.reset(seed=1)
    for _ in range(DURATION):
        last = single.step(2)
    assert np.allclose(last[0], obs[1])
    obs, reward, terminated, truncated, facts = vector.step([0, 0, 0])
    assert reward.tolist() == [0.0, 0.0, 0.0]
    assert not (terminated | truncated).any()
    assert (facts["equity"] == 100_000.0).all()
    assert (obs[:, -4:] == 0).all()


def test_observations_are_in_space_and_may_be_dictionaries():
    vector = make_vec(experiment(**HARD), NUM_ENVS, flatten=False)
    obs, facts = vector.reset(seed=0)
    assert obs["window"].shape == (NUM_ENVS, 4, 3)
    for _ in range(60):
        kept = {name: values.copy() for name, values in obs.items()}
        later, _, _, _, facts = vector.step(vector.action_space.sample())
        assert later in vector.observation_space
        assert all((obs[name] == kept[name]).all() for name in obs)
        assert facts["action_mask"].shape == vector.unwrapped.action_masks().shape == (NUM_ENVS, 5)
        obs = later


def test_seeds_of_their_own_and_repeatable_ones():
    vector = make_vec(experiment(), 3)
    first, again = (vector.reset(seed=[4, 9, 4])[0] for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert (first[0] == first[2]).all()
    assert (first[0] != first[1]).any()
    assert (vector.reset()[0] != first).any()  # without a seed the draws go on


def test_a_step_before_reset_and_actions_outside_the_space_are_refused():
    vector = make_vec(experiment(), 2).unwrapped
    with pytest.raises(ResetNeeded):
        vector.step([0, 0])
    vector.reset(seed=0)
    for actions in ([0, 3], [-1, 0], [0], [[0, 0]]):
        with pytest.raises(InvalidAction, match="must be 2 of 0 … 2"):
            vector.step(actions)
