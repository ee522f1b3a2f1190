import numpy as np
import pytest

from trader.agents.returns import episode_returns, n_step_targets, normalized

F = np.float32


def targets_by_loop(rewards, discounts, next_values, cuts):
    """Follow each chain forward from its own row to the first cut or the last row."""
    num_steps, num_envs = rewards.shape
    targets = np.zeros((num_steps, num_envs))
    for n in range(num_envs):
        for t in range(num_steps):
            weight, total, i = 1.0, 0.0, t
            while True:
                total += weight * rewards[i, n]
                weight *= discounts[i, n]
                if cuts[i, n] or i == num_steps - 1:
                    break
                i += 1
            targets[t, n] = total + weight * next_values[i, n]
    return targets


def random_rollout(num_steps: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    rewards, next_values = rng.normal(size=(2, num_steps, 50))
    terminated = rng.random((num_steps, 50)) < 0.2
    truncated = ~terminated & (rng.random((num_steps, 50)) < 0.2)
    cuts = terminated | truncated
    cuts[-1] = True
    return rewards.astype(F), (0.9 * ~terminated).astype(F), next_values.astype(F), cuts


def column(*values):
    return np.array(values, F)[:, None]


def test_one_step_is_td_0(run):
    target = run(n_step_targets, column(2), column(0.5), column(10), np.array([[True]]))
    assert target.tolist() == [[2 + 0.5 * 10]]


def test_three_steps_by_hand(run):
    cuts = np.array([[False], [False], [True]])
    target = run(n_step_targets, column(1, 2, 4), column(0.5, 0.5, 0.5), column(70, 80, 90), cuts)
    assert target[:, 0].tolist() == [1 + 1 + 1 + 0.125 * 90, 2 + 2 + 0.25 * 90, 4 + 45]


def test_a_time_limit_inside_bootstraps_from_its_own_last_value(run):
    cuts = np.array([[False], [True], [True]])
    target = run(n_step_targets, column(1, 2, 4), column(0.5, 0.5, 0.5), column(70, 80, 90), cuts)
    assert target[:, 0].tolist() == [1 + 1 + 0.25 * 80, 2 + 40, 4 + 45]


def test_a_ruin_inside_is_worth_nothing_afterwards(run):
    cuts = np.array([[False], [True], [True]])
    target = run(n_step_targets, column(1, 2, 4), column(0.5, 0, 0.5), column(70, 80, 90), cuts)
    assert target[:, 0].tolist() == [1 + 1, 2, 4 + 45]


@pytest.mark.parametrize("num_steps", [1, 5, 12])
def test_targets_are_those_of_the_loop(run, num_steps):
    rollout = random_rollout(num_steps)
    np.testing.assert_allclose(run(n_step_targets, *rollout), targets_by_loop(*rollout), rtol=1e-5, atol=1e-5)


def test_episode_returns_are_those_of_the_loop(run):
    rng = np.random.default_rng(1)
    rewards = rng.normal(size=(30, 8)).astype(F)
    alive = (np.arange(30)[:, None] < np.array([30, 30, 1, 7, 29, 15, 30, 2])).astype(F)
    expected, following = np.zeros((30, 8)), np.zeros(8)
    for t in reversed(range(30)):
        following = rewards[t] * alive[t] + 0.9 * following
        expected[t] = following
    returns = run(lambda r, a: episode_returns(r, a, 0.9), rewards, alive)
    np.testing.assert_allclose(returns * alive, expected * alive, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("gamma", "expected"), [(0.0, [1, 2, 4]), (1.0, [7, 6, 4]), (0.5, [3, 4, 4])])
def test_episode_returns_by_hand(run, gamma, expected):
    assert run(lambda r: episode_returns(r, r * 0 + 1, gamma), column(1, 2, 4))[:, 0].tolist() == expected


def test_normalized_returns_leave_dead_steps_out(run):
    rng = np.random.default_rng(2)
    values, alive = rng.normal(3, 5, size=(20, 4)).astype(F), (rng.random((20, 4)) < 0.7).astype(F)
    living = values[alive == 1]
    expected = np.where(alive == 1, (values - living.mean()) / living.std(), 0)
    np.testing.assert_allclose(run(normalized, values, alive), expected, rtol=1e-4, atol=1e-5)


def test_equal_returns_normalise_to_zero(run):
    assert run(normalized, np.full((4, 2), 3, F), np.ones((4, 2), F)).tolist() == np.zeros((4, 2)).tolist()
