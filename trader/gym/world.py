"""From a config to what an environment plays: market and decision rows on the device, compiled programs, spaces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from gymnasium import spaces

from trader.config import EnvConfig, Experiment
from trader.config.load import load_experiment, parse_experiment
from trader.data.prepare import Prepared, prepare
from trader.data.scaling import CLIP
from trader.envs.bars import MarketEnv
from trader.envs.rewards import reward_scale
from trader.errors import TraderError, listing, nearest
from trader.gym.program import ACCOUNT_HIGH, ACCOUNT_LOW, Program, build_program
from trader.training import to_device

Config = str | Path | Experiment | Mapping[str, Any]
EPISODES = ("random", "whole")


class Choices(NamedTuple):
    """What the constructor was asked for.

    Attributes:
        segment: `train`, `valid`, or, on a synthetic market, `test`.
        episode: `random` starts of `env.max_episode_duration` bars, or the `whole` segment.
        flatten: one flat observation, or a dictionary of window and account.
    """

    segment: Literal["train", "valid", "test"]
    episode: Literal["random", "whole"]
    flatten: bool


class World(NamedTuple):
    """What every step needs.

    Attributes:
        config: the `env` section as played.
        program: compiled starts and steps.
        place: market and decision rows on the device.
        assets: M names.
        first, last: `[M]` first and last decision row.
        times: M indexes of time stamps (UTC, without zone).
        num_features: F.
        flatten: as in `Choices`.
    """

    config: EnvConfig
    program: Program
    place: tuple[Any, Any]
    assets: tuple[str, ...]
    first: np.ndarray
    last: np.ndarray
    times: tuple[np.ndarray, ...]
    num_features: int
    flatten: bool


def build_world(config: Config, choices: Choices) -> World:
    """Return the world of a config.

    Args:
        config: path of an experiment file; or an experiment or its keys, price files relative to the working folder.
        choices: the constructor's.

    Raises:
        TraderError: bad config, prices or choice; held-out dates.
    """
    experiment, base = _read(config)
    _check(experiment, choices)
    prepared = prepare(experiment, base)
    env = experiment.env
    if choices.episode == "whole":
        env = env.model_copy(update={"max_episode_duration": None})
    scale = reward_scale(env, prepared.return_deviation)
    segment = prepared.segments[choices.segment]
    return World(
        config=env,
        program=_kept_program(env.model_dump_json(), scale, prepared.return_deviation),
        place=(to_device(prepared.market), to_device(segment)),
        assets=prepared.assets,
        first=np.asarray(segment.first),
        last=np.asarray(segment.last),
        times=_times(prepared),
        num_features=len(prepared.feature_names),
        flatten=choices.flatten,
    )


def _read(config: Any) -> tuple[Experiment, Path]:
    if isinstance(config, Experiment):
        return config, Path()
    if isinstance(config, Mapping):
        return parse_experiment(json.dumps(dict(config), default=str), "config"), Path()
    if not isinstance(config, str | Path):
        raise TraderError(f"config: must be the path of an experiment file, or its keys; received {config!r}")
    return load_experiment(Path(config)), Path(config).parent


def _check(experiment: Experiment, choices: Choices) -> None:
    allowed = ("train", "valid", "test") if experiment.data.source == "synthetic" else ("train", "valid")
    if choices.segment == "test" and "test" not in allowed:
        raise TraderError(
            "segment: test dates are held out, and every look at them is counted, which only trader backtest does;"
            f" allowed here: {listing(allowed)} (test on synthetic markets)"
        )
    for name, value, known in (("segment", choices.segment, allowed), ("episode", choices.episode, EPISODES)):
        if value not in known:
            hint = nearest(str(value), known) or ";"
            raise TraderError(f'{name}: unknown value "{value}"{hint} allowed: {listing(known)}')


@lru_cache(maxsize=8)
def _kept_program(env: str, scale: float, return_deviation: float) -> Program:
    """Environments of equal rules share one compiled program; their markets are its arguments."""
    return build_program(MarketEnv(EnvConfig.model_validate_json(env), scale, return_deviation))


def _times(prepared: Prepared) -> tuple[np.ndarray, ...]:
    indexes = (bars.frame.index.tz_localize(None) for bars in prepared.bars)  # type: ignore[attr-defined]
    return tuple(index.to_numpy().astype("datetime64[us]") for index in indexes)


def observation_space(world: World) -> spaces.Space[Any]:
    """Return the space of one observation: finite, since features and account values are clipped."""
    shape = (world.config.window_size, world.num_features)
    low, high = (np.asarray(bound, np.float32) for bound in (ACCOUNT_LOW, ACCOUNT_HIGH))
    if not world.flatten:
        window = spaces.Box(-CLIP, CLIP, shape, np.float32)
        return spaces.Dict({"window": window, "account": spaces.Box(low, high, dtype=np.float32)})
    edge = np.full(shape[0] * shape[1], CLIP, np.float32)
    return spaces.Box(np.concatenate([-edge, low]), np.concatenate([edge, high]), dtype=np.float32)


def arranged(world: World, flat: np.ndarray) -> Any:
    """Return `flat [..., W·F + C]` in the form asked for, as arrays that nothing else holds."""
    if world.flatten:
        return flat.copy()
    rows = world.config.window_size * world.num_features
    shape = (*flat.shape[:-1], world.config.window_size, world.num_features)
    return {"window": flat[..., :rows].reshape(shape).copy(), "account": flat[..., rows:].copy()}
