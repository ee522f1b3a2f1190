"""Several seeds in one program are the same seeds as each alone: values, greedy passes, snapshots."""

import numpy as np
import pytest
from keras import ops

from tests.agents.markets import BUSY, BUSY_ITERATIONS, busy_agent, busy_task
from trader import backend
from trader.lanes import Lanes, Trainer, begin, build_trainer, lane_of, restore, snapshot, without_stats
from trader.training import Plan, Task, start, train

maps_seeds = pytest.mark.skipif(not backend.MAPS_SEEDS, reason="this backend trains one seed after the other")

SEEDS = (4, 0, 7)


@pytest.fixture(scope="module")
def task() -> Task:
    return busy_task()


@pytest.fixture(scope="module", params=BUSY)
def together(request: pytest.FixtureRequest) -> Trainer:
    return build_trainer(busy_agent(request.param), len(SEEDS))


@pytest.fixture(scope="module")
def alone(together: Trainer) -> Trainer:
    return build_trainer(busy_agent(together.agent.name))


def moved(trainer: Trainer, task: Task, lanes: Lanes, n: int) -> Lanes:
    return trainer.chunk(task.market, task.train, lanes, ops.convert_to_tensor(n, "int32"))


def begun(trainer: Trainer, task: Task, *seeds: int) -> Lanes:
    return begin(trainer, task.market, task.train, seeds)


def assert_close(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for name, array in found.items():
        assert (array.shape, array.dtype) == (wanted[name].shape, wanted[name].dtype), name
        np.testing.assert_allclose(array, wanted[name], rtol=1e-3, atol=1e-4, err_msg=name)


def same_bytes(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> bool:
    assert found.keys() == wanted.keys()
    return all(array.tobytes() == wanted[name].tobytes() for name, array in found.items())


@maps_seeds
def test_seeds_in_one_program_equal_each_alone_to_float_tolerance(together, alone, task):
    n = BUSY_ITERATIONS[together.agent.name]
    lanes = moved(together, task, begun(together, task, *SEEDS), n)
    passes = together.greedy(task.market, task.valid, lanes)
    for lane, seed in enumerate(SEEDS):
        own = moved(alone, task, begun(alone, task, seed), n)
        assert float(own.carry.stats.updates) > 0
        assert_close(snapshot(together, lanes, lane), snapshot(alone, own))
        (expected,) = alone.greedy(task.market, task.valid, own)
        np.testing.assert_allclose(passes[lane].equity, expected.equity, rtol=1e-4)
        assert (passes[lane].alive == expected.alive).all()
    weights = [snapshot(together, lanes, lane)["variable/000"] for lane in range(len(SEEDS))]
    assert np.abs(weights[0] - weights[1]).max() > 0.01


@maps_seeds
def test_a_seed_does_not_feel_which_seeds_are_beside_it(together, task):
    """Swapping the others changes no bit of a seed; a change of its own seed does."""
    n = BUSY_ITERATIONS[together.agent.name]
    one = snapshot(together, moved(together, task, begun(together, task, 4, 0, 7), n), 0)
    other = snapshot(together, moved(together, task, begun(together, task, 4, 9, 2), n), 0)
    changed = snapshot(together, moved(together, task, begun(together, task, 3, 9, 2), n), 0)
    assert same_bytes(one, other)
    assert not same_bytes(one, changed)


@maps_seeds
def test_seeds_restored_from_their_snapshots_go_on_bit_for_bit(together, task):
    n = BUSY_ITERATIONS[together.agent.name]
    half = moved(together, task, begun(together, task, *SEEDS), n)
    saved = [snapshot(together, half, lane) for lane in range(len(SEEDS))]
    whole = moved(together, task, half, n)
    fresh = build_trainer(busy_agent(together.agent.name), len(SEEDS))
    restored = restore(fresh, begun(fresh, task, 1, 2, 3), saved)
    resumed = moved(fresh, task, restored, n)
    for lane in range(len(SEEDS)):
        assert same_bytes(snapshot(fresh, resumed, lane), snapshot(together, whole, lane))
        assert not same_bytes(snapshot(fresh, resumed, lane), saved[lane])


@maps_seeds
def test_a_snapshot_of_another_shape_is_refused_in_any_lane(together, task):
    lanes = begun(together, task, *SEEDS)
    good = [snapshot(together, lanes, lane) for lane in range(len(SEEDS))]
    assert all(same_bytes(snapshot(together, restore(together, lanes, good), i), good[i]) for i in range(len(SEEDS)))
    for name in ("variable/001", "carry/env/t"):
        with pytest.raises(ValueError, match="shape"):
            restore(together, lanes, [*good[:2], good[2] | {name: good[2][name][:-1]}])
        with pytest.raises(KeyError):
            restore(together, lanes, [*good[:2], {k: v for k, v in good[2].items() if k != name}])


@maps_seeds
def test_sums_of_all_seeds_begin_anew_and_nothing_else_changes(together, task):
    lanes = moved(together, task, begun(together, task, *SEEDS), 3)
    cleared = without_stats(together, lanes)
    for lane in range(len(SEEDS)):
        before, after = (snapshot(together, one, lane) for one in (lanes, cleared))
        assert float(lane_of(together, lanes.carry, lane).stats.steps) > 0
        assert all(float(total) == 0.0 for total in lane_of(together, cleared.carry, lane).stats)
        changed = [name for name in before if before[name].tobytes() != after[name].tobytes()]
        assert all(name.startswith("carry/stats/") for name in changed)


@maps_seeds
@pytest.mark.parametrize("together", ["a2c"], indirect=True)
def test_training_reports_of_each_seed_what_it_would_alone(together, alone, task):
    plan = Plan(96, 32, 48, None)
    events = list(train(together, task, plan, *start(together, task, SEEDS)))
    for lane, seed in enumerate(SEEDS):
        own = list(train(alone, task, plan, *start(alone, task, [seed])))
        ours = {event.step: event.reports[lane].metrics for event in events if event.reports[lane].metrics}
        theirs = {event.step: event.reports[0].metrics for event in own if event.reports[0].metrics}
        assert list(ours) == list(theirs) == [32, 64, 96]
        for step, row in ours.items():
            assert row == pytest.approx(theirs[step], rel=1e-3, abs=1e-4)


def test_a_backend_without_programs_of_several_seeds_refuses_them():
    if backend.MAPS_SEEDS:
        assert build_trainer(busy_agent("a2c"), 2).num_lanes == 2
    else:
        with pytest.raises(ValueError, match="received 2 at once"):
            build_trainer(busy_agent("a2c"), 2)
