import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trader.errors import TraderError
from trader.runs.metrics_log import append_metrics, read_metrics, resume_metrics, start_metrics, truncate_to

COLUMNS = ["step", "wall_s", "train/loss"]


def filled(path: Path, *steps: int) -> Path:
    log = start_metrics(path, COLUMNS, None)
    for step in steps:
        append_metrics(log, {"step": step, "wall_s": step / 10, "train/loss": None})
    return path


def test_rows_are_spelled_with_repr_and_empty_cells(tmp_path: Path) -> None:
    path = tmp_path / "seed-0" / "metrics.csv"
    log = start_metrics(path, COLUMNS, None)
    append_metrics(log, {"step": np.int64(100), "train/loss": np.float32(0.5)})
    append_metrics(log, {"step": 200, "wall_s": 0.1, "train/loss": float("nan")})
    append_metrics(log, {"step": 300, "wall_s": 1e-17, "train/loss": -3})
    assert path.read_text() == "step,wall_s,train/loss\n100,,0.5\n200,0.1,nan\n300,1e-17,-3\n"
    assert read_metrics(path)[0] == {"step": 100.0, "wall_s": None, "train/loss": 0.5}


@pytest.mark.parametrize("row", [{"wall_s": 1.0}, {"step": 200}, {"step": 100}, {"step": 300, "los": 1}, {"step": 3.5}])
def test_no_step_twice_or_backwards_and_no_unknown_column(tmp_path: Path, row: dict) -> None:
    log = start_metrics(tmp_path / "metrics.csv", COLUMNS, None)
    append_metrics(log, {"step": 200})
    with pytest.raises(ValueError, match="step after 200"):
        append_metrics(log, row)


@pytest.mark.parametrize("columns", [[], ["wall_s"], ["wall_s", "step"], ["step", "a", "a"]])
def test_columns_begin_with_step_and_are_unique(tmp_path: Path, columns: list[str]) -> None:
    with pytest.raises(ValueError, match="begin with step"):
        start_metrics(tmp_path / "metrics.csv", columns, None)


@pytest.mark.parametrize(
    ("step", "left", "dropped"), [(0, [], 3), (150, [100], 2), (200, [100, 200], 1), (999, [100, 200, 300], 0)]
)
def test_resume_drops_later_rows(tmp_path: Path, step: int, left: list[int], dropped: int) -> None:
    path = filled(tmp_path / "metrics.csv", 100, 200, 300)
    assert truncate_to(path, step) == dropped
    assert [row["step"] for row in read_metrics(path)] == left


def test_a_kill_at_any_byte_resumes_to_the_bytes_of_an_uninterrupted_log(tmp_path: Path) -> None:
    whole = filled(tmp_path / "whole.csv", 100, 200, 300).read_bytes()
    torn = tmp_path / "torn.csv"
    for cut in range(whole.index(b"200,"), len(whole) + 1):
        torn.write_bytes(whole[:cut])
        checkpoint = 200 if cut > whole.index(b"300,") else 100  # a row comes before its checkpoint
        log = resume_metrics(torn, COLUMNS, None, checkpoint)
        for step in range(checkpoint + 100, 400, 100):
            append_metrics(log, {"step": step, "wall_s": step / 10, "train/loss": None})
        assert torn.read_bytes() == whole


def test_a_torn_number_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,wall_s,train/loss\n100,1.0,2.5\n200,2.0,0.01")  # was 0.0123
    assert truncate_to(path, 200) == 1
    assert path.read_text() == "step,wall_s,train/loss\n100,1.0,2.5\n"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "row 1"),
        ("time,a\n1,2\n", "row 1: the first column"),
        ("step,a\n1,2\nx,2\n", "row 3: damaged"),
        ("step,a\n1,2\n2\n", "row 3: must have 2 cells"),
        ("step,a\n1,2\n1,2\n", "row 3: step 1 must come after step 1"),
        ("step,a\n1,b\n", "row 2: damaged"),
    ],
)
def test_a_damaged_file_is_refused_with_its_row(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(TraderError, match=complaint):
        read_metrics(tmp_path / "metrics.csv")


def test_resume_needs_the_file_and_the_same_columns(tmp_path: Path) -> None:
    with pytest.raises(TraderError, match="no such file"):
        resume_metrics(tmp_path / "absent.csv", COLUMNS, None, 100)
    path = filled(tmp_path / "metrics.csv", 100)
    with pytest.raises(TraderError, match="columns are step,wall_s,train/loss; this version writes step"):
        resume_metrics(path, ["step"], None, 100)


def test_a_read_only_folder_is_one_clear_line(read_only: Path) -> None:
    with pytest.raises(TraderError, match=r"metrics\.csv: cannot write: Permission denied"):
        start_metrics(read_only / "metrics.csv", COLUMNS, None)


def test_tensorboard_shows_each_step_once_after_a_resume_and_needs_no_tensorflow(tmp_path: Path) -> None:
    program = """
import sys, types
from pathlib import Path
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")  # keeps TensorBoard's own reader off TensorFlow
from trader.runs.metrics_log import append_metrics, resume_metrics, start_metrics
home, columns = Path(sys.argv[1]), ["step", "valid/score"]
log = start_metrics(home / "metrics.csv", columns, home / "tb")
for step in (100, 200, 300):
    append_metrics(log, {"step": step, "valid/score": step / 1000})
log = resume_metrics(home / "metrics.csv", columns, home / "tb", 100)
append_metrics(log, {"step": 200, "valid/score": 0.75})
append_metrics(log, {"step": 250, "valid/score": float("nan")})
assert "tensorflow" not in sys.modules and "pandas" not in sys.modules and "keras" not in sys.modules
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
shown = EventAccumulator(str(home / "tb")).Reload()
print(shown.Tags()["scalars"], [(point.step, round(point.value, 6)) for point in shown.Scalars("valid/score")])
"""
    answer = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert answer.stdout == "['valid/score'] [(100, 0.1), (200, 0.75)]\n", answer.stderr
