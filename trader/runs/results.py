"""Result folders of a finished run: built under another name, sealed with digests, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trader.errors import TraderError
from trader.runs.files import fsync_file, fsync_folder, make_folder, sha256_of, write_sealed_json, writing
from trader.runs.folder import RunFolder
from trader.runs.manifest import MANIFEST

EVALUATION = "evaluation.json"


def begin_backtest(run: RunFolder) -> Path:
    """Make the folder into which one backtest writes; it counts only after `finish_backtest`.

    Returns:
        `backtests/<UTC time>.tmp`.

    Raises:
        TraderError: it cannot be made.
    """
    home = make_folder(run.file("backtests"))
    part = home / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.tmp"
    with writing(part):
        part.mkdir()
    return part


@contextmanager
def discarded_on_failure(part: Path) -> Generator[None]:
    """Remove a folder of `begin_backtest` when the body fails or is interrupted: no half report, no lost disk."""
    try:
        yield
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def finish_backtest(part: Path) -> Path:
    """Add a `manifest.json` with the sha256 of every file, flush all of it and give the folder its name.

    Args:
        part: the folder from `begin_backtest`, filled with plain files.

    Returns:
        `backtests/<UTC time>`.

    Raises:
        TraderError: it cannot be written.
    """
    target = part.with_suffix("")
    with writing(target):
        files = sorted(path for path in part.iterdir() if path.is_file())
        for path in files:
            fsync_file(path)
        write_sealed_json(part / MANIFEST, {"format": 1, "files": {path.name: sha256_of(path) for path in files}})
        os.rename(part, target)
        fsync_folder(target.parent)
    return target


def result_folders(run: RunFolder) -> list[Path]:
    """Return the finished backtests of a run, oldest first."""
    home = run.path / "backtests"
    if not home.is_dir():
        return []
    return sorted(path for path in home.iterdir() if path.is_dir() and path.suffix != ".tmp")


def write_evaluation(run: RunFolder, evaluation: Mapping[str, Any]) -> Path:
    """Write `evaluation.json` with its own digest; the manifest of the run stays as it is.

    Raises:
        ValueError: it holds NaN or Infinity.
        TraderError: it cannot be written, or it is a symbolic link.
    """
    place = run.file(EVALUATION)
    if place.is_dir():
        raise TraderError(f"{place}: is a folder; expected a file")
    write_sealed_json(place, evaluation)
    return place
