"""Pydantic's errors, one line each: the key as the user wrote it, what came, what is allowed, the nearest spelling."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from pydantic import ValidationError

from trader.config import schema
from trader.config.base import Section
from trader.errors import TraderError, listing, nearest

_COMPARISONS = {
    "greater_than": ("gt", ">"),
    "greater_than_equal": ("ge", "≥"),
    "less_than": ("lt", "<"),
    "less_than_equal": ("le", "≤"),
}
# An unknown key often explains the other errors (the right key is then missing), so it is told first.
_FIRST = ("extra_forbidden", "union_tag_invalid", "union_tag_not_found")


@dataclass
class _Place:
    """Where an error stands; `union` is the outermost plain union on the way there, with its path and depth."""

    annotation: Any
    raw: Any
    path: str = ""
    depth: int = 0
    siblings: list[str] = field(default_factory=list)
    elsewhere: str = ""
    metadata: list[Any] = field(default_factory=list)
    union: _Place | None = None

    def expectation(self) -> str:
        """Return what may stand here, in words."""
        place = self.union if self.union and self.union.depth == self.depth else self
        return schema.describe(place.annotation, place.metadata)


def one_line(error: ValidationError, model: type[Section], raw: Any, where: str) -> TraderError:
    """Return the first of Pydantic's errors as a TraderError of one line that says how many more there are.

    Args:
        error: what `model_validate_json` raised.
        model: the model that was validated.
        raw: the document that was validated.
        where: file name, first words of the line.
    """
    entries = sorted(error.errors(include_url=False), key=lambda entry: entry["type"] not in _FIRST)
    lines: dict[str, tuple[int, str]] = {}
    for entry in entries:
        place = _locate(model, raw, entry["loc"])
        group = place.union.path if place.union else place.path
        # A union reports each member's complaint: keep the one deepest in the document.
        if group not in lines or (place.union and place.depth > lines[group][0]):
            lines[group] = (place.depth, _line(place, entry))
    shown = [line for _, line in lines.values()]
    rest = f" (and {len(shown) - 1} more)" if len(shown) > 1 else ""
    return TraderError(f"{where}: {shown[0]}{rest}")


def received(raw: Any, most: int = 60) -> str:
    """Return a raw value as the user would type it, shortened."""
    text = json.dumps(raw, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[: most - 1] + "…"


def unknown_key(path: str, key: str, allowed: list[str], elsewhere: str = "") -> str:
    """Return the line about a key that its section does not have; `elsewhere` names where it belongs, if anywhere."""
    hint = f"; it belongs to {elsewhere};" if elsewhere else nearest(key, allowed) or ";"
    return f"{path}: unknown key{hint} allowed: {listing(allowed)}"


def belongs_to(annotation: Any, key: str) -> str:
    """Return which members of a union have this key, such as `source: csv, parquet`; empty when none has."""
    tag = schema.tag_of(annotation)
    owners = [section for section in schema.sections_of(annotation) if key in section.model_fields]
    return (
        f"{tag}: " + ", ".join(value for owner in owners for value in schema.tags_of(owner, tag))
        if tag and owners
        else ""
    )


def unknown_value(path: str, word: str, allowed: list[str]) -> str:
    """Return the line about a word outside a list of allowed ones."""
    return f'{path}: unknown value "{word}"{nearest(word, allowed) or ";"} allowed: {listing(allowed)}'


def _locate(model: Any, raw: Any, loc: tuple[int | str, ...]) -> _Place:
    """Follow Pydantic's `loc` through schema and document, leaving out its union tags and member labels."""
    place = _Place(model, raw)
    steps = list(loc)
    while steps:
        tag = schema.tag_of(place.annotation)
        if tag and len(schema.sections_of(place.annotation)) > 1:
            steps.pop(0)
            place.elsewhere = belongs_to(place.annotation, str(steps[0])) if steps else ""
            place.annotation = schema.select(place.annotation, place.raw)
        elif len(schema.members(place.annotation)) > 1:
            place.union = place.union or replace(place)
            place.annotation = schema.select(place.annotation, place.raw)
            steps.pop(0)
        else:
            _descend(place, steps.pop(0))
            place.elsewhere = place.elsewhere if not steps else ""
    return place


def _descend(place: _Place, step: int | str) -> None:
    fields = schema.keys_of(place.annotation, place.raw)
    place.siblings = list(fields)
    if isinstance(step, int):
        place.annotation, place.metadata = schema.item_of(place.annotation, place.raw), []
        place.raw = place.raw[step] if isinstance(place.raw, list) and step < len(place.raw) else None
        place.path += f"[{step}]"
    else:
        known = fields.get(step)
        place.metadata = list(known.metadata) if known else []
        place.annotation = known.annotation if known else schema.item_of(place.annotation, place.raw)
        place.raw = place.raw.get(step) if isinstance(place.raw, Mapping) else None
        place.path += f".{step}" if place.path else step
    place.depth += 1


def _line(place: _Place, entry: Any) -> str:
    kind, context = entry["type"], entry.get("ctx", {})
    if kind == "value_error":
        return f"{place.path}: {context['error']}" if place.path else str(context["error"])
    if kind == "missing":
        return f"{place.path}: missing; must be {place.expectation()}"
    if kind in _FIRST:
        return _line_about_key(place, entry)
    if kind == "literal_error" and not place.union and isinstance(entry["input"], str):
        return unknown_value(
            place.path, entry["input"], [str(value) for value in get_args(schema.strip(place.annotation))]
        )
    return f"{place.path or 'the file'}: {_requirement(place, entry)}; received {received(entry['input'])}"


def _line_about_key(place: _Place, entry: Any) -> str:
    if entry["type"] == "extra_forbidden":
        return unknown_key(place.path, str(entry["loc"][-1]), place.siblings, place.elsewhere)
    tag, allowed = str(schema.tag_of(place.annotation)), schema.all_tags(place.annotation)
    path = f"{place.path}.{tag}" if place.path else tag
    if entry["type"] == "union_tag_invalid":
        return unknown_value(path, str(place.raw.get(tag)), allowed)
    near = (
        [key for key in place.raw or () if f'"{tag}"' in nearest(str(key), [tag])]
        if isinstance(place.raw, Mapping)
        else []
    )
    hint = f' (is "{near[0]}" a misspelling?)' if near else ""
    return f"{path}: missing{hint}; allowed: {listing(allowed)}"


def _requirement(place: _Place, entry: Any) -> str:
    kind, context = entry["type"], entry.get("ctx", {})
    if kind in _COMPARISONS and not place.union:
        name, sign = _COMPARISONS[kind]
        return f"must be {sign} {schema.plain_number(context[name])}"
    if kind == "too_short":
        return f"must have at least {context['min_length']} items"
    if kind == "too_long":
        return f"must have at most {context['max_length']} items"
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}"
    if kind == "json_invalid":
        return "must be Unicode text and finite numbers"
    if kind == "finite_number":
        return "must be a finite number"
    return f"must be {place.expectation()}"
