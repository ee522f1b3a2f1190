"""Where an episode starts: what the options of `reset` ask for, the rest where draws put it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from trader.errors import TraderError, listing, nearest
from trader.gym.program import Outcome
from trader.gym.world import World

OPTIONS = ("asset", "start")


def begun(world: World, options: Mapping[str, Any], draws: np.ndarray) -> Outcome:
    """Return fresh episodes.

    Args:
        world: what is played.
        options: `asset`, a name; `start`, date or time of the first bar that is paid.
        draws: `[N, 2]` float32 in [0, 1): asset and row, where the options leave them open.

    Raises:
        TraderError: unknown option or asset, or no decision at that date.
    """
    for name in options:
        if name not in OPTIONS:
            raise TraderError(
                f'options: unknown key "{name}"{nearest(str(name), OPTIONS) or ";"} allowed: asset, start'
            )
    if options.get("asset") is not None:
        draws = draws.copy()
        draws[:, 0] = (_asset_of(world, options["asset"]) + 0.5) / len(world.assets)
    if options.get("start") is None:
        return world.program.draw(*world.place, draws)
    assets = (draws[:, 0] * len(world.assets)).astype(np.int32)
    rows = np.asarray([_row_of(world, int(asset), options["start"]) for asset in assets], np.int32)
    return world.program.begin(*world.place, assets, rows)


def _asset_of(world: World, name: Any) -> int:
    if name not in world.assets:
        hint = nearest(str(name), world.assets) or ";"
        raise TraderError(f'options.asset: unknown asset "{name}"{hint} allowed: {listing(world.assets)}')
    return world.assets.index(name)


def _row_of(world: World, asset: int, start: Any) -> int:
    """Return the decision row that is paid at the first bar from `start` on."""
    try:
        moment = pd.Timestamp(start)
    except (TypeError, ValueError):
        raise TraderError(f"options.start: must be a date or time such as 2012-03-01; received {start!r}") from None
    if moment.tzinfo is not None:
        moment = moment.tz_convert("UTC").tz_localize(None)
    times, first, last = world.times[asset], int(world.first[asset]), int(world.last[asset])
    row = int(np.searchsorted(times, moment.to_datetime64())) - 1
    if not first <= row <= last:
        dates = [np.datetime_as_string(times[end + 1], unit="s") for end in (first, last)]
        raise TraderError(
            f"options.start: {start} lies outside the bars that {world.assets[asset]} is paid on in this segment;"
            f" allowed: {dates[0]} … {dates[1]}"
        )
    return row
