"""What the adapter pays is what the ledger accounts for: equity, rewards and masks of whole segments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.gym.worlds import experiment, legal, make, universe
from trader.config.load import parse_experiment
from trader.data.prepare import prepare
from trader.envs import account as account_module
from trader.envs import bars
from trader.evaluation.ledger import Prices, orders_to_targets, run_ledger

TOLERANCE = 1e-4
COSTS = {"trading_fees": 0.002, "slippage_bps": 5.0, "spread_bps": 10.0, "borrow_interest_rate": 0.05}
FREE = {"trading_fees": 0.0, "slippage_bps": 0.0, "spread_bps": 0.0, "borrow_interest_rate": 0.0}
CASES = [
    {"fill": "next_open", "positions": [-1.0, 0.0, 1.0], **COSTS},
    {"fill": "next_close", "positions": [0.0, 1.0], **COSTS},
    {"fill": "close", "positions": [-1.0, -0.5, 0.0, 0.5, 1.5], **COSTS},
    {"fill": "next_open", "positions": [-1.0, 0.0, 1.0], **FREE},
    {"fill": "next_open", "actions": "orders", "positions": [-1.0, -0.5, 0.0, 0.5, 1.0], **COSTS},
    {"fill": "next_close", "actions": "orders", "positions": [0.0, 1.0], "reward": "pnl", **COSTS},
]


def played(env, asset: str, seed: int) -> tuple[list[int], list[float], list[float], list[Any]]:
    """Play one asset's segment to its end; return actions, equity in money, rewards and times of the closes."""
    generator, over = np.random.default_rng(seed), False
    actions, equity, rewards, times = [], [], [], []
    _, facts = env.reset(seed=seed, options={"asset": asset})
    assert facts["equity"] == env.world.config.initial_cash
    while not over:
        actions.append(legal(facts["action_mask"], generator))
        _, reward, terminated, truncated, facts = env.step(actions[-1])
        equity.append(facts["equity"])
        rewards.append(reward)
        times.append(facts["time"])
        over = terminated or truncated
    return actions, equity, rewards, times


def ledger_of(config: dict[str, Any], asset: int, actions: list[int], segment: str):
    experiment = parse_experiment(str(config), "config")
    prepared, env = prepare(experiment, Path()), experiment.env
    frame = prepared.bars[asset].frame
    positions = list(env.positions)
    targets = orders_to_targets(actions, positions) if env.actions == "orders" else np.take(positions, actions)
    time = frame.index.tz_localize(None).to_numpy()
    first = int(prepared.segments[segment].first[asset])
    opens, closes = frame["open"].to_numpy(), frame["close"].to_numpy()
    return run_ledger(Prices("x", time, opens, closes), targets, first, env), prepared.return_deviation


def worst(config: dict[str, Any], names: tuple[str, ...], segment: str) -> float:
    """Return the largest relative difference of equity over all bars and assets."""
    env, found = make(config, segment=segment, episode="whole"), []
    for asset, name in enumerate(names):
        actions, equity, _, times = played(env, name, seed=asset)
        ledger, _ = ledger_of(config, asset, actions, segment)
        assert len(equity) == env.world.last[asset] - env.world.first[asset] + 1
        assert (np.asarray(times) == ledger.time).all()
        found.append(np.max(np.abs(np.asarray(equity) / ledger.equity - 1)))
    return max(found)


@pytest.mark.parametrize("segment", ["train", "valid"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['fill']}-{len(case['positions'])}")
def test_equity_of_a_whole_segment_is_the_ledgers(case: dict[str, Any], segment: str, tmp_path):
    assert worst(universe(tmp_path, **case), ("AAA", "BBB", "CCC"), segment) < TOLERANCE


def test_a_step_that_forgets_the_spread_is_caught(tmp_path, monkeypatch: pytest.MonkeyPatch):
    def without_spread(env, *arguments):
        return account_module.fill(env.model_copy(update={"spread_bps": 0.0}), *arguments)

    monkeypatch.setattr(bars, "fill", without_spread)
    config = universe(tmp_path, **CASES[0], initial_cash=1234.0)  # rules of its own, so that it compiles anew
    config["env"]["borrow_interest_rate"] = 0.051
    assert worst(config, ("AAA",), "train") > TOLERANCE


def test_rewards_are_scaled_log_growth_of_that_equity(tmp_path):
    config = universe(tmp_path, **CASES[0])
    env = make(config, segment="valid", episode="whole")
    actions, equity, rewards, _ = played(env, "BBB", 4)
    ledger, deviation = ledger_of(config, 1, actions, "valid")
    growth = np.diff(np.log([env.world.config.initial_cash, *ledger.equity]))
    np.testing.assert_allclose(rewards, growth / deviation, atol=2e-3)
    assert np.isclose(sum(rewards) * deviation, np.log(equity[-1] / env.world.config.initial_cash), atol=1e-4)


def test_a_reward_scale_of_the_config_is_taken_as_it_is(tmp_path):
    one, two = (make(universe(tmp_path, reward_scale=scale), episode="whole") for scale in (1.0, 0.5))
    first, second = (np.asarray(played(env, "AAA", 2)[2]) for env in (one, two))
    np.testing.assert_allclose(second, 2 * first, rtol=1e-5, atol=1e-7)


def test_masks_are_those_of_the_ladder():
    env = make(experiment(actions="orders", positions=[-1.0, 0.0, 1.0]), episode="whole")
    _, facts = env.reset(seed=0)
    generator, rung = np.random.default_rng(0), 1
    for _ in range(100):
        assert facts["action_mask"].tolist() == [rung > 0, True, rung < 2]
        action = legal(facts["action_mask"], generator)
        rung += action - 1
        facts = env.step(action)[4]


def test_observations_are_the_markets_own_rows():
    config = experiment()
    env = make(config, episode="whole", flatten=False)
    prepared = prepare(parse_experiment(str(config), "config"), Path())
    obs, t = env.reset(seed=0)[0], int(prepared.segments["train"].first[0])
    assert obs["account"].tolist() == [0.0, 0.0, 0.0, 0.0]
    for _ in range(20):
        assert (obs["window"] == prepared.market.features[0, t - 3 : t + 1]).all()
        obs, t = env.step(2)[0], t + 1
