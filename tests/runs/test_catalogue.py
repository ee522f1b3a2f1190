from pathlib import Path

import numpy as np
import pytest

from trader.errors import TraderError
from trader.runs.catalogue import clean_run, list_runs, prune_run, show_run, verify_run
from trader.runs.checkpoints import checkpoint_steps, write_checkpoint
from trader.runs.files import write_json_atomic
from trader.runs.folder import RunFolder, create_run, lock
from trader.runs.manifest import read_manifest, update_manifest
from trader.runs.metrics_log import append_metrics, start_metrics
from trader.runs.pointers import point_to
from trader.runs.results import begin_backtest, finish_backtest, result_folders, write_evaluation


@pytest.fixture
def finished(run: RunFolder) -> RunFolder:
    log = start_metrics(run.metrics(0), ["step", "loss"], None)
    for step in (100, 200, 300):
        append_metrics(log, {"step": step, "loss": 1.0})
        write_checkpoint(run.checkpoints(0), step, {"x": np.arange(step)}, {})
    point_to(run.checkpoints(0), "best", 100, {"score": 1.0})
    point_to(run.checkpoints(0), "last", 300, {})
    update_manifest(run.path, {"status": "finished"})
    part = begin_backtest(run)
    write_json_atomic(part / "report.json", {"trials": 1})
    (part / "equity.csv").write_text("strategy\n")
    finish_backtest(part)
    write_evaluation(run, {"checkpoints": []})
    return run


def every_file(run: RunFolder) -> list[Path]:
    return sorted(path for path in run.path.rglob("*") if path.is_file() and path.name != ".lock")


def test_a_whole_run_verifies_and_later_commands_leave_its_manifest_alone(finished: RunFolder) -> None:
    assert verify_run(finished) == []
    before = finished.file("manifest.json").read_bytes()
    part = begin_backtest(finished)
    (part / "report.html").write_text("<html>")
    finish_backtest(part)
    write_evaluation(finished, {"checkpoints": [1]})
    assert finished.file("manifest.json").read_bytes() == before
    assert verify_run(finished) == []
    assert len(result_folders(finished)) == 2


def test_one_changed_byte_in_any_file_of_a_finished_run_is_found_and_named(finished: RunFolder) -> None:
    for path in every_file(finished):
        whole = path.read_bytes()
        for damaged in ([bytes([whole[0] ^ 1]) + whole[1:]] if whole else []) + [whole + b" "]:
            path.write_bytes(damaged)
            problems = verify_run(finished)
            assert problems, path
            assert any(str(path) in problem for problem in problems)
        path.write_bytes(whole)
    assert verify_run(finished) == []


def test_a_missing_file_and_a_planted_link_are_found(finished: RunFolder) -> None:
    (finished.path / "seed-0" / "extra").symlink_to("/etc/passwd")
    assert any("symbolic link" in problem for problem in verify_run(finished))
    (finished.path / "seed-0" / "extra").unlink()
    for path in every_file(finished):
        whole = path.read_bytes()
        path.unlink()
        if path.name != "evaluation.json":  # nobody promised an evaluation
            assert verify_run(finished), path
        path.write_bytes(whole)


def test_prune_keeps_best_and_last_and_the_run_still_verifies(finished: RunFolder) -> None:
    with lock(finished), pytest.raises(TraderError, match="in use by another process"):
        prune_run(finished, 1)
    assert prune_run(finished, 1) == ["seed-0/checkpoints/step-000000200"]
    assert checkpoint_steps(finished.checkpoints(0)) == [100, 300]
    assert verify_run(finished) == []
    assert "seed-0/checkpoints/step-000000200/state.npz" not in read_manifest(finished.path)["files"]


def test_a_damaged_checkpoint_that_was_moved_aside_is_pruned_and_the_run_still_verifies(finished: RunFolder) -> None:
    aside = finished.checkpoints(0) / "step-000000200.damaged"
    (finished.checkpoints(0) / "step-000000200").rename(aside)
    update_manifest(finished.path, {"status": "finished"})
    assert prune_run(finished, 9) == ["seed-0/checkpoints/step-000000200.damaged"]
    assert not aside.exists()
    assert verify_run(finished) == []


def test_the_list_tells_finished_running_killed_and_damaged_apart(tmp_path: Path, finished: RunFolder) -> None:
    runs = tmp_path / "runs"
    killed, running, damaged = (create_run(runs, name, "", {}) for name in ("killed", "running", "damaged"))
    for run in (killed, running):
        update_manifest(run.path, {"status": "running"})
    damaged.file("manifest.json").write_text("{")
    with lock(running):
        records = {record["run"].split("/")[0]: record for record in list_runs(runs)}
    assert {name: record["status"] for name, record in records.items()} == {
        "damaged": "damaged",
        "first": "finished",
        "killed": "killed",
        "running": "running",
    }
    assert records["first"]["step"] == 300
    assert "manifest.json" in records["damaged"]["problem"]
    assert list_runs(tmp_path / "absent") == []


def test_show_has_checkpoints_pointers_and_backtests(finished: RunFolder) -> None:
    shown = show_run(finished)
    assert shown["checkpoints"] == {"0": {"checkpoints": [100, 200, 300], "best": 100, "last": 300}}
    assert shown["backtests"] == [path.name for path in result_folders(finished)]
    assert shown["status"] == "finished"


def test_a_backtest_that_was_killed_does_not_count(run: RunFolder) -> None:
    begin_backtest(run)
    assert result_folders(run) == []
    assert verify_run(run) == []


def test_an_evaluation_with_nan_is_refused(run: RunFolder) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_evaluation(run, {"score": float("nan")})


def test_a_linked_results_folder_is_refused(tmp_path: Path, run: RunFolder) -> None:
    (run.path / "backtests").symlink_to(tmp_path)
    with pytest.raises(TraderError, match="symbolic link"):
        begin_backtest(run)


def test_leftovers_of_kills_are_cleaned_but_a_backtest_being_written_is_left(finished: RunFolder) -> None:
    begin_backtest(finished)
    finished.file("seed-0/.metrics.csv.00.tmp").write_text("half")
    half = finished.file("seed-0/checkpoints/step-000000400.tmp")
    half.mkdir()
    (half / ".x.tmp").write_text("half")
    with lock(finished):
        clean_run(finished)
    assert [path.parent.name for path in finished.path.rglob("*.tmp")] == ["backtests"]
    assert verify_run(finished) == []
