"""The agents' losses as small pure functions; time stands in the names (`q_tm1` before the step, `q_t` after)."""

from __future__ import annotations

from typing import Any

from keras import ops

MASKED = -1e9  # stands for minus infinity: exp underflows to exactly 0, and 0 · MASKED stays finite


def masked(values: Any, mask: Any) -> Any:
    """Return `values [..., A]` with illegal actions at −1e9."""
    return ops.where(mask, values, MASKED)


def chosen(values: Any, action: Any) -> Any:
    """Return `values[..., action]` for `values [..., A]` and int32 `action [...]`."""
    return ops.sum(values * ops.one_hot(action, values.shape[-1]), axis=-1)


def td_target(r_t: Any, discount_t: Any, q_t: Any, mask_t: Any, selector_t: Any) -> Any:
    """Return r + discount · Q(s′, argmax over legal actions of `selector_t`); gradients do not flow.

    With `selector_t = q_t` (target network) this is Q-learning (Mnih et al. 2015, algorithm 1); with the online
    network's values it is double Q-learning (van Hasselt et al. 2016, equation 4).

    Args:
        r_t: `[B]` reward of the step.
        discount_t: `[B]` gamma, 0 after a termination.
        q_t: `[B, A]` target network's values of the next observation.
        mask_t: `[B, A]` legal actions there.
        selector_t: `[B, A]` values that choose the action.
    """
    best = ops.argmax(masked(selector_t, mask_t), axis=-1)
    return ops.stop_gradient(r_t + discount_t * chosen(q_t, best))


def huber(td_error: Any) -> Any:
    """Return ½e² for |e| ≤ 1, |e| − ½ beyond, element by element (Mnih et al. 2015)."""
    size = ops.abs(td_error)
    return ops.where(size <= 1.0, 0.5 * ops.square(td_error), size - 0.5)


def squared(td_error: Any) -> Any:
    """Return e², element by element."""
    return ops.square(td_error)


def masked_log_probs(logits: Any, mask: Any) -> Any:
    """Return log probabilities `[..., A]` over legal actions (illegal ones near −1e9)."""
    return ops.log_softmax(masked(logits, mask), axis=-1)


def entropy(log_probs: Any) -> Any:
    """Return −Σ p·log p `[...]`; illegal actions count 0."""
    return -ops.sum(ops.exp(log_probs) * log_probs, axis=-1)


def policy_gradient(log_prob: Any, advantage: Any, weights: Any) -> Any:
    """Return the scalar loss −mean(log π(a) · advantage) over samples of weight 1; no gradient into the advantage.

    Reference:
        Sutton et al. (2000), Policy gradient methods for reinforcement learning with function approximation.
    """
    return -weighted_mean(log_prob * ops.stop_gradient(advantage), weights)


def weighted_mean(values: Any, weights: Any) -> Any:
    """Return Σ w·x / max(Σ w, 1)."""
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1.0)


def clipped_by_global_norm(gradients: list[Any], max_norm: float | None) -> list[Any]:
    """Return `gradients` scaled so that their joint Euclidean norm is at most `max_norm` (None: unchanged)."""
    if max_norm is None:
        return gradients
    norm = ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
    scale = max_norm / ops.maximum(norm, max_norm)
    return [g * scale for g in gradients]
