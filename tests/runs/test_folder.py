import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trader.errors import TraderError
from trader.runs.folder import RunFolder, create_run, find_run, is_locked, lock, no_checkpoints, write_log
from trader.runs.manifest import read_manifest, update_manifest

HOLDER = """
import sys, time
from pathlib import Path
from trader.runs.folder import RunFolder, lock
with lock(RunFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_new_run_has_its_place_config_manifest_and_log(tmp_path: Path, run: RunFolder) -> None:
    assert re.fullmatch(r"first/\d{8}T\d{6}Z-[0-9a-f]{4}", run.label)
    assert run.path == tmp_path / "runs" / run.label
    assert sorted(path.name for path in run.path.iterdir()) == ["config.yaml", "log.txt", "manifest.json"]
    assert run.config.read_text() == "seed: 0\n"
    manifest = read_manifest(run.path)
    assert manifest["status"] == "started"
    assert manifest["command"] == "trader train"
    assert manifest["versions"].keys() >= {"python", "trader", "numpy", "keras"}
    assert list(manifest["files"]) == ["config.yaml"]
    assert os.listdir(run.path.parent) == [run.path.name]


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a\0b", "a/b", "", ".."])
def test_a_run_name_cannot_leave_the_runs_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(TraderError, match="run name"):
        create_run(tmp_path / "runs", name, "", {})
    assert not (tmp_path / "runs").exists()


def test_a_run_name_that_is_a_link_is_refused_and_never_listed(tmp_path: Path, run: RunFolder) -> None:
    (tmp_path / "runs" / "link").symlink_to(run.path.parent)
    with pytest.raises(TraderError, match="symbolic link"):
        create_run(tmp_path / "runs", "link", "", {})
    with pytest.raises(TraderError, match="no run folder"):
        find_run("lin", tmp_path / "runs")


def test_a_read_only_runs_folder_is_one_clear_line(read_only: Path) -> None:
    with pytest.raises(TraderError, match="cannot write: Permission denied") as caught:
        create_run(read_only, "first", "", {})
    assert len(str(caught.value).splitlines()) == 1


def test_a_failing_start_leaves_nothing_that_counts_as_a_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        create_run(tmp_path, "first", "", {"seeds": float("nan")})
    assert os.listdir(tmp_path / "first") == []
    (tmp_path / "first" / "20240101T000000Z-0000.tmp").mkdir()
    (tmp_path / "first" / "20240101T000000Z-0001").mkdir()
    with pytest.raises(TraderError, match="no runs yet"):
        find_run("first-x", tmp_path)


def test_a_run_is_found_by_folder_by_label_and_by_name_for_the_newest(
    tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    newer = [create_run(runs, "first", "", {}) for _ in range(3)][-1]  # within one second: the manifest's time decides
    assert find_run("first", runs) == newer
    assert find_run(str(runs / "first"), runs) == newer
    assert find_run(str(run.path), tmp_path / "elsewhere") == run
    assert find_run(run.label, runs) == run
    monkeypatch.chdir(run.path)
    assert find_run(".", runs).path.absolute() == run.path


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("frist", 'did you mean "first"'),
        ("first/20200101T000000Z-0000", 'did you mean "first/'),
        ("../../nowhere", "no run folder"),
        ("a\0b", "must be a run folder"),
        ("", "must be a run folder"),
    ],
)
def test_a_run_that_is_not_there_is_one_line_with_the_nearest_name(
    tmp_path: Path, run: RunFolder, text: str, complaint: str
) -> None:
    with pytest.raises(TraderError, match=complaint) as caught:
        find_run(text, tmp_path / "runs")
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(TraderError, match=r"not a run folder \(no manifest\.json\)"):
        find_run(str(tmp_path), tmp_path / "runs")


def test_a_run_without_checkpoints_says_how_to_go_on(run: RunFolder) -> None:
    assert "run folder without checkpoints" in str(no_checkpoints(run))


def test_the_second_process_on_a_run_is_refused_and_a_kill_lets_go(run: RunFolder) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(run.path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_locked(run)
        with pytest.raises(TraderError, match=f"in use by another process \\(pid {holder.pid} "), lock(run):
            pass
        holder.kill()
    assert not is_locked(run)
    with lock(run):
        assert is_locked(run)
    assert not is_locked(run)


def test_a_log_line_stays_one_line(run: RunFolder) -> None:
    write_log(run, "resumed at step 100")
    write_log(run, "failed:\nTraceback\n  x")
    lines = run.file("log.txt").read_text().splitlines()
    assert [line.split("Z ", 1)[1] for line in lines] == ["resumed at step 100", "failed: | Traceback |   x"]


def test_an_ended_run_vouches_for_every_file_and_a_resumed_one_only_for_its_config(run: RunFolder) -> None:
    run.metrics(0).parent.mkdir()
    run.metrics(0).write_text("step\n")
    write_log(run, "done")
    with lock(run):
        finished = update_manifest(run.path, {"status": "finished"})
    assert list(finished["files"]) == ["config.yaml", "log.txt", "seed-0/metrics.csv"]
    assert finished["ended"] >= finished["started"]
    resumed = update_manifest(run.path, {"status": "running"})
    assert (list(resumed["files"]), resumed["ended"]) == (["config.yaml"], None)
    assert resumed["started"] == finished["started"]


def test_an_unknown_status_is_our_mistake(run: RunFolder) -> None:
    with pytest.raises(ValueError, match='did you mean "finished"'):
        update_manifest(run.path, {"status": "finishd"})


def test_an_edited_manifest_is_refused(run: RunFolder) -> None:
    place = run.file("manifest.json")
    manifest = json.loads(place.read_text())
    manifest["status"] = "finished"
    place.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    with pytest.raises(TraderError, match=r"manifest\.json: damaged"):
        read_manifest(run.path)


@pytest.mark.parametrize("entry", ["../x", "/etc/passwd", "a\0b"])
def test_nothing_outside_the_run_is_reached_through_it(run: RunFolder, entry: str) -> None:
    with pytest.raises(TraderError, match="must stay inside"):
        run.file(entry)
