"""Experiment files that explain themselves: every key with its value, meaning and range, written from the models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from trader.config import schema
from trader.config.base import Section
from trader.config.data import BuiltIn
from trader.config.experiment import Experiment
from trader.config.yaml_text import Dumper
from trader.errors import TraderError

_STARTER_HEAD = """\
# Experiment file of trader. Every key with its default, meaning and range; leave out what you do not change.
# Next: trader train --config THIS_FILE, then trader evaluate {name}, then trader backtest {name}.
"""
_OTHER_SOURCES = """\
# Other sources of bars, in place of `data` above:
#   data: {source: csv, path: [prices/AAPL.csv], date_format: "%d.%m.%Y", order: ascending, columns: {close: Last}}
#   data: {source: synthetic, market: {kind: ar1, autocorrelation: 0.3, volatility: 0.01}, length: 60000}
# Other agents, in place of `agent` above (each has keys of its own: trader config schema):
#   agent: {name: reinforce}
#   agent: {name: a2c}
"""


def commented_yaml(experiment: Experiment) -> str:
    """Return the resolved experiment as YAML with a comment beside every key; it loads to an equal value."""
    return "\n".join(_section_lines(experiment, "")) + "\n"


def starter(name: str) -> str:
    """Return the text of a commented starter file: real NASDAQ bars and the default agent."""
    experiment = Experiment(name=name, data=BuiltIn(source="nasdaq"))
    return _STARTER_HEAD.format(name=name) + commented_yaml(experiment) + _OTHER_SOURCES


def write_starter(path: Path) -> None:
    """Write a commented starter file.

    Raises:
        TraderError: the file exists, its name is no run name, or its folder cannot be written.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise TraderError(f"{path}: an experiment file ends in .yaml; received {path.suffix or 'no ending'!r}")
    name = "".join(
        letter if (letter.isascii() and letter.isalnum()) or letter in "._-" else "-" for letter in path.stem
    )
    text = starter((name.lstrip("._-") or "experiment")[:80])
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise TraderError(f"{path}: exists already and is not overwritten; name another file") from None
    except OSError as error:
        raise TraderError(f"{path}: cannot be written: {error.strerror}") from None


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of experiment files."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Experiment.model_json_schema()}


def _section_lines(section: Section, indent: str, tags: Sequence[str] = ()) -> Iterator[str]:
    """Yield the lines of a section; `tags` are the values that its first key may have, were it another section."""
    fields = type(section).model_fields
    for key in sorted(fields, key=lambda key: key not in ("name", "kind", "source")):
        value, field = getattr(section, key), fields[key]
        if isinstance(value, Section):
            yield f"{indent}{key}:{_comment(field.description or _first_sentence(value))}"
            yield from _section_lines(value, indent + "  ", schema.all_tags(field.annotation))
        elif isinstance(value, list) and value and isinstance(value[0], Section):
            yield f"{indent}{key}:{_comment(field.description)}"
            for entry in value:
                yield from _item_lines(entry, indent + "  ")
        else:
            is_tag = len(tags) > 1 and getattr(section, key) in tags
            meaning = f"one of {', '.join(tags)}, each with keys of its own" if is_tag else _meaning(field)
            yield f"{indent}{key}: {_flow(section, key)}{_comment(meaning)}"


def _item_lines(entry: Section, indent: str) -> Iterator[str]:
    first, *others = _section_lines(entry, indent + "  ")
    # The first line of an item is its tag, whose meaning is the item's own.
    yield f"{indent}- {first.split('  #')[0].strip()}{_comment(_first_sentence(entry))}"
    yield from others


def _meaning(field: FieldInfo) -> str:
    """Return description and range, e.g. `discount per bar (a number ≥ 0 and ≤ 1)`."""
    allowed = schema.describe(field.annotation, field.metadata)
    # Nested shapes (segments, paths) are told by their description better than by their types.
    nested = any(get_origin(member) in (tuple, dict) for member in (field.annotation, *get_args(field.annotation)))
    if nested or len(allowed) > 80:
        return field.description or ""
    return f"{field.description} ({allowed})" if field.description else allowed


def _flow(section: Section, key: str) -> str:
    value = section.model_dump(mode="json", include={key})[key]
    text = yaml.dump(value, Dumper=Dumper, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(text: str | None) -> str:
    return f"  # {text}" if text else ""


def _first_sentence(section: Section) -> str:
    return (type(section).__doc__ or "").strip().splitlines()[0].rstrip(".")
