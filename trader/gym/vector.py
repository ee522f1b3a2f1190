"""`trader/Market-v0` as N environments stepped in one compiled call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Discrete
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from trader.gym.program import EQUITY, NUM_SCALARS, REWARD, TERMINATED, TRUNCATED, Outcome, Packed
from trader.gym.starts import begun
from trader.gym.world import Choices, Config, arranged, build_world, observation_space


class GymMarketVectorEnv(VectorEnv[Any, Any, Any]):
    """N accounts; environment i equals `GymMarketEnv` seeded with seed + i, number for number.

    An ended episode starts again at the next step, which ignores its action and pays 0: Gymnasium's `NEXT_STEP`, so
    the observation returned with the end is the episode's last.

    Args:
        num_envs: N.
        config, segment, episode, flatten: as for `GymMarketEnv`.

    Raises:
        TraderError: bad config, prices or argument; one line.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        config: Config,
        num_envs: int = 1,
        segment: Literal["train", "valid", "test"] = "train",
        episode: Literal["random", "whole"] = "random",
        flatten: bool = True,
    ):
        super().__init__()
        self.world = build_world(config, Choices(segment, episode, flatten))
        self.num_envs = num_envs
        self.single_observation_space = observation_space(self.world)
        self.single_action_space = Discrete(self.world.config.num_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._times = np.concatenate(self.world.times)
        self._offsets = np.cumsum([0, *map(len, self.world.times[:-1])])
        self._generators = [np_random()[0] for _ in range(num_envs)]
        self._state: Packed | None = None
        self._done = np.zeros(num_envs, bool)
        self._mask = np.zeros((num_envs, self.world.config.num_actions), bool)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start N episodes in cash.

        Args:
            seed: environment i draws from seed + i; or one seed each.
            options: for all of them: `asset`, a name; `start`, the date of the first bar that is paid.

        Raises:
            TraderError: options that the segment cannot meet.
        """
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
        if seeds is not None:
            for i, one in zip(range(self.num_envs), seeds, strict=True):
                self._generators[i] = self._generators[i] if one is None else np_random(one)[0]
        self._done = np.zeros(self.num_envs, bool)
        outcome = begun(self.world, options or {}, self._draws(~self._done))
        return self._seen(outcome, self._take(outcome))

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Play one action `[N]` in each environment; where an episode had ended, start the next one.

        Raises:
            ResetNeeded: nothing was started yet.
            InvalidAction: some action is not one of 0 … A − 1.
        """
        if self._state is None:
            raise ResetNeeded("no episode was started: call reset() before step()")
        chosen = np.asarray(actions, np.int32)
        if chosen.shape != self._done.shape or not ((chosen >= 0) & (chosen < self._mask.shape[1])).all():
            raise InvalidAction(
                f"actions: must be {self.num_envs} of 0 … {self._mask.shape[1] - 1}; received {actions}"
            )
        outcome = self.world.program.step_or_draw(
            *self.world.place, *self._state, chosen, self._done, self._draws(self._done)
        )
        scalars = self._take(outcome)
        terminated, truncated = scalars[:, TERMINATED] > 0, scalars[:, TRUNCATED] > 0
        self._done = terminated | truncated
        obs, facts = self._seen(outcome, scalars)
        return obs, scalars[:, REWARD].astype(np.float64), terminated, truncated, facts

    def action_masks(self) -> np.ndarray:
        """Return `[N, A]` bool, true where the action is legal now."""
        return self._mask.copy()

    def _draws(self, wanted: np.ndarray) -> np.ndarray:
        """Return `[N, 2]`, drawn only where a start is wanted: each environment's numbers are its own."""
        draws = np.zeros((self.num_envs, 2), np.float32)
        for i in np.flatnonzero(wanted):
            draws[i] = self._generators[i].random((1, 2), dtype=np.float32)
        return draws

    def _take(self, outcome: Outcome) -> np.ndarray:
        self._state = Packed(*outcome[0])
        scalars = keras.ops.convert_to_numpy(outcome[2])
        self._mask = scalars[:, NUM_SCALARS:] > 0.5
        return scalars

    def _seen(self, outcome: Outcome, scalars: np.ndarray) -> tuple[Any, dict[str, Any]]:
        """Return the observations and, as Gymnasium has it, each fact with whose it is: everyone's."""
        asset, row = keras.ops.convert_to_numpy(outcome[0][0])[:, :2].T
        facts = {
            "action_mask": self._mask.copy(),
            "equity": scalars[:, EQUITY].astype(np.float64) * self.world.config.initial_cash,
            "time": self._times[self._offsets[asset] + row],
        }
        present = {f"_{name}": np.ones(self.num_envs, bool) for name in facts}
        return arranged(self.world, keras.ops.convert_to_numpy(outcome[1])), facts | present
