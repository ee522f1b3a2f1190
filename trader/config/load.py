"""Experiment files: read, override, validate, write back, hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from trader.config.experiment import Experiment
from trader.config.messages import one_line, received
from trader.config.overrides import apply_override
from trader.config.yaml_text import MAX_BYTES, Dumper, parse_yaml
from trader.errors import TraderError, listing, nearest

__all__ = ["dump_experiment", "experiment_sha256", "load_experiment", "parse_experiment", "parse_yaml"]


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read and validate an experiment file.

    Args:
        path: YAML file of at most 1 MB.
        overrides: `key.path=value` each, applied in order before validation.

    Raises:
        TraderError: unreadable file, bad YAML, unknown key, value outside its range; one line with file and key.
    """
    return parse_experiment(_read(path), str(path), overrides)


def parse_experiment(text: str, where: str, overrides: Sequence[str] = ()) -> Experiment:
    """Validate an experiment given as YAML text; `where` begins every error."""
    document = parse_yaml(text, where)
    if not isinstance(document, dict):
        what = "nothing" if document is None else received(document)
        raise TraderError(f"{where}: must be keys and values ({listing(Experiment.model_fields)}); received {what}")
    for assignment in overrides:
        document = apply_override(document, Experiment, assignment)
    try:
        # JSON mode is strict about types but knows no dates and tuples of Python: ISO text and lists become them.
        return Experiment.model_validate_json(json.dumps(document))
    except ValidationError as error:
        source = f"{where} with --set {' --set '.join(overrides)}" if overrides else where
        raise one_line(error, Experiment, document, source) from None


def dump_experiment(experiment: Experiment) -> str:
    """Return the resolved experiment (every key) as YAML that loads to an equal value."""
    return yaml.dump(_tags_first(_plain(experiment)), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)


def experiment_sha256(experiment: Experiment) -> str:
    """Return the sha256 (hex) of the experiment's canonical JSON: keys sorted, no spaces, every default written out."""
    canonical = json.dumps(_plain(experiment), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(experiment: Experiment) -> dict[str, Any]:
    return experiment.model_dump(mode="json")


def _tags_first(value: Any) -> Any:
    """Put the key that decides what a section may hold at its head, where a reader looks for it."""
    if isinstance(value, list):
        return [_tags_first(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    ordered = sorted(value, key=lambda key: key not in ("name", "kind", "source"))
    return {key: _tags_first(value[key]) for key in ordered}


def _read(path: Path) -> str:
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise TraderError(f"{path}: larger than {MAX_BYTES:,} bytes, which no experiment file is")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TraderError(f"{path}: no such file{_near_file(path)}") from None
    except UnicodeDecodeError as error:
        raise TraderError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TraderError(f"{path}: cannot be read: {reason}") from None


def _near_file(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"; the folder {folder} does not exist either"
    names = sorted(entry.name for entry in folder.iterdir() if entry.suffix in (".yaml", ".yml"))
    return nearest(path.name, names) or (f"; {folder} holds {listing(names, 8)}" if names else "")
