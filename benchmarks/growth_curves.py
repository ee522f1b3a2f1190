"""The curves of `growth.py`: which sizes, and what is trained at each of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import plain

A2C_ENVS, DQN_ENVS = 64, 16
ROW_BYTES = 40  # of replay
BARS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
POWERS = tuple(4**k for k in range(8))  # 1 … 16,384


class Sizes(NamedTuple):
    """Everything that can grow, at its usual size."""

    envs: int = A2C_ENVS
    window: int = 32
    features: int = 6
    assets: int = 1
    bars: int = 2768
    replay: int = 0
    seeds: int = 1


class Curve(NamedTuple):
    """One growing size.

    Attributes:
        title, axis: for tables and plots.
        sizes: ascending.
        at: size -> all sizes.
        agent: `a2c` or `dqn`.
        limit: `exponent`: at most 1.1 over the top decade; `flat`: at most 10 % from the first to any other.
    """

    title: str
    axis: str
    sizes: tuple[int, ...]
    at: Callable[[int], Sizes]
    agent: str = "a2c"
    limit: str = "exponent"


CURVES = {
    "environments": Curve(
        "A2C: environments", "environments", (*POWERS[:6], 2048, 4096, 8192, 16384), lambda n: Sizes(envs=n)
    ),
    "window": Curve(
        "A2C, 64 environments: window", "window (bars)", (8, 16, 32, 64, 128, 256), lambda n: Sizes(window=n)
    ),
    "features": Curve("A2C, 64 environments: features", "features", (4, 8, 16, 32, 64), lambda n: Sizes(features=n)),
    "assets": Curve("A2C, 64 environments: assets", "assets", (1, 5, 20, 50, 100, 200, 500), lambda n: Sizes(assets=n)),
    "bars": Curve(
        "A2C, 8 environments: length of the history", "bars", BARS, lambda n: Sizes(envs=8, bars=n), limit="flat"
    ),
    # Environments far apart in a long history share no cache lines, as they do in a short one.
    "bars-64": Curve(
        "A2C, 64 environments: length of the history", "bars", BARS, lambda n: Sizes(bars=n), limit="flat"
    ),
    "replay": Curve(
        "DQN, 16 environments: filled replay",
        "transitions",
        (10_000, 100_000, 1_000_000, 10_000_000),
        lambda n: Sizes(envs=DQN_ENVS, replay=n),
        agent="dqn",
        limit="flat",
    ),
    "seeds": Curve(
        "A2C, 8 environments: seeds in one program", "seeds", (1, 2, 4, 8, 16, 32), lambda n: Sizes(envs=8, seeds=n)
    ),
}
QUICK = {
    "environments": (1, 32, 256),
    "window": (8, 32, 64),
    "features": (4, 8),
    "assets": (1, 20),
    "bars": (1_000, 100_000),
    "bars-64": (1_000, 100_000),
    "replay": (10_000, 50_000),
    "seeds": (1, 2),
}


def config_at(curve: Curve, sizes: Sizes) -> Any:
    """A DQN begins to learn when its replay is full, so that rows are drawn from all of it."""
    if curve.agent == "a2c":
        return plain.A2c()
    capacity = -(-sizes.replay // sizes.envs) * sizes.envs
    return plain.Dqn(buffer_size=capacity, learning_starts=capacity)


def bytes_needed(sizes: Sizes) -> int:
    """Return a generous estimate: market on host and device, observations of rollout and update, replay twice."""
    market = 4 * sizes.assets * sizes.bars * (sizes.features + 3)
    rollout = 4 * sizes.seeds * sizes.envs * 5 * (sizes.window * sizes.features + 4)
    return 2 * market + 6 * rollout + 2 * ROW_BYTES * sizes.replay
