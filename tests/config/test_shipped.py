"""Every file in configs/ loads, says only what differs from the defaults, and says why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trader.config import Experiment
from trader.config.load import load_experiment, parse_yaml

FOLDER = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(FOLDER.glob("*.yaml"))
TAGS = ("name", "kind", "source")


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    else:
        yield path, value


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step] if isinstance(value, list | dict) else getattr(value, str(step))
    return value


def repeats_default(experiment: Experiment, path: tuple[str | int, ...]) -> bool:
    """Whether a key's value is what it would be without the key (tags choose the section, so they never repeat)."""
    section, key = at(experiment, path[:-1]), str(path[-1])
    field = type(section).model_fields[key]
    if key in TAGS or field.is_required():
        return False
    return getattr(section, key) == field.get_default(call_default_factory=True)


def unexplained(text: str) -> list[str]:
    """Lines that give a value without a comment beside it."""
    lines = (line.strip() for line in text.splitlines())
    return [
        line for line in lines if line and not line.startswith("#") and not line.endswith(":") and " # " not in line
    ]


def test_the_eight_configs_are_shipped():
    assert [path.stem for path in SHIPPED] == [
        *("btc-hourly-dqn", "known-optimum", "nasdaq-a2c", "nasdaq-dqn", "nasdaq-reinforce"),
        *("quickstart", "sp500-a2c", "universe-a2c"),
    ]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
class TestShippedConfig:
    def test_it_loads_under_its_own_name(self, path: Path):
        assert load_experiment(path).name == path.stem

    def test_it_repeats_no_default(self, path: Path):
        experiment = load_experiment(path)
        document = parse_yaml(path.read_text(encoding="utf-8"), path.name)
        assert [where for where, _ in leaves(document) if repeats_default(experiment, where)] == []

    def test_every_value_has_its_reason_beside_it(self, path: Path):
        assert unexplained(path.read_text(encoding="utf-8")) == []


def test_a_repeated_default_would_be_seen(tmp_path: Path):
    path = tmp_path / "x.yaml"
    path.write_text("data: {source: nasdaq}\nenv: {fill: next_open}\n")
    assert repeats_default(load_experiment(path), ("env", "fill"))


def test_an_unexplained_value_would_be_seen():
    assert unexplained("# head\nenv:\n  fill: close\n  window_size: 3  # why\n") == ["fill: close"]
