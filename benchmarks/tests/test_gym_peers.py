"""Other libraries' agents train on `trader/Market-v0`; run by `make test-bench`, beside Stable-Baselines3 on JAX."""

import re
import runpy
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="runs in the environment of the benchmarks: make test-bench")
pytest.importorskip("sb3_contrib", reason="runs in the environment of the benchmarks: make test-bench")

from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv

import trader.gym
from trader.config.load import parse_experiment
from trader.data.prepare import prepare
from trader.evaluation.ledger import Prices, orders_to_targets, run_ledger
from trader.gym.single import GymMarketEnv

NUM_ENVS, NUM_STEPS, TOLERANCE = 4, 400, 1e-4
COSTS = {"trading_fees": 0.002, "slippage_bps": 5.0, "spread_bps": 10.0, "borrow_interest_rate": 0.05}
PLAIN = {
    "data": {"source": "nasdaq"},
    "env": {"window_size": 8, "positions": [-1.0, -0.5, 0.0, 0.5, 1.0], "max_episode_duration": 60, **COSTS},
}
TARGETS, ORDERS = ({**PLAIN, "env": {**PLAIN["env"], "actions": kind}} for kind in ("targets", "orders"))


def made(config: dict, **arguments):
    return gymnasium.make(trader.gym.ENV_ID, config=config, **arguments)


def remarks_on(config: dict, flatten: bool) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(made(config, flatten=flatten).unwrapped)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("config", [TARGETS, ORDERS], ids=["targets", "orders"])
def test_the_check_of_stable_baselines3_passes_without_a_remark(config: dict):
    assert remarks_on(config, flatten=True) == []


@pytest.mark.parametrize("config", [TARGETS, ORDERS], ids=["targets", "orders"])
def test_the_check_of_the_dictionary_form_only_recommends_the_flat_one(config: dict):
    (remark,) = remarks_on(config, flatten=False)
    assert "We recommend you to flatten the observation" in remark


def equity_of(model, config: dict, masked: bool) -> tuple[list[int], list[float]]:
    """Play the validation dates once, greedily; return actions and equity (money) after each."""
    env = made(config, segment="valid", episode="whole")
    obs, facts = env.reset(seed=0)
    actions, equity, over = [], [], False
    while not over:
        masks = {"action_masks": facts["action_mask"]} if masked else {}
        action, _ = model.predict(obs, deterministic=True, **masks)
        obs, _, terminated, truncated, facts = env.step(action)
        actions.append(int(action))
        equity.append(facts["equity"])
        over = terminated or truncated
    return actions, equity


def ledger_equity(actions: list[int], config: dict) -> np.ndarray:
    experiment = parse_experiment(str(config), "config")
    prepared, env = prepare(experiment, Path()), experiment.env
    frame, first = prepared.bars[0].frame, int(prepared.segments["valid"].first[0])
    time = frame.index.tz_localize(None).to_numpy()
    prices = Prices("nasdaq", time, frame["open"].to_numpy(), frame["close"].to_numpy())
    orders = env.actions == "orders"
    targets = orders_to_targets(actions, env.positions) if orders else np.take(env.positions, actions)
    return run_ledger(prices, targets, first, env).equity


def assert_trained_and_accounted(model, weights_before: dict, config: dict, masked: bool) -> None:
    changed = [not np.array_equal(weights_before[name], value) for name, value in weights_of(model).items()]
    assert any(changed)
    actions, equity = equity_of(model, config, masked)
    assert len(equity) > 900
    np.testing.assert_allclose(equity, ledger_equity(actions, config), rtol=TOLERANCE)


def weights_of(model) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in model.policy.state_dict().items()}


@pytest.mark.parametrize("flatten", [True, False])
def test_a2c_of_stable_baselines3_trains_and_its_equity_is_the_ledgers(flatten: bool):
    env = DummyVecEnv([lambda: made(TARGETS, flatten=flatten)] * NUM_ENVS)
    model = A2C("MlpPolicy" if flatten else "MultiInputPolicy", env, seed=0, device="cpu")
    before = weights_of(model)
    model.learn(NUM_STEPS)
    assert model.num_timesteps >= NUM_STEPS
    if flatten:
        assert_trained_and_accounted(model, before, TARGETS, masked=False)


def test_maskable_ppo_trains_within_the_masks_and_its_equity_is_the_ledgers(monkeypatch: pytest.MonkeyPatch):
    taken = []
    unwatched = GymMarketEnv.step

    def watched(self, action):
        taken.append(bool(self.action_masks()[int(action)]))
        return unwatched(self, action)

    monkeypatch.setattr(GymMarketEnv, "step", watched)
    env = DummyVecEnv([lambda: made(ORDERS)] * NUM_ENVS)
    model = MaskablePPO("MlpPolicy", env, n_steps=64, batch_size=64, n_epochs=2, seed=0, device="cpu")
    before = weights_of(model)
    model.learn(NUM_STEPS)
    assert len(taken) >= NUM_STEPS
    assert all(taken)
    assert_trained_and_accounted(model, before, ORDERS, masked=True)


def test_an_unmasked_player_does_leave_the_masks():
    env, refused = made(ORDERS).unwrapped, 0
    _, facts = env.reset(seed=0)
    generator = np.random.default_rng(0)
    for _ in range(50):
        action = int(generator.integers(3))
        refused += not facts["action_mask"][action]
        facts = env.step(action)[4]
    assert refused > 0


def test_the_script_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    root = Path(__file__).parents[2]
    page = (root / "docs" / "gym.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"<!-- python, stable-baselines3 -->\n```python\n(.*?)```", page, re.DOTALL)
    script = tmp_path / "script.py"
    script.write_text(text.replace("10_000", "200"), encoding="utf-8")
    monkeypatch.chdir(root)
    left = runpy.run_path(str(script))
    assert str(left["info"]["equity"]) in capsys.readouterr().out
