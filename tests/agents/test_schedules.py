import numpy as np
import pytest

from trader.agents.schedules import epsilon


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.9), (999, 0.9), (1000, 0.9), (1050, 0.5), (1100, 0.1), (10**6, 0.1)]
)
def test_epsilon_starts_to_fall_once_learning_starts(run, step, expected):
    assert run(lambda s: epsilon(s, 1000, 100, 0.9, 0.1), np.int32(step)) == pytest.approx(expected)


def test_epsilon_without_decay_drops_at_once(run):
    assert [float(run(lambda s: epsilon(s, 10, 0, 1.0, 0.0), np.int32(step))) for step in (10, 11)] == [1, 0]
