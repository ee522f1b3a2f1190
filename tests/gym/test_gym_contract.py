"""The adapter keeps Gymnasium's contract for long (P13) and nothing outside moves it (P14)."""

import os
import random
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env

from tests.gym.worlds import DURATION, HARD, experiment, legal, make, universe
from trader.config.load import parse_experiment
from trader.errors import TraderError

KINDS = ["targets", "orders"]


def checked(env) -> None:
    """Run Gymnasium's check; its remarks are failures here, but for the one on a missing render mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*render_modes.*")
        warnings.filterwarnings("ignore", message=".*not be tested.*")
        check_env(env)


@pytest.mark.parametrize("flatten", [True, False])
@pytest.mark.parametrize("actions", KINDS)
def test_gymnasiums_own_check_passes_without_a_remark(actions: str, flatten: bool):
    checked(make(experiment(actions=actions), flatten=flatten))


def test_the_check_catches_an_environment_that_hands_out_its_own_array(monkeypatch: pytest.MonkeyPatch):
    kept = np.zeros((4 * 3 + 4,), np.float32)
    monkeypatch.setattr("trader.gym.single.arranged", lambda world, flat: kept)
    with pytest.raises(AssertionError, match="share an object"):
        checked(make(experiment()))


def faults_of(env, seed: int, num_steps: int) -> tuple[list[str], int]:
    """Play random actions, legal or not, and return what broke the contract, and the number of ruins."""
    generator, faults, ruins = np.random.default_rng(seed), [], 0
    obs, facts = env.reset(seed=seed)
    seen: list[np.ndarray] = []
    for _ in range(num_steps):
        seen.append(obs)
        copies = [kept.copy() for kept in seen[-3:]]
        if not env.observation_space.contains(obs):
            faults.append("observation outside its space")
        if not (env.action_masks() == facts["action_mask"]).all() or not facts["action_mask"].any():
            faults.append("mask")
        obs, reward, terminated, truncated, facts = env.step(int(generator.integers(env.action_space.n)))
        if not all((kept == copy).all() for kept, copy in zip(seen[-3:], copies, strict=True)):
            faults.append("an observation changed after it was returned")
        if not np.isfinite([reward, facts["equity"]]).all() or facts["equity"] < 0:
            faults.append("not finite")
        if terminated and truncated:
            faults.append("both flags")
        if terminated or truncated:
            ruins += terminated
            with pytest.raises(ResetNeeded):
                env.step(0)
            obs, facts = env.reset()
    return faults, ruins


@pytest.mark.parametrize("actions", KINDS)
def test_the_adapter_keeps_its_word_for_20_seeds_of_500_steps(actions: str):
    env = make(experiment(**HARD, actions=actions))
    played = [faults_of(env, seed, 500) for seed in range(20)]
    assert [faults for faults, _ in played if faults] == []
    assert sum(ruins for _, ruins in played) > 20


def test_a_returned_array_that_changes_later_is_noticed(monkeypatch: pytest.MonkeyPatch):
    kept = np.zeros((4 * 3 + 4,), np.float32)

    def reused(world, flat):
        kept[:] = flat
        return kept

    monkeypatch.setattr("trader.gym.single.arranged", reused)
    assert "an observation changed after it was returned" in faults_of(make(experiment()), 0, 10)[0]


def trace(env, seed: int, between) -> bytes:
    generator, parts = np.random.default_rng(1), []
    obs, facts = env.reset(seed=seed)
    for _ in range(150):
        between()
        action = legal(facts["action_mask"], generator)
        obs, reward, terminated, truncated, facts = env.step(action)
        parts += [obs.tobytes(), np.float64(reward).tobytes(), bytes([terminated, truncated]), str(facts).encode()]
        if terminated or truncated:
            obs, facts = env.reset()
            parts.append(obs.tobytes())
    return b"".join(parts)


def test_the_same_bytes_with_global_generators_reseeded_and_a_second_environment_interleaved():
    one, other = make(experiment()), make(experiment())

    def disturb():
        random.seed(random.randrange(10**6))
        np.random.seed(random.randrange(10**6))  # noqa: NPY002
        other.reset(seed=int(np.random.randint(10**6)))  # noqa: NPY002
        other.step(1)

    calm = trace(one, 0, lambda: None)
    assert trace(one, 0, disturb) == calm
    assert trace(one, 1, lambda: None) != calm
    assert trace(one, 0, lambda: np.copyto(one.reset()[0], 0.0)) != calm  # what does move it is seen


def test_a_step_before_reset_and_an_action_outside_the_space_are_refused():
    env = make(experiment())
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(0)
    env.reset(seed=0)
    for action in (-1, 3):
        with pytest.raises(InvalidAction, match=rf"must be 0 … 2; received {action}"):
            env.step(action)


def test_flat_observations_are_the_dictionary_row_by_row():
    flat, parts = make(experiment()), make(experiment(), flatten=False)
    (one, _), (two, _) = flat.reset(seed=3), parts.reset(seed=3)
    for _ in range(5):
        assert one.tolist() == np.concatenate([two["window"].ravel(), two["account"]]).tolist()
        assert two["window"].shape == (4, 3)
        one, two = flat.step(2)[0], parts.step(2)[0]


def test_an_order_off_the_ladder_is_masked_and_stays_on_the_rung():
    config = experiment(actions="orders", positions=[0.0, 1.0])
    held, pushed = make(config), make(config)
    for env in (held, pushed):
        _, facts = env.reset(seed=0)
        assert facts["action_mask"].tolist() == [False, True, True]
        facts = env.step(2)[4]
        assert facts["action_mask"].tolist() == env.action_masks().tolist() == [True, True, False]
    for _ in range(5):
        hold, push = held.step(1), pushed.step(2)
        assert hold[0].tolist() == push[0].tolist()
        assert hold[4]["equity"] == push[4]["equity"]


def test_targets_are_always_legal():
    env = make(experiment(positions=[-1.0, 0.5]))
    assert env.reset(seed=0)[1]["action_mask"].tolist() == [True, True]
    assert env.step(1)[4]["action_mask"].tolist() == [True, True]


def test_a_random_episode_has_its_duration_and_a_whole_one_all_decisions():
    def length(env):
        env.reset(seed=0)
        for n in range(1, 1000):
            if env.step(1)[3]:
                return n

    assert length(make(experiment())) == DURATION
    whole = make(experiment(), segment="valid", episode="whole")
    assert length(whole) == whole.world.last[0] - whole.world.first[0] + 1


def test_options_choose_asset_and_start(tmp_path):
    env = make(universe(tmp_path))
    for name in ("AAA", "BBB", "CCC"):
        _, facts = env.reset(seed=0, options={"asset": name, "start": "2020-06-01"})
        assert facts["time"] == np.datetime64("2020-05-31")  # decided at this close, paid on June 1
        assert np.asarray(env._state.whole)[0, 0] == env.world.assets.index(name)
        assert env.step(1)[4]["time"] == np.datetime64("2020-06-01")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aset": "AAA"}, 'options: unknown key "aset"; did you mean "asset"? allowed: asset, start'),
        ({"asset": "AAB"}, 'options.asset: unknown asset "AAB"; did you mean "AAA"? allowed: AAA, BBB, CCC'),
        ({"start": "soon"}, "options.start: must be a date or time such as 2012-03-01; received 'soon'"),
        ({"start": "2030-01-01"}, "options.start: 2030-01-01 lies outside the bars that"),
    ],
)
def test_options_that_cannot_be_met_are_one_line(options, message, tmp_path):
    with pytest.raises(TraderError) as caught:
        make(universe(tmp_path)).reset(seed=0, options=options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"segment": "training"}, 'segment: unknown value "training"; did you mean "train"? allowed: train, valid'),
        ({"episode": "hole"}, 'episode: unknown value "hole"; did you mean "whole"? allowed: random, whole'),
        ({"segment": "test"}, "segment: test dates are held out"),
    ],
)
def test_arguments_out_of_range_are_one_line(arguments, message, tmp_path):
    with pytest.raises(TraderError) as caught:
        make(universe(tmp_path), **arguments)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_the_mapping_names_its_key():
    with pytest.raises(TraderError, match=r'config: env.*widow_size.*did you mean "window_size"'):
        make(experiment() | {"env": {"widow_size": 3}})


def test_a_config_of_another_type_or_a_missing_file_is_one_line():
    with pytest.raises(TraderError, match="config: must be the path of an experiment file, or its keys; received 5"):
        make(5)
    with pytest.raises(TraderError, match=r"nowhere\.yaml: no such file"):
        make("nowhere.yaml")


def test_a_path_a_mapping_and_an_experiment_give_the_same_environment(tmp_path):
    config = universe(tmp_path)
    config["data"]["path"] = "*.csv"  # relative to the file
    (tmp_path / "mine.yaml").write_text(str(config), encoding="utf-8")
    loaded = parse_experiment(str(universe(tmp_path)), "config")
    three = [make(given) for given in (tmp_path / "mine.yaml", universe(tmp_path), loaded)]
    one, two, same = (env.reset(seed=5)[0].tobytes() for env in three)
    assert one == two == same


def test_the_test_dates_of_a_generated_market_may_be_played():
    env = make(experiment(), segment="test", episode="whole")
    first = env.reset(seed=0)[1]["time"]
    assert first >= make(experiment(), segment="valid", episode="whole").world.times[0][0]


def test_without_gymnasium_the_import_says_in_one_line_what_to_install():
    code = "import sys; sys.modules['gymnasium'] = None; import trader.gym"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: trader.gym needs Gymnasium, which is not installed: pip install 'trader[gym]'"
    )


def test_registering_starts_no_compiler():
    code = (
        "import sys, trader.gym, gymnasium\n"
        "assert trader.gym.ENV_ID in gymnasium.registry\n"
        "print([name for name in ('keras', 'tensorflow', 'jax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_make_finds_the_environment_by_its_module_too():
    env = gymnasium.make("trader.gym:trader/Market-v0", config=experiment())
    assert env.spec.id == "trader/Market-v0"
