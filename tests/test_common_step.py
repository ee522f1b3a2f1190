"""Seeds of one program that a kill left at different steps go on from their newest common one, to the same bytes."""

import shutil
from pathlib import Path

import pytest

from tests.seed_runs import bytes_of, pointed, text_of, trained
from trader import backend
from trader.cli.main import run
from trader.runs.checkpoints import checkpoint_steps, read_checkpoint, step_name
from trader.runs.manifest import update_manifest

pytestmark = pytest.mark.skipif(not backend.MAPS_SEEDS, reason="this backend trains one seed after the other")

# Saved at 112 (before the first validation), 168 or whenever one has a best, 224, 336, 448 and 504.
SETTINGS = ("train.keep_checkpoints=100", "train.save_freq=100", "train.total_timesteps=504")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two seeds that nothing disturbed."""
    return trained(tmp_path_factory.mktemp("whole") / "run", "a2c", 5, 2, *SETTINGS)


@pytest.fixture
def killed(whole: Path, tmp_path: Path) -> Path:
    """A copy of it that does not know that it has finished."""
    copy = tmp_path / "runs" / whole.parent.name / whole.name
    shutil.copytree(whole, copy)
    update_manifest(copy, {"status": "running"})
    return copy


def steps_of(run_folder: Path, seed: int) -> list[int]:
    return checkpoint_steps(run_folder / f"seed-{seed}" / "checkpoints")


def forget(run_folder: Path, seed: int, after: int) -> None:
    """Remove a seed's checkpoints after a step; what points to them stays."""
    for step in steps_of(run_folder, seed):
        if step > after:
            shutil.rmtree(run_folder / f"seed-{seed}" / "checkpoints" / step_name(step))


def resumed(run_folder: Path) -> list[str]:
    """Finish a run; return what its log says of where seeds went on."""
    before = (run_folder / "log.txt").read_text()
    assert run(["train", "--resume", str(run_folder), "--runs-dir", str(run_folder.parents[1])]) == 0
    said = (run_folder / "log.txt").read_text().removeprefix(before).splitlines()
    return [line.partition("seed-")[2] for line in said if "resumes at" in line or "starts at" in line]


def assert_equal(found: Path, wanted: Path) -> None:
    for seed in (0, 1):
        assert text_of(found, seed) == text_of(wanted, seed)
        assert bytes_of(found, seed) == bytes_of(wanted, seed)
        for kind in ("best", "last"):
            assert pointed(found, seed, kind).name == pointed(wanted, seed, kind).name


def test_the_seeds_were_saved_at_the_same_steps_and_differ(whole: Path):
    steps = steps_of(whole, 0)
    assert steps == steps_of(whole, 1)
    assert steps[0] == 112
    assert {112, 224, 336, 448, 504} <= set(steps)
    assert bytes_of(whole, 0) != bytes_of(whole, 1)


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_kill_between_the_saves_of_one_moment_costs_that_moment(whole: Path, killed: Path, ahead: int):
    forget(killed, ahead, 336)
    forget(killed, 1 - ahead, steps_of(whole, 0)[steps_of(whole, 0).index(336) - 1])
    before = steps_of(killed, 1 - ahead)[-1]
    assert resumed(killed) == [f"{seed}: resumes at step {before}" for seed in (0, 1)]
    assert_equal(killed, whole)


def test_a_kill_between_the_last_saves_leaves_one_seed_finished_and_the_other_goes_on(whole: Path, killed: Path):
    forget(killed, 1, 448)
    assert resumed(killed) == ["0: resumes at step 504", "1: resumes at step 448"]
    assert_equal(killed, whole)


@pytest.mark.parametrize("first_ends", [112, 336, 504])
def test_a_seed_without_any_checkpoint_begins_again_and_with_it_those_not_yet_finished(
    whole: Path, killed: Path, first_ends: int
):
    forget(killed, 0, first_ends)
    forget(killed, 1, 0)
    first = "starts at step 0" if first_ends < 504 else "resumes at step 504"
    assert resumed(killed) == [f"0: {first}", "1: starts at step 0"]
    assert_equal(killed, whole)


def test_a_damaged_newest_checkpoint_of_one_seed_takes_both_back(whole: Path, killed: Path):
    for seed in (0, 1):
        forget(killed, seed, 448)
    state = killed / "seed-1" / "checkpoints" / step_name(448) / "state.npz"
    state.write_bytes(state.read_bytes()[:-1] + b"\xff")
    before = [step for step in steps_of(whole, 0) if step < 448][-1]
    assert resumed(killed) == [f"{seed}: resumes at step {before}" for seed in (0, 1)]
    assert "step-000000448" in (killed / "log.txt").read_text()
    assert_equal(killed, whole)


def test_a_best_checkpoint_that_was_pruned_for_a_better_one_now_gone_is_done_without(whole: Path, killed: Path):
    """Seed 0 goes back to before its best; what was best by then had made room for it."""
    best = int(pointed(whole, 0, "best").name.removeprefix("step-"))
    back = [step for step in steps_of(whole, 0) if step < best][-1]
    then_best = read_checkpoint(killed / "seed-0" / "checkpoints" / step_name(back))[1]["best_step"]
    assert 0 < then_best < back
    for seed in (0, 1):
        forget(killed, seed, back)
    shutil.rmtree(killed / "seed-0" / "checkpoints" / step_name(then_best))
    assert resumed(killed) == [f"{seed}: resumes at step {back}" for seed in (0, 1)]
    assert text_of(killed, 0) == text_of(whole, 0)
    assert pointed(killed, 0, "best").name == pointed(whole, 0, "best").name
