import numpy as np
import pytest

from trader.agents import losses

F = np.float32
Q_T = np.array([[1, 5, 2], [1, 5, 2], [1, 5, 2]], F)
LEGAL_T = np.array([[True, True, True], [True, False, True], [True, False, True]])
ONLINE_T = np.array([[9, 0, 0], [0, 9, 1], [3, 9, 1]], F)
R_T = np.array([1, 2, 3], F)
DISCOUNT_T = np.array([0.5, 0.5, 0.0], F)  # a step, a time limit (gamma kept), a ruin


def test_q_learning_target_takes_the_best_legal_action_and_stops_at_ruin(run):
    target = run(lambda *x: losses.td_target(*x), R_T, DISCOUNT_T, Q_T, LEGAL_T, Q_T)
    assert target.tolist() == [1 + 0.5 * 5, 2 + 0.5 * 2, 3.0]


def test_double_q_target_lets_the_online_network_choose_among_legal_actions(run):
    target = run(losses.td_target, R_T, DISCOUNT_T, Q_T, LEGAL_T, ONLINE_T)
    assert target.tolist() == [1 + 0.5 * 1, 2 + 0.5 * 2, 3.0]


def test_the_mask_changes_the_target():
    everything = np.ones_like(LEGAL_T)
    with_mask = np.asarray(losses.td_target(R_T, DISCOUNT_T, Q_T, LEGAL_T, Q_T))
    without = np.asarray(losses.td_target(R_T, DISCOUNT_T, Q_T, everything, Q_T))
    assert (with_mask != without).tolist() == [False, True, False]


def test_illegal_actions_lose_to_any_legal_value(run):
    best = run(lambda q, m: losses.masked(q, m), np.array([-1e6, 3.0], F), np.array([True, False]))
    assert best.argmax() == 0


def test_huber_is_quadratic_to_one_and_linear_beyond(run):
    assert run(losses.huber, np.array([-3, -1, -0.5, 0, 0.5, 1, 3], F)).tolist() == [
        2.5,
        0.5,
        0.125,
        0,
        0.125,
        0.5,
        2.5,
    ]


def test_squared(run):
    assert run(losses.squared, np.array([-3, 0.5], F)).tolist() == [9, 0.25]


def test_chosen_picks_one_value_of_each_row_on_any_leading_axes(run):
    values = np.arange(12, dtype=F).reshape(2, 2, 3)
    action = np.array([[2, 0], [1, 1]], np.int32)
    assert run(losses.chosen, values, action).tolist() == [[2, 3], [7, 10]]


def test_masked_log_probs_are_the_softmax_over_legal_actions(run):
    logits, mask = np.array([[1, 9, 2], [0, 0, 0]], F), np.array([[True, False, True], [True, True, True]])
    log_probs = run(losses.masked_log_probs, logits, mask)
    e = np.exp([1.0, 2.0])
    np.testing.assert_allclose(np.exp(log_probs), [[e[0] / e.sum(), 0, e[1] / e.sum()], [1 / 3] * 3], rtol=1e-6)
    assert np.exp(log_probs[0, 1]) == 0


def test_entropy_counts_illegal_actions_as_nothing(run):
    log_probs = run(losses.masked_log_probs, np.zeros((2, 4), F), np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool))
    np.testing.assert_allclose(run(losses.entropy, log_probs), [np.log(2), 0], atol=1e-6)


def test_policy_gradient_is_minus_the_mean_over_living_samples(run):
    log_prob, advantage = np.array([-1, -2, -3], F), np.array([2, -1, 100], F)
    assert run(losses.policy_gradient, log_prob, advantage, np.array([1, 1, 0], F)) == pytest.approx(-(-2 + 2) / 2)
    assert run(losses.policy_gradient, log_prob, advantage, np.array([1, 0, 0], F)) == pytest.approx(2)


def test_weighted_mean_of_nothing_is_zero(run):
    assert run(losses.weighted_mean, np.array([5, 7], F), np.zeros(2, F)) == 0


def test_gradients_are_clipped_by_their_joint_norm(run):
    gradients = [np.array([3.0, 0.0], F), np.array([[4.0]], F)]
    clipped = run(lambda *g: losses.clipped_by_global_norm(list(g), 1.0), *gradients)
    np.testing.assert_allclose(np.concatenate([g.ravel() for g in clipped]), [0.6, 0, 0.8], rtol=1e-6)


@pytest.mark.parametrize("max_norm", [None, 5.0, 100.0])
def test_gradients_within_the_norm_stay_as_they_are(run, max_norm):
    gradients = [np.array([3.0, 0.0], F), np.array([[4.0]], F)]
    clipped = run(lambda *g: losses.clipped_by_global_norm(list(g), max_norm), *gradients)
    assert [g.tolist() for g in clipped] == [[3, 0], [[4]]]


def test_a_zero_gradient_stays_finite(run):
    assert run(lambda g: losses.clipped_by_global_norm([g], 1.0), np.zeros(3, F))[0].tolist() == [0, 0, 0]
