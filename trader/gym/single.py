"""`trader/Market-v0` as one Gymnasium environment."""

from __future__ import annotations

from typing import Any, Literal

import gymnasium
import keras
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Discrete

from trader.gym.program import EQUITY, NUM_SCALARS, REWARD, TERMINATED, TRUNCATED, Outcome, Packed
from trader.gym.starts import begun
from trader.gym.world import Choices, Config, arranged, build_world, observation_space


class GymMarketEnv(gymnasium.Env[Any, Any]):
    """One account on one asset at a time; every number is that of the environment our own agents learn in.

    Observations are `float32 [W·F + C]`: the window row by row, oldest first, then the account; or, with
    `flatten=False`, a dictionary of `window [W, F]` and `account [C]`. Actions are 0 … A − 1. `info` holds
    `action_mask` (bool `[A]`), `equity` (money at the last close) and `time` (of that close, UTC).

    Args:
        config: path of an experiment file, an experiment, or a mapping of its keys.
        segment: `train`, `valid`, or, on a synthetic market, `test`.
        episode: `random`: a random start and `env.max_episode_duration` bars, as in training; `whole`: from the first
            decision of the segment to the last.
        flatten: whether observations are one flat array.

    Raises:
        TraderError: bad config, prices or argument; one line.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 — Gymnasium's own declaration

    def __init__(
        self,
        config: Config,
        segment: Literal["train", "valid", "test"] = "train",
        episode: Literal["random", "whole"] = "random",
        flatten: bool = True,
    ):
        self.world = build_world(config, Choices(segment, episode, flatten))
        self.observation_space = observation_space(self.world)
        self.action_space = Discrete(self.world.config.num_actions)
        self.render_mode = None
        self._num_actions = self.world.config.num_actions
        self._state: Packed | None = None
        self._mask = np.zeros(self._num_actions, bool)
        self._times, self._row = self.world.times[0], 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode in cash.

        Args:
            seed: of every draw from here on.
            options: `asset`: name of the asset to play; `start`: date of the first bar that is paid.

        Raises:
            TraderError: options that the segment cannot meet.
        """
        super().reset(seed=seed)
        draws = self.np_random.random((1, 2), dtype=np.float32)
        outcome = begun(self.world, options or {}, draws)
        asset, row = keras.ops.convert_to_numpy(outcome.state[0])[0, :2]
        self._times, self._row = self.world.times[asset], int(row)
        scalars = self._take(outcome)
        return arranged(self.world, keras.ops.convert_to_numpy(outcome[1])[0]), self._info(scalars)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decide at this close; the order fills, and the next close is observed.

        Orders off the ladder (masked) stay on the rung.

        Raises:
            ResetNeeded: the episode is over, or none was started.
            InvalidAction: not one of 0 … A − 1.
        """
        if self._state is None:
            raise ResetNeeded("the episode is over (or none was started): call reset() before step()")
        chosen = int(action)
        if not 0 <= chosen < self._num_actions:
            raise InvalidAction(f"action: must be 0 … {self._num_actions - 1}; received {action}")
        outcome = self.world.program.step(*self.world.place, *self._state, np.asarray([chosen], np.int32))
        self._row += 1
        scalars = self._take(outcome)
        terminated, truncated = bool(scalars[TERMINATED]), bool(scalars[TRUNCATED])
        if terminated or truncated:
            self._state = None
        obs = arranged(self.world, keras.ops.convert_to_numpy(outcome[1])[0])
        return obs, float(scalars[REWARD]), terminated, truncated, self._info(scalars)

    def action_masks(self) -> np.ndarray:
        """Return `[A]` bool, true where the action is legal now (the name that sb3-contrib asks for)."""
        return self._mask.copy()

    def _take(self, outcome: Outcome) -> np.ndarray:
        self._state = Packed(*outcome[0])
        scalars = keras.ops.convert_to_numpy(outcome[2])[0]
        self._mask = scalars[NUM_SCALARS:] > 0.5
        return scalars

    def _info(self, scalars: np.ndarray) -> dict[str, Any]:
        return {
            "action_mask": self._mask.copy(),
            "equity": float(scalars[EQUITY]) * self.world.config.initial_cash,
            "time": self._times[self._row],
        }
