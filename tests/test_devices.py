"""Seeds and environments that are split over devices give what one device gives (JAX, on devices made of a CPU)."""

from typing import Any

import numpy as np
import pytest
from keras import ops

from tests.agents.markets import BUSY, BUSY_ITERATIONS, busy_agent, busy_task
from trader import backend
from trader.lanes import Lanes, Trainer, begin, build_trainer, snapshot
from trader.training import Task

pytestmark = pytest.mark.skipif(not backend.MAPS_SEEDS, reason="this backend trains a seed on one device")


@pytest.fixture(scope="module")
def task() -> Task:
    return busy_task()


def trained(trainer: Trainer, task: Task, *seeds: int) -> Lanes:
    lanes = begin(trainer, task.market, task.train, seeds)
    n = ops.convert_to_tensor(BUSY_ITERATIONS[trainer.agent.name], "int32")
    return trainer.chunk(task.market, task.train, lanes, n)


def assert_close(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for name, array in found.items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-3, atol=1e-4, err_msg=name)


def distance(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one if name.startswith("variable"))


def devices_of(array: Any) -> set[tuple[int, ...]]:
    """What shapes of pieces an array lies in, one for each device."""
    return {piece.data.shape for piece in array.addressable_shards}


@pytest.mark.parametrize("name", BUSY)
@pytest.mark.parametrize("devices_per_seed", [2, 4])
def test_a_seed_split_over_devices_is_that_of_one_device(name: str, devices_per_seed: int, task: Task):
    assert backend.num_devices() == 4
    one = build_trainer(busy_agent(name, 8))
    expected = snapshot(one, trained(one, task, 5))
    split = build_trainer(busy_agent(name, 8), 1, devices_per_seed)
    lanes = trained(split, task, 5)
    assert_close(snapshot(split, lanes), expected)
    rows = 4 // devices_per_seed
    assert len(lanes.carry.env.t.addressable_shards) == 4
    assert devices_of(lanes.carry.env.t) == {(1, 8 // devices_per_seed)}
    assert {shape[0] for shape in devices_of(lanes.values[0])} == {1}
    assert lanes.values[0].shape[0] == rows
    # A planted defect: another seed is nothing like it.
    other = snapshot(split, trained(split, task, 6))
    assert distance(other, expected) > 0.05


def test_the_batch_of_an_update_is_split_not_repeated(task: Task):
    """Each device multiplies its share of the batch; gradients meet in all-reduces."""
    agent = busy_agent("a2c", 8)
    trainer = build_trainer(agent, 1, 4)
    lanes = begin(trainer, task.market, task.train, (0,))
    from trader.lanes import _AXES, _iterations

    program = backend.mapped(_iterations(agent), agent.variables, trainer.grid, ((), (), _AXES, ()), _AXES)
    n = ops.convert_to_tensor(1, "int32")
    text = program.lower(lanes.values, task.market, task.train, lanes.carry, n).compile().as_text()
    # 8 environments × 2 steps are 16 rows of 2 × 2 features and 4 account values: 4 on each of 4 devices.
    assert "all-reduce" in text
    assert "f32[4,8]" in text or "f32[1,4,8]" in text
    assert "f32[16,8]" not in text
    assert "f32[1,16,8]" not in text


@pytest.mark.parametrize("name", BUSY)
def test_seeds_shared_out_over_devices_are_the_seeds_of_one_device(name: str, task: Task):
    seeds = (4, 0, 7, 1, 2)  # five on four devices: three lanes are copies that nobody reads
    together = build_trainer(busy_agent(name, 8), len(seeds))
    lanes = trained(together, task, *seeds)
    assert lanes.values[0].shape[0] == 8
    assert {shape[0] for shape in devices_of(lanes.values[0])} == {2}
    one = build_trainer(busy_agent(name, 8))
    for lane, seed in enumerate(seeds):
        assert_close(snapshot(together, lanes, lane), snapshot(one, trained(one, task, seed)))
    assert len(together.greedy(task.market, task.valid, lanes)) == len(seeds)


def test_devices_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="4 devices do not divide into groups of 3"):
        build_trainer(busy_agent("a2c", 8), 1, 3)
