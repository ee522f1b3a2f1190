"""The standard workload and what may be asked of it."""

import pytest

from trader.bench.standard import standard_experiments


def sizes(agent: str | None, n_envs: int | None) -> list[tuple[str, int]]:
    return [(experiment.agent.name, experiment.train.n_envs) for experiment in standard_experiments(agent, n_envs)]


def test_without_wishes_a2c_runs_at_two_sizes_and_dqn_at_one():
    assert sizes(None, None) == [("a2c", 8), ("a2c", 64), ("dqn", 16)]


def test_one_agent_and_one_size_may_be_asked_for():
    assert sizes("a2c", None) == [("a2c", 8), ("a2c", 64)]
    assert sizes("reinforce", None) == [("reinforce", 16)]
    assert sizes(None, 32) == [("a2c", 32), ("dqn", 32)]


@pytest.mark.parametrize("n_envs", [1, 2, 6, 16, 65_536])
def test_dqn_updates_once_per_four_steps_at_every_size(n_envs: int):
    agent = standard_experiments("dqn", n_envs)[0].agent
    assert agent.name == "dqn"
    assert agent.train_freq == 4 * agent.gradient_steps
    assert agent.train_freq % n_envs == 0


def test_every_part_sees_six_features_of_thirty_two_bars():
    for experiment in standard_experiments(None, None):
        assert experiment.env.window_size == 32
        assert [len(feature.periods) for feature in experiment.features if feature.name == "log_return"] == [6]
        assert experiment.agent.network.net_arch == [64, 64]
