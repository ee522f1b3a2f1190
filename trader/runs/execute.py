"""Training a run: every seed through one compiled program, started or resumed."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trader import backend
from trader.agents.agent import Agent
from trader.config import Experiment
from trader.config.load import dump_experiment, experiment_sha256
from trader.data.prepare import Prepared, prepare
from trader.data.scaling import scaler_record
from trader.errors import TraderError
from trader.lanes import Trainer, build_trainer
from trader.runs.catalogue import clean_run
from trader.runs.cohorts import plan_cohorts
from trader.runs.folder import RunFolder, create_run, lock, write_log
from trader.runs.manifest import package_versions, read_manifest, update_manifest, utc_now
from trader.runs.opening import (
    dates_of,
    held_out,
    new_agent,
    seeds_per_program,
    training_task,
    with_absolute_paths,
)
from trader.runs.options import Console, ResumeOptions, TrainOptions
from trader.runs.seeds import StopRequest, Work, best_figures, plan_of, stopping, train_cohort
from trader.runs.stored import stored_experiment
from trader.runs.trials import record_run_ended, record_run_started

# Changing these keys changes no weight: a run may be resumed under other values.
HARMLESS_KEYS = (
    "name",
    "seeds",
    "train.keep_checkpoints",
    "train.seeds_per_program",
    "evaluation.risk_free_rate",
    "evaluation.confidence",
)


def train(options: TrainOptions, console: Console) -> Path:
    """Start a run and train every seed; return its folder.

    Raises:
        TraderError: bad data or config values that do not fit it; nothing is written then.
        KeyboardInterrupt: a signal came; everything was saved.
    """
    experiment = with_absolute_paths(options.experiment, options.base)
    prepared = prepare(experiment, options.base)
    _refuse_long_episodes(experiment, prepared)
    _refuse_devices(experiment)
    record = _manifest_record(experiment, prepared, options)
    run = create_run(options.runs_dir, experiment.name, dump_experiment(experiment), record)
    with lock(run):
        _describe(run, experiment, prepared, console)
        return _run_seeds(run, experiment, prepared, console, False)


def resume(options: ResumeOptions, console: Console) -> Path:
    """Finish an interrupted run from its newest checkpoints; return its folder.

    Raises:
        TraderError: a key that matters, the prices or a package version changed (unless `inexact`), or damaged files.
    """
    run = options.run
    with lock(run):
        manifest = read_manifest(run.path)
        stored = stored_experiment(run, manifest)
        experiment = stored_experiment(run, manifest, options.overrides)
        prepared = prepare(experiment, run.path)
        changes = _changes(stored, experiment, manifest, prepared)
        if changes and not options.inexact:
            raise TraderError(
                f"{run.label}: cannot resume exactly: {'; '.join(changes)} (--inexact goes on all the same)"
            )
        clean_run(run)
        if manifest["status"] == "finished" and experiment == stored:
            console.line(f"{run.label} is finished; nothing to resume")
            return run.path
        history = [
            *manifest.get("resumed", []),
            {"at": utc_now(), "command": list(options.command), "inexact": changes},
        ]
        changed = {"overrides": [*manifest.get("overrides", []), *options.overrides], "seeds": _seeds(experiment)}
        update_manifest(run.path, {"status": "running", "resumed": history, "ended": None, **changed})
        for change in changes:
            write_log(run, f"inexact resume: {change}")
        return _run_seeds(run, experiment, prepared, console, True)


def _refuse_long_episodes(experiment: Experiment, prepared: Prepared) -> None:
    """Refuse whole episodes that no asset can fill: their steps would be computed and thrown away."""
    segment, asked = prepared.segments["train"], experiment.env.max_episode_duration
    longest = int(np.max(segment.last - segment.first)) + 1
    if experiment.agent.name == "reinforce" and asked is not None and asked > longest:
        raise TraderError(
            f"env.max_episode_duration: {asked} bars, but the training segment has {longest} decisions and reinforce"
            f" plays whole episodes; use at most {longest}"
        )


def _refuse_devices(experiment: Experiment) -> None:
    asked, there = experiment.train.devices_per_seed, backend.num_devices()
    if there % asked:
        raise TraderError(
            f"train.devices_per_seed: {asked}, but there {'are' if there > 1 else 'is'} {there}"
            f" device{'s' * (there > 1)} here; use a divisor of {there}"
        )


def _run_seeds(run: RunFolder, experiment: Experiment, prepared: Prepared, console: Console, resumed: bool) -> Path:
    dates = held_out(experiment, prepared, prepared.segments["test"])
    record_run_started(run.label, dates, experiment_sha256(experiment), resumed)
    update_manifest(run.path, {"status": "running"})
    status, outcome = "failed", {}
    try:
        with stopping() as stop:
            outcome = _train_all(run, experiment, prepared, console, stop)
        status = "finished"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    except Exception:
        write_log(run, traceback.format_exc())
        raise
    finally:
        record_run_ended(run.label, status, outcome)
        write_log(run, status)
        update_manifest(run.path, {"status": status, "ended": utc_now()})
    return run.path


def _train_all(
    run: RunFolder, experiment: Experiment, prepared: Prepared, console: Console, stop: StopRequest
) -> dict[str, Any]:
    agent = new_agent(experiment, experiment.env, prepared.return_deviation, len(prepared.feature_names))
    devices = experiment.train.devices_per_seed
    built: dict[int, Trainer] = {}

    def trainers(num_lanes: int) -> Trainer:
        if num_lanes not in built:
            built[num_lanes] = build_trainer(agent, num_lanes, devices)
        return built[num_lanes]

    work = Work(run, experiment, trainers, training_task(prepared), console, stop)
    _estimate(experiment, agent, console)
    for cohort in plan_cohorts(run, experiment.seeds, seeds_per_program(experiment), plan_of(experiment)):
        train_cohort(work, cohort)
    seconds = sum(sum(trainer.compile_seconds.values()) for trainer in built.values())
    update_manifest(run.path, {"compile_s": round(seconds, 3)})
    best = [best_figures(run, seed) for seed in range(experiment.seeds)]
    sharpes = [figures["valid/sharpe"] for figures in best if "valid/sharpe" in figures]
    per_bar = float(np.mean(sharpes) / np.sqrt(prepared.periods_per_year)) if sharpes else None
    return {"valid_sharpe": per_bar}


def _estimate(experiment: Experiment, agent: Agent, console: Console) -> None:
    """Say what the run will take on disk; time is known once the first chunk has been compiled and timed."""
    one = sum(int(np.prod(variable.shape)) * np.dtype(variable.dtype).itemsize for variable in agent.variables)
    kept = experiment.train.keep_checkpoints + 1
    total = one * kept * experiment.seeds / 1e6
    console.line(
        f"{experiment.seeds} × {experiment.train.total_timesteps:,} steps; up to {total:,.0f} MB of disk"
        f" ({kept} checkpoints of {one / 1e6:,.1f} MB a seed); compiling first, a few seconds"
    )


def _describe(run: RunFolder, experiment: Experiment, prepared: Prepared, console: Console) -> None:
    assets = ", ".join(prepared.assets[:5]) + (" …" if len(prepared.assets) > 5 else "")
    sizes = {name: int(np.sum(s.last - s.first + 1)) for name, s in prepared.segments.items()}
    console.line(
        f"{run.label}: {experiment.agent.name} on {assets}: {sizes['train']:,} training decisions,"
        f" {sizes['valid']:,} for validation, {sizes['test']:,} held out"
    )
    for repair in prepared.repairs:
        where = f"{repair['asset']} from {repair['time']}" if "time" in repair else repair["asset"]
        console.line(f"repair {repair['repair']}: {repair.get('count', 1)} × {repair['code']}, {where}")


def _manifest_record(experiment: Experiment, prepared: Prepared, options: TrainOptions) -> dict[str, Any]:
    return {
        "command": list(options.command),
        "backend": experiment.backend,
        "device": options.device,
        "devices": keras.distribution.list_devices(),
        "data_sha256": prepared.fingerprint,
        "repairs": list(prepared.repairs),
        "scaler": scaler_record(prepared.scaler),
        "return_deviation": prepared.return_deviation,
        "segments": {name: dates_of(prepared, segment) for name, segment in prepared.segments.items()},
        "seeds": _seeds(experiment),
    }


def _seeds(experiment: Experiment) -> list[int]:
    return [experiment.seed + number for number in range(experiment.seeds)]


def _changes(stored: Experiment, wanted: Experiment, manifest: dict[str, Any], prepared: Prepared) -> list[str]:
    """Return what would make a resumed run another run, one phrase each."""
    old, new = _flat(stored.model_dump(mode="json")), _flat(wanted.model_dump(mode="json"))
    changes = [
        f"{key} was {old.get(key)!r}, now {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and key not in HARMLESS_KEYS
    ]
    if prepared.fingerprint != manifest["data_sha256"]:
        changes.append("the prices changed")
    devices = keras.distribution.list_devices()
    if devices != manifest.get("devices", devices):
        changes.append(f"the devices were {', '.join(manifest['devices'])}, now {', '.join(devices)}")
    versions = package_versions()
    for package, version in manifest.get("versions", {}).items():
        if versions.get(package) != version:
            changes.append(f"{package} was {version}, now {versions.get(package) or 'missing'}")
    return changes


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    parts: Iterable[dict[str, Any]] = (_flat(part, f"{prefix}.{key}".lstrip(".")) for key, part in value.items())
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= part
    return merged
