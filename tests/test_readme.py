"""The commands and files of README and docs, as a newcomer types them, with shorter training."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_group

from trader.cli.main import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)
RUN = re.compile(r"<!-- run(?:, exit code (\d))? -->\n```\n(.*?)```", re.DOTALL)
SHORT = "train.total_timesteps=2000 train.eval_freq=1000 train.save_freq=1000 seeds=1"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Page with commands to run -> the run they leave, and what else shortens them.
RUNNABLE = {"README.md": ("mine", ""), "docs/agents.md": ("known-optimum", "data.length=6000 agent.buffer_size=2000")}


def command_lines(readme: str) -> list[tuple[str, int]]:
    """Every line of a marked block with the exit code it promises."""
    blocks = RUN.findall(readme)
    return [(line, int(code or 0)) for code, block in blocks for line in block.splitlines() if line.strip()]


def mentioned_commands(text: str) -> set[str]:
    """Every `trader word` or `trader group word` in code."""
    code = re.findall(r"`([^`\n]+)`", text) + [
        line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    return {
        match.group(1)
        for line in code
        if (match := re.search(r"(?:^|/)trader ((?:data|config|runs) [a-z]+|[a-z]+)", line))
    }


def test_the_readme_has_commands_and_a_config_to_run():
    assert len(command_lines(README)) >= 8
    assert dict(FILE.findall(README)).keys() == {"mine.yaml"}


def test_every_page_with_commands_to_run_is_run():
    marked = [path.relative_to(ROOT).as_posix() for path in PAGES if RUN.search(path.read_text(encoding="utf-8"))]
    assert marked == list(RUNNABLE)


@pytest.mark.parametrize("page", RUNNABLE)
def test_the_commands_of_a_page_run_from_top_to_bottom(page: str, tmp_path: Path):
    text, (left, shorter) = (ROOT / page).read_text(encoding="utf-8"), RUNNABLE[page]
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for name, content in FILE.findall(text):
        (tmp_path / name).write_text(content, encoding="utf-8")
    own = {"TRADER_SET": f"{SHORT} {shorter}", "TRADER_LEDGER": str(tmp_path / "ledger.jsonl"), "PYTHONPATH": str(ROOT)}
    for line, code in command_lines(text):
        words = shlex.split(line)
        assert words[0] == "trader"
        command, env = [sys.executable, "-m", *words], os.environ | own
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
    assert len(list((tmp_path / "runs" / left).glob("*/backtests/*/report.html"))) == 1


def test_the_lines_without_make_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    plain = re.findall(r"^\.venv/bin/(trader .+)$", README, re.MULTILINE)
    assert plain == re.findall(r"^\t\$\(BIN\)/(trader .+)$", makefile, re.MULTILINE)
    assert "install --no-deps --no-build-isolation -e ." in README


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_in_the_documents_exists(path: Path):
    top: dict[str, Any] = dict(get_group(app).commands)
    known = {f"{group} {name}" for group in ("data", "config", "runs") for name in top[group].commands} | set(top)
    assert mentioned_commands(path.read_text(encoding="utf-8")) - known == set()


def test_a_command_that_does_not_exist_is_noticed():
    text = "Try `trader data check F` or:\n```\n.venv/bin/trader fly --high\n```\n"
    assert mentioned_commands(text) == {"data check", "fly"}


def test_every_link_in_the_documents_leads_somewhere():
    for path in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists() or target == "docs/benchmarks.md", f"{path.name}: {target}"
