"""Walking the config models: which keys a place allows, what a value must be, in words a user reads."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from trader.config.base import Section

_SIGNS = {
    annotated_types.Gt: ("gt", ">"),
    annotated_types.Ge: ("ge", "≥"),
    annotated_types.Lt: ("lt", "<"),
    annotated_types.Le: ("le", "≤"),
}
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}


def strip(annotation: Any) -> Any:
    """Return the annotation without `Annotated` and without `| None`."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if _is_union(annotation):
        others = [member for member in get_args(annotation) if member is not type(None)]
        if len(others) == 1:
            return strip(others[0])
    return annotation


def members(annotation: Any) -> list[Any]:
    """Return a union's members (nested ones flattened, without None), or the annotation alone."""
    bare = strip(annotation)
    if not _is_union(bare):
        return [bare]
    return [inner for member in get_args(bare) if member is not type(None) for inner in members(member)]


def sections_of(annotation: Any) -> list[type[Section]]:
    """Return the Section classes among a union's members."""
    return [member for member in members(annotation) if isinstance(member, type) and issubclass(member, Section)]


def tag_of(annotation: Any) -> str | None:
    """Return the key that tells a union's sections apart (`name`, `kind`, `source`), if it is such a union."""
    sections = sections_of(annotation)
    if len(sections) == 1:
        fields = sections[0].model_fields
        return next((key for key in fields if _is_literal(sections[0], key) and fields[key].is_required()), None)
    for key in sections[0].model_fields if sections else ():
        if all(key in section.model_fields and _is_literal(section, key) for section in sections):
            values = [value for section in sections for value in tags_of(section, key)]
            if len(set(values)) == len(values):
                return key
    return None


def tags_of(section: type[Section], tag: str) -> tuple[str, ...]:
    """Return the values of the tag under which this section is chosen."""
    return get_args(section.model_fields[tag].annotation)


def all_tags(annotation: Any) -> list[str]:
    """Return every value the tag of this union may have."""
    tag = tag_of(annotation)
    return [value for section in sections_of(annotation) for value in tags_of(section, tag)] if tag else []


def select(annotation: Any, raw: Any) -> Any:
    """Return the member of a union that this raw value is meant to be."""
    tag = tag_of(annotation)
    if tag and isinstance(raw, Mapping):
        for section in sections_of(annotation):
            if raw.get(tag) in tags_of(section, tag):
                return section
    options = members(annotation)
    fitting = [option for option in options if _fits(option, raw)]
    return (fitting or options)[0]


def keys_of(annotation: Any, raw: Any) -> dict[str, FieldInfo]:
    """Return the fields allowed at this place; those of every member while the tag does not choose one."""
    chosen = select(annotation, raw)
    sections = sections_of(annotation)
    tag = tag_of(annotation)
    if tag and isinstance(raw, Mapping) and raw.get(tag) not in all_tags(annotation):
        return {key: field for section in sections for key, field in section.model_fields.items()}
    if isinstance(chosen, type) and issubclass(chosen, Section):
        return dict(chosen.model_fields)
    return {}


def item_of(annotation: Any, raw: Any) -> Any:
    """Return what the items of this list, tuple or free mapping must be; Any when it has none."""
    chosen = select(annotation, raw)
    args = get_args(chosen)
    if get_origin(chosen) is dict:
        return args[1]
    return args[0] if get_origin(chosen) in (list, tuple) and args else Any


def plain_number(value: float) -> str:
    """Return 1.0 as `1`, 2147483647 with all its digits."""
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def bounds(metadata: Iterable[Any]) -> str:
    """Return the limits in words, e.g. ` ≥ 0 and ≤ 1`."""
    limits: list[str] = []
    for entry in metadata:
        if isinstance(entry, FieldInfo):
            limits += [bounds(entry.metadata).strip()]
        elif type(entry) in _SIGNS:
            name, sign = _SIGNS[type(entry)]
            limits.append(f"{sign} {plain_number(getattr(entry, name))}")
    return " " + " and ".join(filter(None, limits)) if any(limits) else ""


def describe(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Return what a value must be, in words.

    Example:
        >>> describe(float | None)
        'a number or null'
    """
    if get_origin(annotation) is Annotated:
        base, *inner = get_args(annotation)
        return describe(base, [*inner, *metadata])
    if annotation in _WORDS:
        return _WORDS[annotation] + bounds(metadata)
    if annotation in (date, datetime, date | datetime):
        return "a date such as 2014-01-31"
    if sections_of(annotation) and tag_of(annotation):
        return f"a section with {tag_of(annotation)}: " + ", ".join(all_tags(annotation))
    if _is_union(annotation):
        words = list(
            dict.fromkeys(
                describe(member, metadata if member in (int, float) else ()) for member in get_args(annotation)
            )
        )
        return " or ".join(words)
    return _describe_container(annotation)


def _describe_container(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(str(value) for value in args) if len(args) < 3 else "one of " + ", ".join(map(str, args))
    if origin is list:
        return f"a list, each {describe(args[0])}"
    if origin is tuple:
        return f"a list of {len(args)}, each {describe(args[0])}"
    if origin is dict:
        return f"a mapping, each value {describe(args[1])}"
    if sections_of(annotation):
        return "a section of " + ", ".join(annotation.model_fields)
    return "a value"


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _is_literal(section: type[Section], key: str) -> bool:
    return get_origin(section.model_fields[key].annotation) is Literal


def _fits(option: Any, raw: Any) -> bool:
    origin = get_origin(option)
    if isinstance(raw, Mapping):
        return origin is dict or (isinstance(option, type) and issubclass(option, Section))
    if isinstance(raw, list | tuple):
        return origin in (list, tuple)
    if isinstance(raw, str):
        return option is str or origin is Literal
    return option in (int, float, bool)
