"""Schedules over environment steps."""

from __future__ import annotations

from typing import Any

from keras import ops


def epsilon(step: Any, learning_starts: int, decay_steps: int, initial: float, final: float) -> Any:
    """Return exploration at `step` (int32 scalar): `initial` until learning starts, then linear to `final`.

    Example:
        >>> float(epsilon(1500, 1000, 1000, 1.0, 0.0))
        0.5
    """
    progress = (ops.cast(step, "float32") - learning_starts) / max(decay_steps, 1)
    return initial + (final - initial) * ops.clip(progress, 0.0, 1.0)
