"""Networks, gradients and optimizers once more: plain float64 NumPy, gradients by finite differences."""

from collections.abc import Callable
from typing import Any

import numpy as np

Weights = list[np.ndarray]


def weights_of(model: Any) -> Weights:
    return [np.asarray(w, np.float64) for w in model.get_weights()]


def windows(features: np.ndarray, asset: np.ndarray, t: np.ndarray, width: int) -> np.ndarray:
    """Feature rows t − W + 1 … t of each sample, one after the other."""
    return np.stack([features[a, row - width + 1 : row + 1].ravel() for a, row in zip(asset, t, strict=True)])


def inputs(market: Any, width: int, record: Any, after: int) -> np.ndarray:
    """Flat inputs `[B, W·F + 4]` before (0) or after (1) each recorded step."""
    account = record.next_account if after else record.account
    seen = windows(np.asarray(market.features, np.float64), record.asset, record.t + after, width)
    return np.concatenate([seen, np.asarray(account, np.float64)], axis=1)


def outputs(weights: Weights, x: np.ndarray) -> list[np.ndarray]:
    """One hidden tanh layer, then one linear head for each further pair (kernel, bias)."""
    hidden = np.tanh(x @ weights[0] + weights[1])
    return [hidden @ kernel + bias for kernel, bias in zip(weights[2::2], weights[3::2], strict=True)]


def gradient(loss: Callable[[Weights], float], weights: Weights, width: float = 1e-5) -> Weights:
    """Central differences of `loss` in every weight."""
    result = [np.zeros_like(w) for w in weights]
    for w, g in zip(weights, result, strict=True):
        for i in np.ndindex(w.shape):
            middle = w[i]
            w[i] = middle + width
            above = loss(weights)
            w[i] = middle - width
            g[i] = (above - loss(weights)) / (2 * width)
            w[i] = middle
    return result


def clipped(gradients: Weights, max_norm: float | None) -> Weights:
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    return gradients if max_norm is None or norm <= max_norm else [g * max_norm / norm for g in gradients]


class Adam:
    """Kingma and Ba (2015), algorithm 1 in the form of their section 2, epsilon 1e-8 outside the correction."""

    def __init__(self, weights: Weights) -> None:
        self.m, self.v, self.t = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights], 0

    def step(self, weights: Weights, gradients: Weights, rates: list[float]) -> None:
        self.t += 1
        correction = np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
        for w, g, m, v, rate in zip(weights, gradients, self.m, self.v, rates, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            w -= rate * correction * m / (np.sqrt(v) + 1e-8)


class RmsProp:
    """Tieleman and Hinton (2012): decay 0.99, epsilon 1e-5 under the root."""

    def __init__(self, weights: Weights) -> None:
        self.v = [np.zeros_like(w) for w in weights]

    def step(self, weights: Weights, gradients: Weights, rates: list[float]) -> None:
        for w, g, v, rate in zip(weights, gradients, self.v, rates, strict=True):
            v += 0.01 * (g**2 - v)
            w -= rate * g / np.sqrt(v + 1e-5)


OPTIMIZERS = {"adam": Adam, "rmsprop": RmsProp}


def log_softmax(logits: np.ndarray, mask: np.ndarray) -> np.ndarray:
    legal = np.where(mask, logits, -np.inf)
    shifted = legal - legal.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def entropy(log_probs: np.ndarray) -> np.ndarray:
    return -np.where(np.isfinite(log_probs), np.exp(log_probs) * np.where(np.isfinite(log_probs), log_probs, 0), 0).sum(
        1
    )


def rung_mask(actions: str, num_positions: int, rung: np.ndarray) -> np.ndarray:
    """Legal actions on each rung, by the rule of the ladder."""
    if actions == "targets":
        return np.ones((len(rung), num_positions), bool)
    return np.array([[r > 0, True, r < num_positions - 1] for r in rung])
