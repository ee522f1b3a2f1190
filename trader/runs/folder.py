"""Where a run's files lie, how a run is made, found and locked.

runs/<name>/<UTC time>-<4 hex>/{config.yaml, manifest.json, log.txt, seed-<k>/…, tensorboard/, backtests/, …}
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trader.errors import TraderError, listing, nearest
from trader.runs.files import fsync_folder, is_link, make_folder, safe_join, safe_name, write_text_atomic, writing
from trader.runs.manifest import CONFIG, MANIFEST, read_manifest, utc_now, write_manifest

RUN_PATTERN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
SEED_PATTERN = re.compile(r"seed-(\d+)")
LOCK_TRIES = 5


@dataclass(frozen=True)
class RunFolder:
    """One run on disk.

    Attributes:
        path: the run folder.
    """

    path: Path

    @property
    def label(self) -> str:
        """`<name>/<UTC time>-<4 hex>`: what names this run in tables and in the ledger."""
        place = Path(os.path.abspath(self.path))  # `.` and `..` have no names of their own
        return f"{place.parent.name}/{place.name}"

    @property
    def config(self) -> Path:
        """The resolved config."""
        return safe_join(self.path, CONFIG)

    def file(self, entry: str) -> Path:
        """Return a path inside the run; see `safe_join`."""
        return safe_join(self.path, entry)

    def metrics(self, seed: int) -> Path:
        """`seed-<k>/metrics.csv`."""
        return self.file(f"seed-{seed}/metrics.csv")

    def checkpoints(self, seed: int) -> Path:
        """`seed-<k>/checkpoints`."""
        return self.file(f"seed-{seed}/checkpoints")

    def policy(self, seed: int) -> Path:
        """`seed-<k>/policy.keras`."""
        return self.file(f"seed-{seed}/policy.keras")

    def tensorboard(self, seed: int) -> Path:
        """`tensorboard/seed-<k>`."""
        return self.file(f"tensorboard/seed-{seed}")

    def seeds(self) -> list[int]:
        """Return the numbers of the seed folders that exist, ascending."""
        matches = (SEED_PATTERN.fullmatch(path.name) for path in self.path.iterdir())
        return sorted(int(match[1]) for match in matches if match)


def create_run(runs_dir: Path, name: str, config_text: str, record: Mapping[str, Any]) -> RunFolder:
    """Make `runs/<name>/<UTC time>-<4 hex>/` with its config, its manifest (status `started`) and an empty log.

    Args:
        runs_dir: folder of all runs; made when absent.
        name: the run's name, one plain folder name.
        config_text: the resolved config as YAML.
        record: JSON values for the manifest; see `write_manifest`.

    Raises:
        TraderError: a name that is no folder name, a symbolic link, a folder that cannot be written.
    """
    home = safe_join(runs_dir, safe_name(name))
    make_folder(home)
    target = home / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    # Built under another name: a kill or a full disk in between leaves nothing that counts as a run.
    part = target.with_name(f"{target.name}.tmp")
    with writing(target):
        part.mkdir()
        try:
            write_text_atomic(part / CONFIG, config_text)
            write_text_atomic(part / "log.txt", "")
            write_manifest(part, name, record)
            os.rename(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        fsync_folder(home)
    return RunFolder(target)


def find_run(text: str, runs_dir: Path) -> RunFolder:
    """Find a run by its folder, its `name/time`, or its name or folder of that name (the newest).

    Args:
        text: what the user typed.
        runs_dir: folder of all runs.

    Raises:
        TraderError: nothing of that name; the line holds the nearest spelling.
    """
    if not text or "\0" in text:
        raise TraderError(f"RUN {text!r}: must be a run folder or the name of a run in {runs_dir}")
    place = Path(text).absolute()
    try:
        is_run = (place / MANIFEST).is_file()
    except OSError as error:  # a name too long
        raise TraderError(f"RUN {text[:80]!r}: {error.strerror}") from None
    if is_run:
        return RunFolder(Path(text))
    if place.is_dir() and (same_name := runs_of(place.parent, place.name)):
        return same_name[-1]
    names = run_names(runs_dir)
    parts = text.strip("/").split("/")
    if parts[0] in names and len(parts) <= 2:
        runs = runs_of(runs_dir, parts[0])
        found = [run for run in runs if len(parts) == 1 or run.path.name == parts[1]]
        if found:
            return found[-1]
        have = [run.label for run in runs]
        raise TraderError(f"RUN {text!r}: no such run in {runs_dir}; have {listing(have, 5)}{nearest(text, have)}")
    if place.is_dir():
        raise TraderError(f"{text}: not a run folder (no {MANIFEST})")
    have = listing(names, 10) or "no runs yet"
    raise TraderError(
        f"RUN {text!r}: no run folder, and no run of that name in {runs_dir} ({have}){nearest(text, names)}"
    )


def run_names(runs_dir: Path) -> list[str]:
    """Return the names under `runs_dir` that have at least one run, sorted."""
    if not runs_dir.is_dir():
        return []
    return sorted(path.name for path in runs_dir.iterdir() if path.is_dir() and runs_of(runs_dir, path.name))


def runs_of(runs_dir: Path, name: str) -> list[RunFolder]:
    """Return the runs of one name, oldest first; half-made folders and links are no runs."""
    home = runs_dir / name
    if is_link(home) or not home.is_dir():
        return []
    folders = (path for path in home.iterdir() if RUN_PATTERN.fullmatch(path.name) and not is_link(path))
    return sorted((RunFolder(path) for path in folders if (path / MANIFEST).is_file()), key=_age)


def _age(run: RunFolder) -> tuple[str, str]:
    # The folder's time has seconds only; two runs of one second are told apart by the manifest's microseconds.
    try:
        started = str(read_manifest(run.path).get("started"))
    except TraderError:
        started = ""
    return run.path.name.split("-")[0], started


def no_checkpoints(run: RunFolder) -> TraderError:
    """Return the error for a run that has nothing to load yet."""
    return TraderError(f"{run.path}: run folder without checkpoints; finish it first: trader train --resume {run.path}")


@contextmanager
def lock(run: RunFolder) -> Generator[None]:
    """Hold a run for this process; the kernel lets go when the process ends, however it ends.

    Raises:
        TraderError: another process holds it, or the folder cannot be written.
    """
    place = run.file(".lock")
    with writing(place):
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        if not _try_lock(descriptor):
            holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
            raise TraderError(f"{run.path}: in use by another process ({holder or 'unknown'}); wait for it or stop it")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} since {utc_now()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    # A few tries, since `is_locked` of another process holds the lock for a moment.
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


def is_locked(run: RunFolder) -> bool:
    """Return whether a process works on the run now; False means that a run with status `running` was killed."""
    try:
        descriptor = os.open(run.file(".lock"), os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def write_log(run: RunFolder, text: str) -> None:
    """Append one line with the time to `log.txt`; line ends inside `text` become ` | `."""
    place = run.file("log.txt")
    with writing(place), place.open("a", encoding="utf-8") as file:
        file.write(f"{utc_now()} {' | '.join(text.splitlines())}\n")
