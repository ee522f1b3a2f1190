"""Which seeds one program trains and where each goes on, from checkpoint folders made by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trader import backend
from trader.errors import TraderError
from trader.runs.checkpoints import step_name, write_checkpoint
from trader.runs.cohorts import Cohort, meta_of, plan_cohorts, snapshots_of
from trader.runs.folder import RunFolder
from trader.training import Plan, Progress

PLAN = Plan(1_000, 100, 100, None)
RUNNING = Progress(0.5, 100, 0)
ENDED = Progress(0.5, 100, 3, finished=True)


@pytest.fixture(autouse=True)
def maps_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan as for a backend that maps programs over seeds, whichever runs the tests."""
    monkeypatch.setattr(backend, "MAPS_SEEDS", True)


def saved(run: RunFolder, seed: int, steps: list[int], progress: Progress = RUNNING, together: Any = (0, 1)) -> None:
    """Write checkpoints whose array says whose they are; only the last of them has the given progress."""
    for step in steps:
        last = progress if step == steps[-1] else progress._replace(finished=False, stale=0)
        write_checkpoint(run.checkpoints(seed), step, {"who": np.array([seed, step])}, meta_of(last, together))


def damage(run: RunFolder, seed: int, step: int) -> None:
    path = run.checkpoints(seed) / step_name(step) / "state.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")


def planned(run: RunFolder, num_seeds: int = 2, per_program: int = 2, plan: Plan = PLAN) -> list[Cohort]:
    return plan_cohorts(run, num_seeds, per_program, plan)


def in_short(cohorts: list[Cohort]) -> list[tuple[tuple[int, ...], int, dict[int, tuple[int, bool]]]]:
    """Lanes, step, and of each own seed its step and whether it is finished."""
    return [
        (c.lanes, c.step, {seed: (one.step, one.progress.finished) for seed, one in c.own.items()}) for c in cohorts
    ]


def who(run: RunFolder, cohort: Cohort) -> list[list[int]] | None:
    snapshots = snapshots_of(run, cohort)
    return snapshots and [snapshot["who"].tolist() for snapshot in snapshots]


@pytest.mark.parametrize(
    ("per_program", "lanes"),
    [(5, [(0, 1, 2, 3, 4)]), (2, [(0, 1), (2, 3), (4,)]), (1, [(0,), (1,), (2,), (3,), (4,)])],
)
def test_a_new_run_is_divided_into_programs_of_so_many_seeds(run: RunFolder, per_program: int, lanes: list[Any]):
    cohorts = planned(run, 5, per_program)
    assert [cohort.lanes for cohort in cohorts] == lanes
    assert all(cohort.step == 0 and snapshots_of(run, cohort) is None for cohort in cohorts)
    assert [seed for cohort in cohorts for seed in cohort.own] == [0, 1, 2, 3, 4]


def test_seeds_at_one_step_go_on_from_it_together(run: RunFolder):
    saved(run, 0, [100, 200])
    saved(run, 1, [100, 200], Progress(-0.25, 200, 0))
    (cohort,) = planned(run)
    assert in_short([cohort]) == [((0, 1), 200, {0: (200, False), 1: (200, False)})]
    assert cohort.own[1].progress == Progress(-0.25, 200, 0)
    assert who(run, cohort) == [[0, 200], [1, 200]]


def test_what_a_kill_left_ahead_is_computed_again_from_the_newest_common_step(run: RunFolder):
    saved(run, 0, [100, 200, 300])
    saved(run, 1, [100, 200])
    (cohort,) = planned(run)
    assert in_short([cohort]) == [((0, 1), 200, {0: (200, False), 1: (200, False)})]
    assert who(run, cohort) == [[0, 200], [1, 200]]


@pytest.mark.parametrize("left", ["nothing", "other steps"])
def test_seeds_without_a_common_step_begin_again(run: RunFolder, left: str):
    saved(run, 0, [200, 300])
    if left == "other steps":
        saved(run, 1, [100])
    (cohort,) = planned(run)
    assert in_short([cohort]) == [((0, 1), 0, {0: (0, False), 1: (0, False)})]
    assert cohort.own[0].progress == Progress()
    assert who(run, cohort) is None


def test_a_damaged_newest_checkpoint_of_one_seed_takes_all_back_and_is_told_of_that_seed(run: RunFolder):
    for seed in (0, 1):
        saved(run, seed, [100, 200, 300])
    damage(run, 1, 300)
    (cohort,) = planned(run)
    assert in_short([cohort]) == [((0, 1), 200, {0: (200, False), 1: (200, False)})]
    assert cohort.own[0].notes == ()
    assert "step-000000300" in " ".join(cohort.own[1].notes)


def test_a_damaged_common_step_below_the_newest_is_passed_over(run: RunFolder):
    saved(run, 0, [100, 200, 300])
    saved(run, 1, [100, 200])
    damage(run, 0, 200)
    assert in_short(planned(run)) == [((0, 1), 100, {0: (100, False), 1: (100, False)})]


def test_a_seed_whose_checkpoints_are_all_damaged_is_refused_by_name(run: RunFolder):
    saved(run, 0, [100])
    saved(run, 1, [100])
    damage(run, 1, 100)
    with pytest.raises(TraderError, match=r"seed-1.*all 1 checkpoints are damaged"):
        planned(run)


def test_a_seed_that_ended_stays_at_its_end_and_its_lane_holds_a_copy(run: RunFolder):
    saved(run, 0, [100, 200], Progress(0.5, 100, 1))
    saved(run, 1, [100], Progress(0.7, 100, 2, finished=True))
    (cohort,) = planned(run, plan=PLAN._replace(patience=2))
    assert in_short([cohort]) == [((0, 1), 200, {0: (200, False), 1: (100, True)})]
    assert who(run, cohort) == [[0, 200], [0, 200]]


def test_seeds_that_all_ended_have_nothing_to_do(run: RunFolder):
    for seed in (0, 1):
        saved(run, seed, [500, 1_000], ENDED)
    (cohort,) = planned(run)
    assert in_short([cohort]) == [((0, 1), 0, {0: (1_000, True), 1: (1_000, True)})]
    assert snapshots_of(run, cohort) is None


def test_a_longer_plan_revives_seeds_that_ended_together(run: RunFolder):
    for seed in (0, 1):
        saved(run, seed, [500, 1_000], ENDED)
    (cohort,) = planned(run, plan=PLAN._replace(total_timesteps=2_000))
    assert in_short([cohort]) == [((0, 1), 1_000, {0: (1_000, False), 1: (1_000, False)})]
    assert who(run, cohort) == [[0, 1_000], [1, 1_000]]


def test_a_shorter_plan_ends_seeds_that_are_beyond_it(run: RunFolder):
    for seed in (0, 1):
        saved(run, seed, [500, 600])
    (cohort,) = planned(run, plan=PLAN._replace(total_timesteps=550))
    assert in_short([cohort]) == [((0, 1), 0, {0: (600, True), 1: (600, True)})]


def test_a_seed_revived_at_another_step_gets_a_program_of_its_own_with_as_many_lanes(run: RunFolder):
    """Seed 1 had stopped early; without patience it goes on, from where it stopped, beside copies of itself."""
    saved(run, 0, [100, 200, 300], Progress(0.5, 300, 0), (0, 1, 2))
    saved(run, 1, [100, 200], Progress(0.5, 100, 2, finished=True), (0, 1, 2))
    saved(run, 2, [500, 1_000], ENDED, (0, 1, 2))
    cohorts = planned(run, 3, 3)
    assert in_short(cohorts) == [
        ((0, 1, 2), 300, {0: (300, False)}),
        ((0, 1, 2), 200, {1: (200, False), 2: (1_000, True)}),
    ]
    assert [who(run, cohort) for cohort in cohorts] == [[[0, 300]] * 3, [[1, 200]] * 3]


def test_more_seeds_asked_for_on_resume_make_programs_of_their_own(run: RunFolder):
    for seed in (0, 1):
        saved(run, seed, [100, 200])
    assert in_short(planned(run, 5, 2)) == [
        ((0, 1), 200, {0: (200, False), 1: (200, False)}),
        ((2, 3), 0, {2: (0, False), 3: (0, False)}),
        ((4,), 0, {4: (0, False)}),
    ]


def test_fewer_seeds_asked_for_leave_the_lanes_as_they_were(run: RunFolder):
    for seed in (0, 1, 2):
        saved(run, seed, [100, 200], together=(0, 1, 2))
    (cohort,) = planned(run, 2, 2)
    assert in_short([cohort]) == [((0, 1, 2), 200, {0: (200, False), 1: (200, False)})]
    assert who(run, cohort) == [[0, 200], [1, 200], [0, 200]]


def test_programs_begun_with_other_sizes_stay_as_they_are(run: RunFolder):
    saved(run, 0, [100], together=(0,))
    saved(run, 1, [300], together=(1,))
    assert in_short(planned(run, 2, 2)) == [((0,), 100, {0: (100, False)}), ((1,), 300, {1: (300, False)})]


def test_seeds_of_one_program_go_on_each_alone_where_the_backend_trains_one_after_the_other(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backend, "MAPS_SEEDS", False)
    saved(run, 0, [100, 200, 300])
    saved(run, 1, [100, 200])
    cohorts = planned(run, 3, 1)
    assert in_short(cohorts) == [
        ((0,), 300, {0: (300, False)}),
        ((1,), 200, {1: (200, False)}),
        ((2,), 0, {2: (0, False)}),
    ]
    assert [who(run, cohort) for cohort in cohorts] == [[[0, 300]], [[1, 200]], None]


def test_a_checkpoint_of_before_programs_of_several_seeds_is_of_its_seed_alone(run: RunFolder):
    meta = meta_of(RUNNING, (0,))
    del meta["together"]
    write_checkpoint(run.checkpoints(0), 100, {"who": np.array([0, 100])}, meta)
    assert in_short(planned(run, 1, 1)) == [((0,), 100, {0: (100, False)})]


@pytest.mark.parametrize("change", [{"together": "ab"}, {"together": None}, {"best_step": "x"}])
def test_a_checkpoint_that_no_training_wrote_is_refused_in_one_line(run: RunFolder, change: dict[str, Any]):
    meta = meta_of(RUNNING, (0, 1)) | change
    path: Path = write_checkpoint(run.checkpoints(0), 100, {"who": np.array([0, 100])}, meta)
    with pytest.raises(TraderError, match="not written by a training") as refused:
        planned(run)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_progress_without_a_best_is_kept_as_json_allows(run: RunFolder):
    saved(run, 0, [100], Progress(), (0,))
    ((cohort),) = planned(run, 1, 1)
    assert cohort.own[0].progress == Progress()
