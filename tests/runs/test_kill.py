"""SIGKILL at random moments: what is on disk afterwards always loads."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trader.runs.checkpoints import checkpoint_steps, newest_checkpoint, read_checkpoint, step_name
from trader.runs.metrics_log import read_metrics
from trader.runs.pointers import pointed

KILLS = 6
WRITER = """
import sys
from pathlib import Path
import numpy as np
from trader.runs.checkpoints import newest_checkpoint, read_checkpoint, write_checkpoint
from trader.runs.metrics_log import append_metrics, resume_metrics, start_metrics
from trader.runs.pointers import point_to, prune

home = Path(sys.argv[1])
folder, columns = home / "checkpoints", ["step", "loss"]
newest = newest_checkpoint(folder)
step = newest.step if newest else 0
value = read_checkpoint(newest.path)[0]["value"] if newest else np.zeros(50_000)
start = resume_metrics(home / "metrics.csv", columns, None, step) if newest else start_metrics(
    home / "metrics.csv", columns, None)
print(step, flush=True)
while True:
    step, value = step + 1, value + 1
    append_metrics(start, {"step": step, "loss": 1 / step})
    write_checkpoint(folder, step, {"value": value}, {"step": step})
    point_to(folder, "last", step, {})
    if step % 3 == 0:
        point_to(folder, "best", step, {})
    prune(folder, 2)
"""

# The way many programs save: over the old file, in place.
IN_PLACE = """
import sys
import numpy as np
print(0, flush=True)
value = np.zeros(500_000)
while True:
    value += 1
    np.savez(sys.argv[1] + "/only.npz", value=value)
"""


def run_and_kill(program: str, home: Path, alive_s: float) -> int:
    process = subprocess.Popen([sys.executable, "-c", program, str(home)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        first = int(process.stdout.readline())
        time.sleep(alive_s)
        process.kill()
    return first


def test_a_verified_checkpoint_loads_after_every_kill(tmp_path: Path) -> None:
    chance = random.Random(20)
    reached = 0
    for _ in range(KILLS):
        resumed = run_and_kill(WRITER, tmp_path, chance.uniform(0.05, 0.3))
        assert resumed >= reached  # nothing but the steps since the last checkpoint is lost
        found = newest_checkpoint(tmp_path / "checkpoints")
        assert found is not None
        assert found.notes == []
        reached = found.step
        check_everything_on_disk(tmp_path, reached)
    assert reached > 10


def check_everything_on_disk(home: Path, newest: int) -> None:
    folder = home / "checkpoints"
    for step in checkpoint_steps(folder):
        loaded, meta = read_checkpoint(folder / step_name(step))
        assert meta == {"step": step}
        assert np.array_equal(loaded["value"], np.full(50_000, float(step)))
    for kind in ("best", "last"):
        pointer = pointed(folder, kind)
        assert pointer is None or read_checkpoint(pointer.path)[1]["step"] == pointer.step
    steps = [row["step"] for row in read_metrics(home / "metrics.csv")]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= newest


def loads(path: Path) -> bool:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as opened:
            return bool(np.all(opened["value"] == opened["value"][0]))
    except Exception:
        return False


def test_the_same_kills_do_break_a_file_saved_in_place(tmp_path: Path) -> None:
    for attempt in range(25):
        run_and_kill(IN_PLACE, tmp_path, 0.02 + 0.013 * attempt)
        if (tmp_path / "only.npz").exists() and not loads(tmp_path / "only.npz"):
            return
    pytest.fail("25 kills never hit a write: the kills of this module prove nothing")
