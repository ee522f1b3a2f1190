"""From a run folder (or an experiment) to what computes: prepared data, environment, agent, compiled programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trader import backend
from trader.agents.agent import Agent
from trader.agents.build import build_agent
from trader.config import EnvConfig, Experiment, FileSource
from trader.data.fingerprint import fingerprint
from trader.data.market import Segment
from trader.data.prepare import Prepared, prepare
from trader.data.scaling import Scaler, scaler_from_record
from trader.envs.bars import MarketEnv
from trader.envs.rewards import reward_scale
from trader.errors import TraderError
from trader.runs.checkpoints import checkpoint_steps, read_checkpoint, step_name
from trader.runs.folder import RunFolder, no_checkpoints
from trader.runs.manifest import read_manifest
from trader.runs.pointers import pointed
from trader.runs.stored import stored_experiment
from trader.runs.trials import HeldOut
from trader.training import Task, to_device


class Opened(NamedTuple):
    """A finished or interrupted run: its config and what training left in the manifest.

    Attributes:
        run: the folder.
        experiment: the resolved config.
        scaler: fitted on the training rows.
        return_deviation: of the training bars' log returns.
        data_sha256: fingerprint of the bars it was trained on.
        segments: name -> [first date, last date], ISO.
    """

    run: RunFolder
    experiment: Experiment
    scaler: Scaler
    return_deviation: float
    data_sha256: str
    segments: dict[str, list[str]]


def open_run(run: RunFolder) -> Opened:
    """Load a run's config and manifest.

    Raises:
        TraderError: the run has no checkpoint, or its files are damaged.
    """
    if not any(checkpoint_steps(run.checkpoints(seed)) for seed in run.seeds()):
        raise no_checkpoints(run)
    manifest = read_manifest(run.path)
    experiment = stored_experiment(run, manifest)
    try:
        return Opened(
            run,
            experiment,
            scaler_from_record(manifest["scaler"]),
            float(manifest["return_deviation"]),
            str(manifest["data_sha256"]),
            {name: [str(moment) for moment in span] for name, span in manifest["segments"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TraderError(f"{run.path}/manifest.json: not written by a training ({error!r})") from None


def own_prices(opened: Opened) -> Prepared:
    """Return the data that a run was trained on.

    Raises:
        TraderError: the prices changed since.
    """
    prepared = prepare(opened.experiment, opened.run.path, opened.scaler)
    if prepared.fingerprint != opened.data_sha256:
        raise TraderError(
            f"{opened.run.label}: the prices changed since training (sha256 {prepared.fingerprint[:12]}…, trained on"
            f" {opened.data_sha256[:12]}…); restore them, or name other prices with backtest --data"
        )
    return prepared


def with_absolute_paths(experiment: Experiment, base: Path) -> Experiment:
    """Return the experiment with price files spelt from the root, so that it loads from anywhere."""
    source = experiment.data
    if not isinstance(source, FileSource):
        return experiment

    def resolved(entry: Any) -> Any:
        if isinstance(entry, dict):
            return {asset: resolved(files) for asset, files in entry.items()}
        if isinstance(entry, list):
            return [resolved(one) for one in entry]
        return str(base.absolute() / entry)

    data = source.model_copy(update={"path": resolved(source.path)})
    return experiment.model_copy(update={"data": data})


def new_agent(experiment: Experiment, env: EnvConfig, return_deviation: float, num_features: int) -> Agent:
    """Return the (not yet compiled) agent of an experiment in an environment that may be another one."""
    market_env = MarketEnv(env, reward_scale(env, return_deviation), return_deviation)
    return build_agent(experiment.agent, experiment.train, market_env, num_features)


def seeds_per_program(experiment: Experiment) -> int:
    """Return how many seeds one program trains: as many as the config allows, one where the backend maps none."""
    asked = experiment.train.seeds_per_program or experiment.seeds
    return min(asked, experiment.seeds) if backend.MAPS_SEEDS else 1


def training_task(prepared: Prepared) -> Task:
    """Return the market on the device with the training and validation rows."""
    segments = prepared.segments
    return Task(to_device(prepared.market), to_device(segments["train"]), segments["valid"], prepared.periods_per_year)


def held_out(experiment: Experiment, prepared: Prepared, segment: Segment) -> HeldOut:
    """Return the assets and dates of a segment as the ledger of trials counts them."""
    first, last = dates_of(prepared, segment)
    # Without its name in the digest a renamed copy of the bars is the same asset.
    assets = {bars.asset: fingerprint([replace(bars, asset="")]) for bars in prepared.bars}
    return HeldOut(assets, first, last, synthetic=experiment.data.source == "synthetic")


def dates_of(prepared: Prepared, segment: Segment) -> list[str]:
    """Return the first and the last bar of a segment over all assets, ISO."""
    rows = list(zip(prepared.bars, segment.first, segment.last, strict=True))
    first = min(bars.frame.index[start + 1] for bars, start, _ in rows)
    last = max(bars.frame.index[end + 1] for bars, _, end in rows)
    return [_iso(first), _iso(last)]


def _iso(moment: Any) -> str:
    text = moment.tz_localize(None).isoformat()
    return text.removesuffix("T00:00:00")


def chosen_step(run: RunFolder, seed: int, which: str | int) -> int:
    """Return the step of the checkpoint that `best`, `last` or a step asks for.

    Raises:
        TraderError: this seed has no such checkpoint.
    """
    folder = run.checkpoints(seed)
    steps = checkpoint_steps(folder)
    if isinstance(which, int):
        if which not in steps:
            raise TraderError(f"--checkpoint {which}: seed-{seed} keeps {', '.join(map(str, steps)) or 'none'}")
        return which
    pointer = pointed(folder, which)
    if pointer is None:
        raise TraderError(f"{run.label}: seed-{seed} has no {which} checkpoint yet; it keeps {steps or 'none'}")
    return pointer.step


def load_policy(agent: Agent, run: RunFolder, seed: int, step: int) -> None:
    """Put the policy weights of a checkpoint into the agent; nothing else of it changes.

    Raises:
        TraderError: the checkpoint is damaged or belongs to another network.
    """
    path = run.checkpoints(seed) / step_name(step)
    arrays, _ = read_checkpoint(path, "variable/")  # playing needs no replay
    for number, variable in enumerate(agent.policy.variables):
        value = arrays.get(f"variable/{number:03d}")
        if value is None or value.shape != tuple(variable.shape):
            have = None if value is None else value.shape
            raise TraderError(f"{path}: weight {number} has shape {have}; this network needs {tuple(variable.shape)}")
        variable.assign(np.asarray(value))
