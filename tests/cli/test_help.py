import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from tests.cli.conftest import Outcome, Trader
from trader.cli.main import app

# A command that is missing or new shows here.
COMMANDS = {
    *("train", "evaluate", "backtest", "report", "bench", "runs list", "runs show", "runs verify", "runs prune"),
    *("data check", "data describe", "data export", "config show", "config schema", "config init"),
}
HEAVY = ("tensorflow", "keras", "numpy", "pandas", "pyarrow", "pydantic", "yaml", "rich", "logging")


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = {" ".join(path): command for path, command in commands(typer.main.get_command(app))}


def test_the_commands_are_those_of_the_contract():
    assert set(ALL) == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
class TestHelp:
    def test_it_has_an_example_of_the_command_itself(self, trader: Trader, name: str):
        outcome = trader(*name.split(), "--help")
        assert outcome.code == 0
        assert re.search(rf"Examples:\n +trader {name}\b", outcome.out)

    def test_every_option_and_argument_is_explained(self, name: str):
        assert [parameter.name for parameter in ALL[name].params if not getattr(parameter, "help", None)] == []

    def test_the_options_of_its_examples_exist(self, name: str):
        known = {option for parameter in ALL[name].params for option in parameter.opts}
        lines = [line.strip() for line in ALL[name].epilog.splitlines() if line.strip().startswith(f"trader {name}")]
        used = {word for line in lines for word in line.split() if word.startswith("--")}
        assert used <= known


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["data", "--help"], ["runs", "-h"], ["config", "--help"]])
def test_help_without_a_command_lists_the_commands(trader: Trader, words: list[str]):
    outcome = trader(*words)
    assert outcome.code == 0
    assert "Commands:" in outcome.out
    assert "..." not in outcome.out.partition("Commands:")[2]  # no summary is cut off at 80 columns
    assert outcome.err == ""


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_imports_no_heavy_package(python: Callable[[str], Outcome], words: list[str]):
    program = (
        "import sys\n"
        "from trader.cli.main import run\n"
        f"code = run({words!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(repr(loaded) if loaded else code)"
    )
    outcome = python(program)
    assert outcome.code == 0, outcome.err


def test_version_is_printed(trader: Trader):
    assert re.fullmatch(r"trader \d+\.\d+\S*\n", trader("--version").out)
