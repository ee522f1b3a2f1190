"""`--set agent.gamma=0.9`: one value of a document replaced before it is validated."""

from __future__ import annotations

import re
from typing import Any

from pydantic.fields import FieldInfo

from trader.config import schema
from trader.config.base import Section
from trader.config.messages import belongs_to, unknown_key
from trader.config.yaml_text import parse_yaml
from trader.errors import TraderError


def apply_override(document: dict[str, Any], model: type[Section], assignment: str) -> dict[str, Any]:
    """Return the document with one `path=value` applied; the path is checked against the schema.

    Args:
        document: raw values as read from YAML; not changed.
        model: what the document will be validated as.
        assignment: dotted path, `=`, a YAML scalar or flow value; list items as `features[1].period`.

    Raises:
        TraderError: no `=`, an unknown key (with the nearest), a list index outside the list.
    """
    path, sign, text = assignment.partition("=")
    where = f"--set {path.strip()}"
    if not sign or not path.strip():
        raise TraderError(f'--set: must be key=value such as agent.gamma=0.9; received "{assignment}"')
    steps = [step for step in re.split(r"[.\[\]]+", path.strip()) if step]
    value = parse_yaml(text, where)
    return _replaced(document, model, steps, value, where)


def _replaced(raw: Any, annotation: Any, steps: list[str], value: Any, where: str) -> Any:
    """Return raw with the value put at the end of steps."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(raw, list):
        index = _index(raw, step, where)
        item = _replaced(raw[index], schema.item_of(annotation, raw), rest, value, where)
        return [*raw[:index], item, *raw[index + 1 :]]
    fields = schema.keys_of(annotation, raw)
    known = fields.get(step)
    if known is None and fields:
        raise TraderError(unknown_key(where, step, list(fields), belongs_to(annotation, step)))
    if known is None and not isinstance(raw, dict):
        raise TraderError(f'{where}: "{step}" is inside a single value, which has no keys')
    below = known.annotation if known else schema.item_of(annotation, raw)
    held = raw if isinstance(raw, dict) else {}
    start = held.get(step)
    if start is None and rest:
        start = _start(known)
    return {**held, step: _replaced(start, below, rest, value, where)}


def _index(raw: list[Any], step: str, where: str) -> int:
    if not step.isdecimal() or int(step) >= len(raw):
        raise TraderError(f'{where}: list index must be 0 to {len(raw) - 1}; received "{step}"')
    return int(step)


def _start(field: FieldInfo | None) -> Any:
    """Return what an absent section begins as: a default list whole, a default section by its tag alone."""
    default = field.get_default(call_default_factory=True) if field else None
    if isinstance(default, list):
        return [entry.model_dump(mode="json") if isinstance(entry, Section) else entry for entry in default]
    if isinstance(default, Section) and field is not None:
        tag = schema.tag_of(field.annotation)
        return {tag: getattr(default, tag)} if tag else {}
    return {}
