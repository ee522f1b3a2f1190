"""Runs of several seeds: the same files as each seed alone, whether one program trains them or one after the other."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.seed_runs import bytes_of, last_value, pointed, rows, text_of, trained
from trader import backend
from trader.runs.checkpoints import read_checkpoint

maps_seeds = pytest.mark.skipif(not backend.MAPS_SEEDS, reason="this backend trains one seed after the other")


def largest_gap(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    assert one.keys() == other.keys()
    gaps = (np.abs(one[name].astype(float) - other[name]) / (1e-2 + np.abs(other[name].astype(float))) for name in one)
    return max(float(gap.max()) for gap in gaps if gap.size)


Trained = Callable[..., Path]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """`trained` with the folder left out; equal runs are trained once."""
    return cache(lambda *of: trained(tmp_path_factory.mktemp("once") / "run", *of))


EACH = (0, 1, 2) if backend.MAPS_SEEDS else (1,)


@pytest.mark.parametrize(
    ("agent", "ks"), [("a2c", EACH), *(pytest.param(name, (1,), marks=maps_seeds) for name in ("dqn", "reinforce"))]
)
def test_a_run_of_three_seeds_equals_runs_of_one(agent: str, ks: tuple[int, ...], once: Trained):
    together = once(agent, 5, 3)
    for k in ks:
        alone = once(agent, 5 + k, 1)
        assert largest_gap(last_value(together, k), last_value(alone, 0)) < 1e-2
        assert set(bytes_of(alone, 0)) <= set(bytes_of(together, k))
        for ours, theirs in zip(rows(together, k), rows(alone, 0), strict=True):
            assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4, nan_ok=True)
        if not backend.MAPS_SEEDS:
            assert (bytes_of(together, k), text_of(together, k)) == (bytes_of(alone, 0), text_of(alone, 0))
    assert largest_gap(last_value(together, 0), last_value(together, 1)) > 0.1


@maps_seeds
def test_seeds_trained_one_at_a_time_are_runs_of_one_bit_for_bit(once: Trained):
    one_at_a_time = once("a2c", 5, 2, "train.seeds_per_program=1")
    for k in range(2):
        alone = once("a2c", 5 + k, 1)
        assert bytes_of(one_at_a_time, k) == bytes_of(alone, 0)
        assert text_of(one_at_a_time, k) == text_of(alone, 0)
    assert bytes_of(one_at_a_time, 0) != bytes_of(one_at_a_time, 1)


@maps_seeds
@pytest.mark.parametrize("agent", ["dqn", "a2c"])
def test_the_same_run_twice_gives_the_same_bytes(agent: str, once: Trained, tmp_path: Path):
    one, other = once(agent, 5, 3), trained(tmp_path / "again", agent, 5, 3)
    for k in range(3):
        assert bytes_of(one, k) == bytes_of(other, k)
        assert text_of(one, k) == text_of(other, k)


@maps_seeds
def test_programs_of_two_and_of_three_seeds_train_the_same_seeds(once: Trained):
    all_at_once, in_pairs = once("a2c", 5, 3), once("a2c", 5, 3, "train.seeds_per_program=2")
    meta = [read_checkpoint(pointed(in_pairs, k))[1]["together"] for k in range(3)]
    assert meta == [[0, 1], [0, 1], [2]]
    assert all(read_checkpoint(pointed(all_at_once, k))[1]["together"] == [0, 1, 2] for k in range(3))
    for k in range(3):
        assert largest_gap(last_value(in_pairs, k), last_value(all_at_once, k)) < 1e-2


def saves(run_folder: Path, seed: int) -> list[int]:
    return [int(name.removeprefix("step-")) for name in bytes_of(run_folder, seed)]


def best_steps(run_folder: Path, seed: int) -> list[int]:
    """Return the steps of the rows that were a new best."""
    best, found = -np.inf, []
    for row in rows(run_folder, seed):
        if row["valid/log_growth"] > best:
            best = row["valid/log_growth"]
            found.append(int(row["step"]))
    return found


@maps_seeds
def test_every_seed_of_a_program_is_saved_whenever_one_has_a_best(tmp_path: Path):
    """So there is always a step that all can go on from; `best` itself belongs to each seed alone."""
    found = trained(tmp_path / "run", "a2c", 5, 3, "train.keep_checkpoints=100", "train.total_timesteps=1680")
    own = [set(best_steps(found, k)) for k in range(3)]
    assert len({frozenset(steps) for steps in own}) > 1
    assert saves(found, 0) == saves(found, 1) == saves(found, 2)
    assert set.union(*own) <= set(saves(found, 0))
    for k in range(3):
        assert pointed(found, k, "best").name == f"step-{max(own[k]):09d}"


@maps_seeds
def test_a_seed_that_stops_early_ends_alone_and_the_others_go_on(tmp_path: Path):
    settings = ("train.early_stopping_patience=2", "train.total_timesteps=3360")
    found = trained(tmp_path / "run", "a2c", 5, 3, *settings)
    ends = [int(rows(found, k)[-1]["step"]) for k in range(3)]
    assert len(set(ends)) > 1
    for k in range(3):
        meta: dict[str, Any] = read_checkpoint(pointed(found, k))[1]
        assert meta["finished"]
        assert pointed(found, k).name == f"step-{ends[k]:09d}"
        stale = [row["step"] for row in rows(found, k) if row["step"] > meta["best_step"]]
        assert len(stale) == meta["stale"]
        assert ends[k] == 3360 or meta["stale"] == 2
    first = int(np.argmin(ends))
    alone = trained(tmp_path / "alone", "a2c", 5 + first, 1, *settings)
    assert [row["step"] for row in rows(alone, 0)] == [row["step"] for row in rows(found, first)]
