"""Which checkpoints matter: `best.json`, `last.json`, and how the others are removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trader.errors import TraderError
from trader.runs.checkpoints import STEP_PATTERN, checkpoint_steps, newest_checkpoint, remove_path, step_name
from trader.runs.files import read_json, safe_join, write_json_atomic, writing

POINTERS = ("best", "last")


class Pointer(NamedTuple):
    """What `best.json` or `last.json` says.

    Attributes:
        path: folder of the checkpoint (existing, not yet verified).
        step: environment steps.
        extra: further keys of the file, such as the validation score.
    """

    path: Path
    step: int
    extra: dict[str, Any]


def point_to(folder: Path, kind: str, step: int, extra: Mapping[str, Any]) -> None:
    """Write `best.json` or `last.json` atomically.

    Args:
        folder: the seed's `checkpoints/`.
        kind: `best` or `last`.
        step: an existing checkpoint.
        extra: further JSON values to keep beside it, such as the validation score.

    Raises:
        ValueError: another kind, or no checkpoint of that step (ours: write it first).
    """
    if kind not in POINTERS:
        raise ValueError(f"kind must be one of {POINTERS}; received {kind!r}")
    if not (folder / step_name(step)).is_dir():
        raise ValueError(f"{folder} has no {step_name(step)} to point to")
    write_json_atomic(folder / f"{kind}.json", {**extra, "step": step, "checkpoint": step_name(step)})


def pointed(folder: Path, kind: str) -> Pointer | None:
    """Read `best.json` or `last.json`; None when it was not written yet.

    Raises:
        TraderError: the file is damaged or its checkpoint is gone.
    """
    place = safe_join(folder, f"{kind}.json")
    if not place.exists():
        return None
    extra = read_json(place)
    step, entry = extra.pop("step", None), extra.pop("checkpoint", None)
    if not isinstance(step, int) or not isinstance(entry, str) or not STEP_PATTERN.fullmatch(entry):
        raise TraderError(f'{place}: must have "step" (a number) and "checkpoint" (step-<9 digits>)')
    path = safe_join(folder, entry)
    if entry != step_name(step) or not path.is_dir():
        raise TraderError(f"{place}: points to step {step} ({entry}), which is not in {folder}")
    return Pointer(path, step, extra)


def go_back(folder: Path, step: int, best_step: int, best_extra: Mapping[str, Any]) -> None:
    """Make `step` the newest checkpoint again: both pointers name what was theirs then, and what came later goes.

    Where a pointer's checkpoint is gone (or step 0, before all checkpoints), the pointer goes too.

    Args:
        folder: the seed's `checkpoints/`; it may be absent.
        step: environment steps.
        best_step: the best one by then, 0 when there was none.
        best_extra: see `point_to`.
    """
    for kind, at, extra in (("best", best_step, best_extra), ("last", step, {})):
        if (folder / step_name(at)).is_dir():
            point_to(folder, kind, at, extra)
        else:
            remove_path(folder / f"{kind}.json")
    for later in checkpoint_steps(folder):
        if later > step:
            remove_path(folder / step_name(later))


def prune(folder: Path, keep: int) -> list[int]:
    """Remove old checkpoints, but never best, last, the newest good one, or anything newer than it.

    Args:
        folder: the seed's `checkpoints/`.
        keep: how many of the newest stay, whatever points to them (≥ 1).

    Returns:
        The steps removed; `[]` when the newest checkpoint does not verify.
    """
    steps = checkpoint_steps(folder)
    newest = newest_checkpoint(folder)
    if newest is None or newest.notes:
        return []  # the old ones are all there is to fall back to
    kept = {pointer.step for kind in POINTERS if (pointer := pointed(folder, kind))}
    removed = [step for step in steps[: -max(keep, 1)] if step not in kept]
    with writing(folder):
        for step in removed:
            # A kill while removing leaves a .tmp, never half a checkpoint under its own name.
            part = folder / f"{step_name(step)}.tmp"
            remove_path(part)
            os.rename(folder / step_name(step), part)
            shutil.rmtree(part)
        for aside in folder.glob("step-*.damaged"):
            remove_path(aside)
    return removed
