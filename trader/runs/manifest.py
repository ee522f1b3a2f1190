"""A run's `manifest.json`: what ran, on what, how it ended, and the sha256 of every finished file and of itself."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import trader
from trader.errors import TraderError, listing, nearest
from trader.runs.files import is_link, read_sealed_json, safe_join, sha256_of, write_sealed_json

FORMAT = 1
MANIFEST = "manifest.json"
CONFIG = "config.yaml"
STATUSES = ("started", "running", "finished", "failed", "interrupted")
PACKAGES = ("tensorflow", "keras", "jax", "numpy", "pandas", "pyarrow", "ta-lib", "scipy", "arch")
# Later commands add these to a finished run; each carries its own digest, so that a run's manifest never changes.
GROWING = ("backtests", "evaluation.json")
OWN_FILES = (MANIFEST, ".lock")


def utc_now() -> str:
    """Return the present time as ISO text in UTC, with microseconds and a Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def package_versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return name -> version of Python, of this package and of those of `packages` that are installed."""
    versions = {"python": platform.python_version(), "trader": trader.__version__}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_commit() -> str | None:
    """Return the commit of the source tree that runs, with `-dirty` when files differ; None outside a checkout."""
    root = Path(trader.__file__).resolve().parent.parent
    if not (root / ".git").exists():  # an installed copy may lie inside somebody else's repository
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def write_manifest(folder: Path, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Write the first manifest of a run, with status `started`.

    Args:
        folder: the run folder; its `config.yaml` is already there.
        name: the run's name.
        record: what only the caller knows, as JSON values: `command`, `device`, `backend`, `data_sha256`, `repairs`,
            `seeds`, …; may replace the `versions`, `git_commit` and `platform` found here.

    Returns:
        The manifest without its own digest.
    """
    machine = {"versions": package_versions(), "git_commit": git_commit(), "platform": platform.platform()}
    state = {"format": FORMAT, "name": name, "status": "started", "started": utc_now(), "ended": None}
    manifest = {**machine, **record, **state, "files": _digests(folder, [CONFIG])}
    write_sealed_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a run's manifest; every byte of it is checked.

    Raises:
        TraderError: no run folder, damaged, or of another format.
    """
    place = safe_join(folder, MANIFEST)
    if not place.is_file():
        raise TraderError(f"{folder}: not a run folder (no {MANIFEST})")
    manifest = read_sealed_json(place)
    manifest.pop("sha256")
    if manifest.get("format") != FORMAT or manifest.get("status") not in STATUSES:
        raise TraderError(
            f"{place}: format {manifest.get('format')!r}, status {manifest.get('status')!r}: not known here"
        )
    return manifest


def update_manifest(folder: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Replace keys of a run's manifest.

    A run that goes on (`started`, `running`) forgets the digests of files that will change; one that ends gets its end
    time and the digest of every file, so end it last, after the last line of `log.txt`.

    Args:
        folder: the run folder, locked by the caller.
        changes: key -> JSON value; `status` is one of `STATUSES`.

    Returns:
        The new manifest.

    Raises:
        ValueError: an unknown status.
        TraderError: the manifest is damaged or cannot be written.
    """
    manifest = {**read_manifest(folder), **changes}
    status = manifest["status"]
    if status not in STATUSES:
        raise ValueError(
            f"status must be one of {listing(STATUSES)}; received {status!r}{nearest(str(status), STATUSES)}"
        )
    if "status" in changes:
        going_on = status in ("started", "running")
        manifest["ended"] = None if going_on else changes.get("ended", utc_now())
        manifest["files"] = _digests(folder, [CONFIG] if going_on else finished_files(folder))
    write_sealed_json(folder / MANIFEST, manifest)
    return manifest


def finished_files(folder: Path) -> list[str]:
    """Return the relative paths of a run's files, sorted, without its manifest, its lock and what later commands add.

    Raises:
        TraderError: there is a symbolic link in the run.
    """
    paths = (path.relative_to(folder) for path in folder.rglob("*") if is_link(path) or path.is_file())
    names = [path.as_posix() for path in paths if path.parts[0] not in (*GROWING, *OWN_FILES)]
    return sorted(name for name in names if not any(part.endswith(".tmp") for part in name.split("/")))


def _digests(folder: Path, entries: Iterable[str]) -> dict[str, str]:
    return {entry: sha256_of(safe_join(folder, entry)) for entry in entries}


def forget_files(folder: Path, gone: Iterable[str]) -> None:
    """Drop the digests of files that were removed on purpose (pruned checkpoints); `gone` are relative folders."""
    manifest = read_manifest(folder)
    prefixes = tuple(f"{entry}/" for entry in gone)
    files = {entry: digest for entry, digest in manifest["files"].items() if not entry.startswith(prefixes)}
    write_sealed_json(folder / MANIFEST, {**manifest, "files": files})


def changed_files(folder: Path, files: Mapping[str, Any]) -> list[str]:
    """Return one line for each file that is missing, outside the folder, or differs from its digest."""
    problems = []
    for entry, digest in sorted(files.items()):
        try:
            path = safe_join(folder, entry)
            if sha256_of(path) != digest:
                problems.append(f"{path}: damaged: its sha256 is not the one in {MANIFEST}")
        except TraderError as error:
            problems.append(str(error))
    return problems
