"""Text to plain values: a YAML reader without surprises (core scalars only, no tags, no bombs, no duplicate keys)."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from trader.errors import TraderError

MAX_BYTES = 1_000_000
# Ten aliases of one another multiply the text by at most 40; real files need none.
MAX_ALIASES = 10
MAX_DEPTH = 40

_TAG = "tag:yaml.org,2002:"
# YAML 1.2 core scalars: `1e-3` is a number; on, off, yes, no, 12:30 and 2014-01-01 are text.
_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN",
        "-+0123456789.",
    ),
)


class _Loader(yaml.SafeLoader):
    """SafeLoader with our scalars only; every other tag is refused."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own protocol)
    yaml_constructors: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.aliases = 0
        self.depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()
        self.aliases += isinstance(event, yaml.AliasEvent)
        self.depth += 1
        tag = getattr(event, "tag", None)
        if tag is not None:
            shown = str(tag).replace(_TAG, "!!")
            _refuse(f'tag "{shown}" is not allowed: plain values only', event)
        if self.aliases > MAX_ALIASES:
            _refuse(f"more than {MAX_ALIASES} aliases (*name)", event)
        if self.depth > MAX_DEPTH:
            _refuse(f"nested deeper than {MAX_DEPTH} levels", event)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _refuse(problem: str, place: yaml.Event | Node) -> NoReturn:
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


class Dumper(yaml.SafeDumper):
    """SafeDumper that quotes exactly what our loader would not read as text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_str(dumper: Dumper, text: str) -> ScalarNode:
    # PyYAML writes these line breaks bare and then reads them as a space; quoted they are escaped.
    risky = any(letter in "\x85\u2028\u2029\ufeff" for letter in text)
    return dumper.represent_scalar(_TAG + "str", text, style='"' if risky else None)


def _construct_map(loader: _Loader, node: MappingNode) -> dict[str, Any]:
    first_line: dict[str, int] = {}
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, ScalarNode):
            _refuse("a key must be plain text", key_node)
        key = str(key_node.value)
        if key in first_line:
            _refuse(f'duplicate key "{key}", first given on line {first_line[key]}', key_node)
        first_line[key] = key_node.start_mark.line + 1
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


def _construct_bool(loader: _Loader, node: ScalarNode) -> bool:
    return str(loader.construct_scalar(node)).lower() == "true"


def _construct_int(loader: _Loader, node: ScalarNode) -> int:
    return int(str(loader.construct_scalar(node)))


def _construct_float(loader: _Loader, node: ScalarNode) -> float:
    word = str(loader.construct_scalar(node)).lower()
    # YAML writes a dot before inf and nan, Python does not.
    return float(word.replace(".inf", "inf").replace(".nan", "nan"))


def _set_up() -> None:
    for name, pattern, first in _SCALARS:
        regex = re.compile(f"^(?:{pattern})$")
        _Loader.add_implicit_resolver(_TAG + name, regex, first)
        Dumper.add_implicit_resolver(_TAG + name, regex, first)
    constructors: dict[str, Any] = {
        "null": yaml.SafeLoader.construct_yaml_null,
        "bool": _construct_bool,
        "int": _construct_int,
        "float": _construct_float,
        "str": yaml.SafeLoader.construct_yaml_str,
        "seq": lambda loader, node: loader.construct_sequence(node, deep=True),
        "map": _construct_map,
    }
    for name, constructor in constructors.items():
        _Loader.add_constructor(_TAG + name, constructor)
    Dumper.add_representer(str, _represent_str)


_set_up()


def parse_yaml(text: str, where: str) -> Any:
    """Read one YAML document into dicts, lists, strings, numbers, booleans and None.

    Args:
        text: the document.
        where: file name or option, first words of every error.

    Raises:
        TraderError: not YAML, too big, a duplicate key, a tag such as `!!python/object`, too many aliases.

    Example:
        >>> parse_yaml("{a: 1e-3, b: on, c: 2014-01-01}", "example")
        {'a': 0.001, 'b': 'on', 'c': '2014-01-01'}
    """
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise TraderError(f"{where}: longer than {MAX_BYTES:,} bytes, which no experiment file is")
    try:
        return _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        raise TraderError(f"{where}{_place(error.problem_mark)}: {_problem(error)}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise TraderError(f"{where}: {' '.join(str(error).split())}") from None


def _place(mark: yaml.Mark | None) -> str:
    return f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _problem(error: yaml.MarkedYAMLError) -> str:
    parts = [part for part in (error.context, error.problem) if part]
    return " ".join("; ".join(parts).split())
