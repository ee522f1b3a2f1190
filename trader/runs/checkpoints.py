"""Checkpoints that survive a kill at any moment.

All parts go into `step-N.tmp/`, each flushed, the manifest with their sha256 last; the folder is renamed to `step-N/`
and its parent flushed. So a folder named `step-N` is whole, or its manifest says that it is damaged.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trader.errors import TraderError
from trader.runs.files import (
    fsync_folder,
    json_text,
    make_folder,
    read_sealed_json,
    safe_join,
    sealed,
    sha256_of,
    write_bytes_new,
    writing,
)
from trader.runs.state import Array, read_state, write_state

FORMAT = 1
STATE = "state.npz"
MANIFEST = "manifest.json"
STEP_PATTERN = re.compile(r"step-(\d{9})")


class Newest(NamedTuple):
    """The checkpoint to resume from.

    Attributes:
        path: its folder.
        step: environment steps.
        notes: one line for each newer checkpoint that was passed over because it is damaged.
    """

    path: Path
    step: int
    notes: list[str]


def step_name(step: int) -> str:
    """Return the folder name of a step.

    Raises:
        ValueError: the step does not fit nine digits.

    Example:
        >>> step_name(25_000)
        'step-000025000'
    """
    if not 0 <= step <= 999_999_999:
        raise ValueError(f"step must be from 0 to 999999999; received {step}")
    return f"step-{step:09d}"


def checkpoint_steps(folder: Path) -> list[int]:
    """Return the steps of all checkpoint folders, ascending, damaged ones included; `[]` when `folder` is absent."""
    if not folder.is_dir():
        return []
    matches = (STEP_PATTERN.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in matches if match)


def write_checkpoint(folder: Path, step: int, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> Path:
    """Write one checkpoint; an existing one is never overwritten.

    An existing whole checkpoint of the same step with the same arrays and meta is kept; a damaged one is moved aside.

    Args:
        folder: the seed's `checkpoints/`; made when absent.
        step: environment steps so far.
        arrays: the run's whole value; dtypes that NumPy can store without pickle.
        meta: JSON values, without NaN and Infinity and without clock times (they would make equal states differ).

    Returns:
        The checkpoint's folder.

    Raises:
        TraderError: disk full, folder read-only, or the step exists with another content; older checkpoints are intact.
    """
    target = safe_join(folder, step_name(step))
    part = target.with_name(f"{target.name}.tmp")
    make_folder(folder)
    with writing(part):
        try:
            remove_path(part)
            part.mkdir()
            _write_parts(part, step, arrays, meta)
            if not _already_there(target, part):
                os.rename(part, target)
                fsync_folder(folder)
        finally:
            # On success the name is gone; on a full disk this gives the space back.
            shutil.rmtree(part, ignore_errors=True)
    return target


def _write_parts(part: Path, step: int, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
    write_state(part / STATE, arrays)
    record = {"sha256": sha256_of(part / STATE), "bytes": (part / STATE).stat().st_size}
    manifest = {"format": FORMAT, "step": step, "files": {STATE: record}, "meta": dict(meta)}
    write_bytes_new(part / MANIFEST, json_text(sealed(manifest)).encode())
    fsync_folder(part)


def _already_there(target: Path, part: Path) -> bool:
    if not target.exists():
        return False
    try:
        existing = verify_checkpoint(target)
    except TraderError:
        aside = target.with_name(f"{target.name}.damaged")
        remove_path(aside)
        os.rename(target, aside)
        return False
    if existing != read_sealed_json(part / MANIFEST):
        raise TraderError(f"{target}: exists with another content; a checkpoint is never overwritten")
    return True


def remove_path(path: Path) -> None:
    """Remove a file, a link or a whole folder; absent is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def verify_checkpoint(path: Path) -> dict[str, Any]:
    """Check every file of a checkpoint against its manifest and return the manifest.

    Raises:
        TraderError: a file is missing, damaged or outside the folder; the line names it.
    """
    match = STEP_PATTERN.fullmatch(path.name)
    if not match or not path.is_dir() or path.is_symlink():
        raise TraderError(f"{path}: no such checkpoint (a folder step-<9 digits>)")
    place = safe_join(path, MANIFEST)
    manifest = read_sealed_json(place)
    if manifest.get("format") != FORMAT:
        raise TraderError(f"{place}: format {manifest.get('format')!r} is not known here; allowed: {FORMAT}")
    if manifest.get("step") != int(match[1]):
        raise TraderError(f"{place}: says step {manifest.get('step')!r}, its folder says {int(match[1])}")
    files = manifest.get("files")
    if not isinstance(files, dict) or STATE not in files or not isinstance(manifest.get("meta"), dict):
        raise TraderError(f'{place}: must have "files" with {STATE}, and "meta"')
    for entry, record in files.items():
        _verify_file(safe_join(path, entry), record)
    return manifest


def _verify_file(path: Path, record: Any) -> None:
    expected = record.get("sha256") if isinstance(record, dict) else None
    if sha256_of(path) != expected:
        raise TraderError(f"{path}: damaged: its sha256 is not the one in {MANIFEST}")


def read_checkpoint(path: Path, prefix: str = "") -> tuple[dict[str, Array], dict[str, Any]]:
    """Verify a checkpoint, then load it.

    Args:
        path: its folder.
        prefix: how the names of the wanted arrays begin.

    Returns:
        The arrays by name and the meta as written.

    Raises:
        TraderError: it does not verify; the line names the file.
    """
    manifest = verify_checkpoint(path)
    return read_state(path / STATE, prefix), manifest["meta"]


def newest_checkpoint(folder: Path) -> Newest | None:
    """Find the newest checkpoint that verifies; None when none was ever finished.

    Raises:
        TraderError: there are checkpoints, but every one is damaged.
    """
    notes: list[str] = []
    for step in reversed(checkpoint_steps(folder)):
        path = folder / step_name(step)
        try:
            verify_checkpoint(path)
        except TraderError as error:
            notes.append(f"skipped {path.name}: {error}")
        else:
            return Newest(path, step, notes)
    if notes:
        raise TraderError(f"{folder}: all {len(notes)} checkpoints are damaged; the newest: {notes[0]}")
    return None
