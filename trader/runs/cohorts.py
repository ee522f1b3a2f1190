"""Which seeds are trained by one program, and where on disk each of them stands.

Seeds of one cohort are saved at the same steps, so there is always a step that all of them can go on from. The cohort
is part of every checkpoint: only with as many lanes as before does a resumed program repeat every bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trader import backend
from trader.errors import TraderError
from trader.runs.checkpoints import checkpoint_steps, newest_checkpoint, read_checkpoint, step_name, verify_checkpoint
from trader.runs.folder import RunFolder
from trader.training import Plan, Progress


class Standing(NamedTuple):
    """Where one seed stands: the checkpoint it goes on from (step 0: none), and what was passed over on the way."""

    seed: int
    step: int
    progress: Progress
    notes: tuple[str, ...]


class Cohort(NamedTuple):
    """Seeds that one program trains from one step on.

    Attributes:
        lanes: seed numbers in the order of the program's lanes.
        step: environment steps of each seed that is still running.
        own: where the seeds stand that this cohort trains or finishes; the other lanes are computed and ignored.
    """

    lanes: tuple[int, ...]
    step: int
    own: dict[int, Standing]


def meta_of(progress: Progress, lanes: Sequence[int]) -> dict[str, Any]:
    """Return what a checkpoint says beside its arrays."""
    score = progress.best_score if np.isfinite(progress.best_score) else None
    return {**progress._asdict(), "best_score": score, "together": list(lanes)}


def _progress_of(meta: Mapping[str, Any]) -> Progress:
    score = meta["best_score"]
    best_score = -np.inf if score is None else float(score)
    return Progress(best_score, int(meta["best_step"]), int(meta["stale"]), bool(meta["finished"]))


def plan_cohorts(run: RunFolder, num_seeds: int, per_program: int, plan: Plan) -> list[Cohort]:
    """Return the cohorts of a run, those that were begun before as they were.

    Args:
        run: the folder; new or interrupted.
        num_seeds: seeds 0 … num_seeds − 1 are wanted.
        per_program: how many new seeds one program trains.
        plan: the present one; it says who has finished.

    Raises:
        TraderError: all checkpoints of a seed are damaged.
    """
    newest = {seed: _newest(run, seed) for seed in range(num_seeds)}
    begun = list(dict.fromkeys(together for _, together in filter(None, newest.values())))
    known = {seed for together in begun for seed in together}
    fresh = [seed for seed in range(num_seeds) if seed not in known]
    cohorts = []
    for together in begun:
        standings = _standings(run, [seed for seed in together if seed < num_seeds], newest, plan)
        cohorts += _by_step(together, standings)
    for first in range(0, len(fresh), per_program):
        lanes = tuple(fresh[first : first + per_program])
        cohorts.append(Cohort(lanes, 0, {seed: Standing(seed, 0, Progress(), ()) for seed in lanes}))
    return sorted(cohorts, key=lambda cohort: min(cohort.own))


_Newest = tuple[Standing, tuple[int, ...]] | None


def _newest(run: RunFolder, seed: int) -> _Newest:
    found = newest_checkpoint(run.checkpoints(seed))
    if found is None:
        return None
    meta = verify_checkpoint(found.path)["meta"]
    try:
        together = tuple(int(other) for other in meta.get("together", [seed]))
        if not backend.MAPS_SEEDS:  # begun on a backend that does, resumed inexactly here
            together = (seed,)
        return Standing(seed, found.step, _progress_of(meta), tuple(found.notes)), together
    except (KeyError, TypeError, ValueError) as error:
        raise TraderError(f"{found.path}: not written by a training ({error!r})") from None


def _standings(run: RunFolder, seeds: list[int], newest: Mapping[int, _Newest], plan: Plan) -> list[Standing]:
    """Return where each seed of a cohort goes on: the finished at their ends, the others at their newest common step.

    A kill between the saves of one moment leaves some seeds ahead; what they were ahead is computed again.
    """
    ends = {seed: one[0] for seed in seeds if (one := newest[seed]) and one[0].progress.finished}
    running = [seed for seed in seeds if seed not in ends]
    step = _common_step(run, running)
    standings = []
    for seed in seeds:
        standing = ends.get(seed) or _standing_at(run, seed, step, newest[seed])
        standings.append(standing._replace(progress=_still_to_do(standing.progress, standing.step, plan)))
    return standings


def _common_step(run: RunFolder, seeds: list[int]) -> int:
    shared = [set(checkpoint_steps(run.checkpoints(seed))) for seed in seeds]
    for step in sorted(set.intersection(*shared) if shared else (), reverse=True):
        if all(_is_whole(run, seed, step) for seed in seeds):
            return step
    return 0


def _is_whole(run: RunFolder, seed: int, step: int) -> bool:
    try:
        verify_checkpoint(run.checkpoints(seed) / step_name(step))
    except TraderError:
        return False
    return True


def _standing_at(run: RunFolder, seed: int, step: int, newest: _Newest) -> Standing:
    notes = newest[0].notes if newest else ()
    if step == 0:
        return Standing(seed, 0, Progress(), notes)
    meta = verify_checkpoint(run.checkpoints(seed) / step_name(step))["meta"]
    return Standing(seed, step, _progress_of(meta), notes)


def _still_to_do(progress: Progress, step: int, plan: Plan) -> Progress:
    """Return the progress with `finished` as the present plan has it: a resume may have changed the length."""
    ran_out = plan.patience is not None and progress.stale >= plan.patience
    return progress._replace(finished=step >= plan.total_timesteps or ran_out)


def _by_step(together: tuple[int, ...], standings: list[Standing]) -> list[Cohort]:
    """Return one cohort, or one for each step when a changed plan revived seeds that had ended elsewhere."""
    steps = sorted({standing.step for standing in standings if not standing.progress.finished})
    if len(steps) <= 1:
        return [Cohort(together, steps[0] if steps else 0, {one.seed: one for one in standings})]
    done = {one.seed: one for one in standings if one.progress.finished}
    groups = [{one.seed: one for one in standings if one.step == step and one.seed not in done} for step in steps]
    groups[0] |= done
    return [Cohort(together, step, own) for step, own in zip(steps, groups, strict=True)]


def snapshots_of(run: RunFolder, cohort: Cohort) -> list[dict[str, Any]] | None:
    """Return the arrays that the lanes of a cohort go on from, None when it begins or has nothing left to do.

    Lanes that are computed and ignored hold a copy of one that is not.
    """
    running = {seed: one for seed, one in cohort.own.items() if not one.progress.finished}
    if cohort.step == 0 or not running:
        return None
    read = {seed: read_checkpoint(run.checkpoints(seed) / step_name(cohort.step))[0] for seed in running}
    filler = next(iter(read.values()))
    return [read.get(seed, filler) for seed in cohort.lanes]
