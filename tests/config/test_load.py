from pathlib import Path

import pytest

from trader.config import A2cConfig, DqnConfig
from trader.config.load import experiment_sha256, load_experiment, parse_experiment
from trader.errors import TraderError

NASDAQ = "data: {source: nasdaq}\n"


def refusal(text: str, overrides: tuple[str, ...] = ()) -> str:
    with pytest.raises(TraderError) as caught:
        parse_experiment(text, "file.yaml", overrides)
    line = str(caught.value)
    assert "\n" not in line
    assert "validation error" not in line
    assert "pydantic" not in line
    return line


def test_a_file_with_data_alone_is_a_whole_experiment():
    experiment = parse_experiment(NASDAQ, "file.yaml")
    assert isinstance(experiment.agent, DqnConfig)
    assert experiment.env.fill == "next_open"


def test_numbers_may_be_written_as_1e_minus_3():
    agent = parse_experiment(NASDAQ + "agent: {name: dqn, learning_rate: 1e-3}", "file.yaml").agent
    assert isinstance(agent, DqnConfig)
    assert agent.learning_rate == 0.001


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("agent: {name: dqn, gama: 1}", 'file.yaml: agent.gama: unknown key; did you mean "gamma"? allowed: network, '),
        ("agent: {name: dqn, gamma: 1.5}", "file.yaml: agent.gamma: must be ≤ 1; received 1.5"),
        (
            "agent: {name: dqm}",
            'file.yaml: agent.name: unknown value "dqm"; did you mean "dqn"? allowed: dqn, reinforce, a2c',
        ),
        ("agent: {gamma: 0.9}", "file.yaml: agent.name: missing; allowed: dqn, reinforce, a2c"),
        (
            "agent: {nam: dqn}",
            'file.yaml: agent.name: missing (is "nam" a misspelling?); allowed: dqn, reinforce, a2c',
        ),
        ("agent: {name: dqn, n_steps: 3}", "file.yaml: agent.n_steps: unknown key; it belongs to name: a2c; allowed: "),
        ("agent: dqn", "file.yaml: agent: must be a section with name: dqn, reinforce, a2c; received "),
        (
            "env: {fill: nextopen}",
            'file.yaml: env.fill: unknown value "nextopen"; did you mean "next_open"? allowed: next_open, next_close,',
        ),
        ("env: {initial_cash: '1e3'}", 'file.yaml: env.initial_cash: must be a number > 0; received "1e3"'),
        ("env: {initial_cash: .nan}", "file.yaml: env.initial_cash: must be a finite number; received NaN"),
        ("env: {initial_cash: .inf}", "file.yaml: env.initial_cash: must be a finite number; received Infinity"),
        ("env: {slippage_bps: 1e999}", "file.yaml: env.slippage_bps: must be a finite number; received Infinity"),
        ("env: {window_size: 1.5}", "file.yaml: env.window_size: must be a whole number ≥ 1 and ≤ 4096; received 1.5"),
        ("env: {reward_scale: -1}", "file.yaml: env.reward_scale: must be auto or a number > 0; received -1"),
        (
            "env: {positions: [1, 0, a]}",
            'file.yaml: env.positions[2]: must be a number ≥ -10 and ≤ 10; received "a"',
        ),
        ("env: {positions: [0]}", "file.yaml: env.positions: must have at least 2 items; received [0]"),
        ("env: {drawdown_penalty: {treshold: 1}}", "file.yaml: env.drawdown_penalty.treshold: unknown key; did you me"),
        ("env: null", "file.yaml: env: must be a section of window_size, "),
        ("agent: {name: dqn, double: yes}", 'file.yaml: agent.double: must be true or false; received "yes"'),
        ("features: [{name: rsy}]", 'file.yaml: features[0].name: unknown value "rsy"; did you mean "rsi"? allowed: '),
        ("features: [{name: rsi, period: 1}]", "file.yaml: features[0].period: must be ≥ 2; received 1"),
        ("seed: true", "file.yaml: seed: must be a whole number ≥ 0 and ≤ 2147483647; received true"),
        ("name: ../x", 'file.yaml: name: must match ^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$; received "../x"'),
        ("trian: {}", 'file.yaml: trian: unknown key; did you mean "train"? allowed: name, seed, seeds, data, '),
        ("backend: torch", 'file.yaml: backend: unknown value "torch"; allowed: tensorflow, jax'),
    ],
)
def test_a_mistake_becomes_one_line_with_path_value_and_what_is_allowed(text: str, line: str):
    assert refusal(NASDAQ + text).startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "file.yaml: must be keys and values (name, seed, seeds, data, "),
        ("- 1", "file.yaml: must be keys and values (name, seed, seeds, data, "),
        ("seed: 1", "file.yaml: data: missing; must be a section with source: nasdaq, sp500, csv, parquet, synthetic"),
        ("data: {sorce: nasdaq}", 'file.yaml: data.source: missing (is "sorce" a misspelling?); allowed: nasdaq, '),
        ("data: {source: csv}", "file.yaml: data.path: missing; must be text"),
        ("data: {source: nasdaq, path: x}", "file.yaml: data.path: unknown key; it belongs to source: csv, parquet;"),
        ("data: {source: csv, path: {A: [1]}}", "file.yaml: data.path.A[0]: must be text; received 1"),
    ],
)
def test_a_mistake_about_the_source_is_told_likewise(text: str, line: str):
    assert refusal(text).startswith(line)


@pytest.mark.parametrize(
    ("train", "line"),
    [
        (
            "[1999-13-01, 2000-01-01]",
            'data.segments.train[0]: must be a date such as 2014-01-31; received "1999-13-01"',
        ),
        ("[2010, 2014]", "data.segments.train[0]: must be a date such as 2014-01-31; received 2010"),
        ("abc", "data.segments.train: must be a number > 0 and < 1 or a list of 2, each a date"),
        ("[2013-01-01, 2012-01-01]", "data.segments: train ends (2012-01-01) before it begins (2013-01-01)"),
        ("[2010-01-01, 2015-06-30]", "data.segments: valid begins 2015-01-01, but train ends 2015-06-30"),
        ("0.5", "data.segments: all three segments must be date ranges, or all three fractions"),
    ],
)
def test_bad_dates_and_overlapping_segments_are_told_with_both_dates(train: str, line: str):
    segments = f"train: {train}, valid: [2015-01-01, 2015-12-31], test: [2016-01-01, 2016-12-31]"
    assert refusal(f"data: {{source: nasdaq, segments: {{{segments}}}}}").startswith(f"file.yaml: {line}")


def test_several_mistakes_show_the_first_and_count_the_rest():
    line = refusal(NASDAQ + "agent: {name: dqn, gama: 1, gamma: 1.5, loss: huver}")
    assert "agent.gama: unknown key" in line
    assert line.endswith("(and 2 more)")


def test_a_union_counts_as_one_mistake():
    assert "more)" not in refusal("data: {source: csv, path: 3}")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("train: {n_envs: 15}", ("16", "15")),
        ("agent: {name: dqn, batch_size: 64, buffer_size: 32}", ("64", "32")),
        ("agent: {name: dqn, exploration_final_eps: 0.9, exploration_initial_eps: 0.5}", ("0.9", "0.5")),
        ("agent: {name: dqn, learning_starts: 5000}\ntrain: {total_timesteps: 4000}", ("5000", "4000")),
        ("agent: {name: dqn, buffer_size: 32}\ntrain: {n_envs: 64}", ("32", "64")),
        ("agent: {name: reinforce, episodes_per_update: 7}", ("7", "16")),
        ("features: [{name: macd, fast: 30, slow: 20}]", ("30", "20")),
        ("env: {positions: [0, 10], trading_fees: 0.1}", ("10", "50%")),
    ],
)
def test_a_rule_between_two_keys_quotes_both_numbers(text: str, numbers: tuple[str, str]):
    line = refusal(NASDAQ + text)
    assert all(number in line for number in numbers)


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path):
    (tmp_path / "quickstart.yaml").write_text(NASDAQ)
    with pytest.raises(TraderError, match=r'quikstart\.yaml: no such file; did you mean "quickstart\.yaml"\?'):
        load_experiment(tmp_path / "quikstart.yaml")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 1_000_001])
def test_a_file_that_is_no_text_or_too_long_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(TraderError, match=r"a\.yaml"):
        load_experiment(path)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path):
    with pytest.raises(TraderError, match="cannot be read"):
        load_experiment(tmp_path)


def test_the_hash_sees_values_not_the_way_they_are_written():
    plain = parse_experiment(NASDAQ, "a")
    spelt_out = parse_experiment("agent:\n  name: dqn\n  gamma: 0.99\n" + NASDAQ, "b")
    other = parse_experiment(NASDAQ, "c", ["agent.gamma=0.98"])
    assert experiment_sha256(plain) == experiment_sha256(spelt_out)
    assert experiment_sha256(plain) != experiment_sha256(other)


class TestOverrides:
    def test_a_value_is_replaced_and_the_rest_kept(self):
        text = NASDAQ + "agent: {name: a2c, ent_coef: 0.5}"
        agent = parse_experiment(text, "f", ["agent.gamma=0.9", "agent.n_steps=1"]).agent
        assert isinstance(agent, A2cConfig)
        assert (agent.gamma, agent.n_steps, agent.ent_coef) == (0.9, 1, 0.5)

    def test_a_key_of_an_absent_section_keeps_the_default_agent(self):
        agent = parse_experiment(NASDAQ, "f", ["agent.learning_rate=1e-3"]).agent
        assert isinstance(agent, DqnConfig)
        assert agent.learning_rate == 0.001

    def test_a_list_item_is_reached_by_its_index(self):
        experiment = parse_experiment(
            NASDAQ, "f", ["features[1].period=5", "env.positions=[0, 1]", "env.positions.1=2"]
        )
        assert experiment.features[1].model_dump()["period"] == 5
        assert experiment.env.positions == [0, 2]

    def test_later_ones_win(self):
        assert parse_experiment(NASDAQ, "f", ["seed=1", "seed=2"]).seed == 2

    @pytest.mark.parametrize(
        ("assignment", "line"),
        [
            ("agent.gama=1", '--set agent.gama: unknown key; did you mean "gamma"? allowed: '),
            ("agnt.gamma=1", '--set agnt.gamma: unknown key; did you mean "agent"? allowed: '),
            ("agent.n_steps=3", "--set agent.n_steps: unknown key; it belongs to name: a2c; allowed: "),
            ("gamma", '--set: must be key=value such as agent.gamma=0.9; received "gamma"'),
            ("=1", "--set: must be key=value"),
            ("features[9].period=1", '--set features[9].period: list index must be 0 to 3; received "9"'),
            ("features.rsi.period=1", '--set features.rsi.period: list index must be 0 to 3; received "rsi"'),
            ("seed=!!python/object:os.system x", "--set seed line 1, column 1: tag "),
            ("agent.gamma=2", "file.yaml with --set agent.gamma=2: agent.gamma: must be ≤ 1; received 2"),
            ("env.fill.x=1", "file.yaml with --set env.fill.x=1: env.fill: must be one of"),
        ],
    )
    def test_a_mistake_is_one_line(self, assignment: str, line: str):
        assert refusal(NASDAQ, (assignment,)).startswith(line)
