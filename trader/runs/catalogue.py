"""What is on disk: the tables of `trader runs list` and `show`, and what `verify` and `prune` do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trader.errors import TraderError
from trader.runs.checkpoints import MANIFEST, checkpoint_steps, remove_path, step_name, verify_checkpoint
from trader.runs.files import is_link, read_sealed_json, writing
from trader.runs.folder import RunFolder, is_locked, lock, run_names, runs_of
from trader.runs.manifest import changed_files, finished_files, forget_files, read_manifest
from trader.runs.metrics_log import read_metrics
from trader.runs.pointers import POINTERS, pointed, prune
from trader.runs.results import EVALUATION, result_folders


def list_runs(runs_dir: Path) -> list[dict[str, Any]]:
    """Return one record per run, by name, then oldest first.

    Returns:
        Records of `run, path, status, started, ended, command, step, problem`; `status` may also be `killed` (says it
        runs, but no process holds it) or `damaged` (then `problem` says why); `step` is the newest checkpoint's.
    """
    return [_record(run) for name in run_names(runs_dir) for run in runs_of(runs_dir, name)]


def _record(run: RunFolder) -> dict[str, Any]:
    record: dict[str, Any] = {"run": run.label, "path": str(run.path), "step": _newest_step(run), "problem": None}
    try:
        manifest = read_manifest(run.path)
    except TraderError as error:
        blank = dict.fromkeys(("started", "ended", "command"))
        return {**record, **blank, "status": "damaged", "problem": str(error)}
    kept = {key: manifest.get(key) for key in ("started", "ended", "command")}
    return {**record, **kept, "status": status_now(run, manifest)}


def status_now(run: RunFolder, manifest: dict[str, Any]) -> str:
    """Return the manifest's status, or `killed` when it says that the run goes on and no process holds the lock."""
    going_on = manifest["status"] in ("started", "running")
    return "killed" if going_on and not is_locked(run) else str(manifest["status"])


def _newest_step(run: RunFolder) -> int | None:
    steps = [step for seed in run.seeds() for step in checkpoint_steps(run.checkpoints(seed))]
    return max(steps, default=None)


def show_run(run: RunFolder) -> dict[str, Any]:
    """Return a run's manifest with its present status, its checkpoints per seed and its backtests.

    Raises:
        TraderError: the manifest or a pointer is damaged.
    """
    manifest = read_manifest(run.path)
    seeds = {}
    for seed in run.seeds():
        folder = run.checkpoints(seed)
        points = {kind: pointer.step if (pointer := pointed(folder, kind)) else None for kind in POINTERS}
        seeds[str(seed)] = {"checkpoints": checkpoint_steps(folder), **points}
    backtests = [path.name for path in result_folders(run)]
    now = {"run": run.label, "path": str(run.path), "status": status_now(run, manifest)}
    return {**manifest, **now, "checkpoints": seeds, "backtests": backtests}


def verify_run(run: RunFolder) -> list[str]:
    """Check every file of a run against every digest there is.

    Returns:
        One line per problem, each naming the file; `[]` for a whole run.
    """
    problems: list[str] = []
    try:
        problems += changed_files(run.path, read_manifest(run.path)["files"])
        finished_files(run.path)
    except TraderError as error:
        problems.append(str(error))
    problems += [f"{path}: is a symbolic link" for path in sorted(run.path.rglob("*")) if is_link(path)]
    for seed in run.seeds():
        problems += _seed_problems(run, seed)
    for folder in result_folders(run):
        problems += _folder_problems(folder)
    if (run.path / EVALUATION).exists():
        problems += _problem(lambda: read_sealed_json(run.file(EVALUATION)))
    return sorted(set(problems))


def _seed_problems(run: RunFolder, seed: int) -> list[str]:
    folder = run.path / f"seed-{seed}" / "checkpoints"
    problems = []
    for step in checkpoint_steps(folder):
        problems += _problem(lambda step=step: verify_checkpoint(folder / step_name(step)))
    for kind in POINTERS:
        problems += _problem(lambda kind=kind: pointed(folder, kind))
    if (run.path / f"seed-{seed}" / "metrics.csv").exists():
        problems += _problem(lambda: read_metrics(run.metrics(seed)))
    return problems


def _folder_problems(folder: Path) -> list[str]:
    try:
        return changed_files(folder, read_sealed_json(folder / MANIFEST)["files"])
    except TraderError as error:
        return [str(error)]


def _problem(check: Any) -> list[str]:
    try:
        check()
    except TraderError as error:
        return [str(error)]
    return []


def clean_run(run: RunFolder) -> list[str]:
    """Remove what kills left half written (`*.tmp`); call it at every start, holding the run's lock.

    Backtests take no lock, so one that is being written now looks like a leftover: theirs stay.

    Returns:
        The relative paths removed.

    Raises:
        TraderError: the folder is read-only.
    """
    found = (path.relative_to(run.path) for path in sorted(run.path.rglob("*.tmp")))
    leftovers = [entry for entry in found if entry.parts[0] != "backtests"]
    with writing(run.path):
        for entry in leftovers:
            remove_path(run.path / entry)
    return [entry.as_posix() for entry in leftovers]


def prune_run(run: RunFolder, keep: int) -> list[str]:
    """Remove old checkpoints of every seed and what kills left behind.

    Args:
        run: the run.
        keep: newest checkpoints per seed that stay; best and last always do.

    Returns:
        The relative folders removed.

    Raises:
        TraderError: another process works on the run, a pointer is damaged (then it cannot be told what to keep), or
            the folder is read-only.
    """
    gone = []
    with lock(run):
        clean_run(run)
        for seed in run.seeds():
            folder = run.checkpoints(seed)
            before = _names(folder)
            prune(folder, keep)
            gone += [f"seed-{seed}/checkpoints/{name}" for name in sorted(before - _names(folder))]
        if gone:
            forget_files(run.path, gone)
    return gone


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
