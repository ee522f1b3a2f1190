"""The Python of docs/gym.md runs as it stands; what needs other libraries runs in `make test-bench`."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gym.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"<!-- python -->\n```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_script_of_the_page_is_marked_to_be_run():
    assert PAGE.count("```python") == len(SCRIPTS) + PAGE.count("<!-- python, stable-baselines3 -->\n```python")
    assert len(SCRIPTS) == 3


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_a_script_of_the_page_runs(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script = tmp_path / "script.py"
    script.write_text(SCRIPTS[number], encoding="utf-8")
    monkeypatch.chdir(ROOT)
    left = runpy.run_path(str(script))
    assert left["obs"] in (left.get("env") or left["envs"]).observation_space
