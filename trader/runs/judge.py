"""Judging a run: every kept checkpoint on validation dates, one checkpoint a seed on held-out dates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trader.agents.agent import Agent
from trader.config import EnvConfig, Experiment, FileSource
from trader.config.load import experiment_sha256
from trader.data.market import Market, Segment
from trader.data.prepare import Prepared, prepare_range
from trader.data.sources import format_of
from trader.errors import TraderError
from trader.evaluation.backtest import (
    Stage,
    Targets,
    agent_targets,
    baseline_results,
    benchmark_of,
    disagreement,
    judge,
)
from trader.evaluation.results import BacktestResult, StrategyResult
from trader.evaluation.warnings import agent_warnings, fill_warnings, look_warnings, seed_warnings
from trader.rollout import GreedyPass, greedy_pass
from trader.runs.checkpoints import checkpoint_steps, step_name, verify_checkpoint
from trader.runs.folder import RunFolder
from trader.runs.manifest import package_versions
from trader.runs.opening import Opened, chosen_step, dates_of, held_out, load_policy, new_agent, open_run, own_prices
from trader.runs.options import Backtested, BacktestOptions, Console, Evaluated, EvaluateOptions, Scored
from trader.runs.pointers import pointed
from trader.runs.results import begin_backtest
from trader.runs.trials import count_looks, count_trials, record_look
from trader.training import to_device

# `--data` without `--timerange` plays whole files.
ALL_DATES = (date(1800, 1, 1), date(2200, 1, 1))


class _Player(NamedTuple):
    """An agent, its compiled pass, and the dates it plays."""

    run: RunFolder
    agent: Agent
    greedy: Callable[[Market, Segment], GreedyPass]
    stage: Stage
    market: Any


def evaluate(options: EvaluateOptions, console: Console) -> list[Evaluated]:
    """Return the metrics of every kept checkpoint of every seed on a split that is not held out."""
    return [_evaluate_run(open_run(run), options.split, console) for run in options.runs]


def _evaluate_run(opened: Opened, split: str, console: Console) -> Evaluated:
    prepared = own_prices(opened)
    player = _player(opened, prepared, prepared.segments[split], opened.experiment.env)
    benchmark = benchmark_of(player.stage)
    folders = {seed: opened.run.checkpoints(seed) for seed in opened.run.seeds()}
    kept = [(seed, step) for seed, folder in folders.items() for step in checkpoint_steps(folder)]
    best = {seed: pointer.step for seed, folder in folders.items() if (pointer := pointed(folder, "best"))}
    scores = []
    for seed, step in _told(console, f"{opened.run.label}, {split} dates", kept, player.stage.segment):
        _, targets = _play(player, seed, step)
        result = judge(player.stage, opened.experiment.agent.name, seed, targets, benchmark)
        scores.append(Scored(seed, step, result.metrics, best.get(seed) == step))
    return Evaluated(opened.run, tuple(scores))


def _told(
    console: Console, label: str, checkpoints: Iterable[tuple[int, int]], segment: Segment
) -> Iterator[tuple[int, int]]:
    """Yield seed and step of each checkpoint while the console counts the environment steps of playing them."""
    work, each = list(checkpoints), int(np.sum(segment.last - segment.first + 1))
    console.begin(label, each * len(work))
    try:
        for number, checkpoint in enumerate(work, 1):
            yield checkpoint
            console.update(each * number, {})
    finally:
        console.end()


def backtest(options: BacktestOptions, console: Console) -> Backtested:
    """Play one checkpoint of every seed and all baselines on held-out dates; the look is recorded first.

    Returns:
        A new folder below the run's `backtests/` and what belongs into it.

    Raises:
        TraderError: damaged or missing checkpoints, changed prices, dates without bars.
    """
    opened = open_run(options.run)
    env = opened.experiment.env
    if options.fee is not None:
        env = env.model_copy(update={"trading_fees": options.fee})
    played, prepared, segment = _dates(opened, options)
    steps = {seed: chosen_step(options.run, seed, options.checkpoint) for seed in options.run.seeds()}
    for seed, step in steps.items():
        verify_checkpoint(options.run.checkpoints(seed) / step_name(step))  # a refused backtest is no look
    dates = held_out(played, prepared, segment)
    record_look(options.run.label, dates, " ".join(options.command))
    looks, trials = count_looks(dates), count_trials(dates)
    player = _player(opened, prepared, segment, env)
    strategies, difference = _strategies(player, played, steps, console)
    agents = strategies[: len(steps)]
    warnings = [
        *fill_warnings(env, prepared),
        *look_warnings(looks, _overlaps(opened.segments, dates_of(prepared, segment))),
        *seed_warnings(len(steps), opened.experiment.seeds),
        *agent_warnings(agents, difference),
    ]
    result = BacktestResult(
        agent=opened.experiment.agent.name,
        strategies=tuple(strategies),
        experiment=opened.experiment.model_copy(update={"env": env}).model_dump(mode="json"),
        config_sha256=experiment_sha256(opened.experiment),
        data_sha256=prepared.fingerprint,
        segments=opened.segments,
        timerange=dates_of(prepared, segment),
        periods_per_year=prepared.periods_per_year,
        checkpoints=steps,
        looks=looks,
        trials=trials,
        warnings=warnings,
        command=" ".join(options.command),
        versions=package_versions(),
    )
    return Backtested(begin_backtest(options.run), result)


def _dates(opened: Opened, options: BacktestOptions) -> tuple[Experiment, Prepared, Segment]:
    """Return the experiment with the prices that are played, those prices, and the decision rows."""
    if not options.price_files:
        prepared = own_prices(opened)
        span = options.timerange
        segment = prepared.segments["test"] if span is None else prepared.between(*span)
        return opened.experiment, prepared, segment
    other, span = _on_other_files(opened.experiment, options.price_files), options.timerange or ALL_DATES
    prepared = prepare_range(other, Path.cwd(), opened.scaler, span, opened.return_deviation)
    return other, prepared, prepared.segments["test"]


def _on_other_files(experiment: Experiment, files: tuple[Path, ...]) -> Experiment:
    kinds = {format_of(path) for path in files}
    if len(kinds) > 1:
        raise TraderError("--data: files must be all CSV or all Parquet")
    own = experiment.data
    shared = {"segments": own.segments, "repairs": own.repairs.model_dump()}
    source = own.model_dump(exclude={"source", "path"}) if isinstance(own, FileSource) else shared
    paths = [str(path.absolute()) for path in files]
    shape = {"source": kinds.pop(), "path": paths, **source}
    return experiment.model_copy(update={"data": FileSource.model_validate(shape)})


def _player(opened: Opened, prepared: Prepared, segment: Segment, env: EnvConfig) -> _Player:
    agent = new_agent(opened.experiment, env, opened.return_deviation, len(prepared.feature_names))
    stage = Stage(prepared, segment, env, opened.experiment.evaluation.risk_free_rate)
    return _Player(opened.run, agent, greedy_pass(agent), stage, to_device(prepared.market))


def _play(player: _Player, seed: int, step: int) -> tuple[GreedyPass, Targets]:
    load_policy(player.agent, player.run, seed, step)
    played = player.greedy(player.market, player.stage.segment)
    return played, agent_targets(played, player.stage.env)


def _strategies(
    player: _Player, experiment: Experiment, steps: dict[int, int], console: Console
) -> tuple[list[StrategyResult], float]:
    benchmark = benchmark_of(player.stage)
    results, paths, worst = [], [], 0.0
    for seed, step in _told(console, f"{player.run.label}, held-out dates", steps.items(), player.stage.segment):
        played, targets = _play(player, seed, step)
        result = judge(player.stage, experiment.agent.name, seed, targets, benchmark)
        worst = max(worst, disagreement(played, result))
        results.append(result)
        paths.append((seed, targets))
    return results + baseline_results(player.stage, experiment, paths, benchmark), worst


def _overlaps(segments: dict[str, list[str]], timerange: list[str]) -> list[str]:
    """Return the segments other than test that share a date with `timerange` (ISO text sorts by time)."""
    shared = []
    for name in ("train", "valid"):
        first, last = segments[name]
        if timerange[0] <= last and first <= timerange[1]:
            shared.append(name)
    return shared
