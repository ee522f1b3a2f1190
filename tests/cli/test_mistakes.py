"""Typical mistakes: exit code 2, one line on stderr, the nearest valid spelling."""

from pathlib import Path

import pytest

from tests.cli.conftest import Trader
from trader.runs.folder import create_run

NASDAQ = "data: {source: nasdaq}\n"
SEGMENTS = "data: {{source: nasdaq, segments: {{train: {}, valid: {}, test: {}}}}}\n"
HEAD = "date,open,high,low,close,volume\n"


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def prices(path: Path, head: str = HEAD, num_days: int = 28) -> str:
    rows = (f"2020-01-{day:02d},{100 + day},{102 + day},{99 + day},{101 + day},1000" for day in range(1, num_days + 1))
    return write(path, head + "\n".join(rows) + "\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("trian", 'trader: no command "trian"; did you mean "train"? allowed: '),
        ("data chek x.csv", 'trader data: no command "chek"; did you mean "check"? allowed: check, describe, export'),
        ("data", "trader data: missing command; allowed: check, describe, export"),
        ("train --confg x.yaml", 'trader train: no option --confg; did you mean "--config"? allowed: --backend, '),
        ("train", "trader train: give either --config FILE or --resume RUN"),
        ("train --config a.yaml --resume b", "trader train: give either --config FILE or --resume RUN"),
        ("backtest", "trader backtest: missing argument 'RUN'"),
        ("evaluate r --split vaild", "trader evaluate: invalid value for '--split': 'vaild' is not one of 'valid', "),
        ("train --config a.yaml --seed x", "trader train: invalid value for '--seed': "),
        (
            "backtest r --timerange 2014",
            'trader: --timerange: must be dates such as 20140101-20181231; received "2014"',
        ),
        ("backtest r --timerange 20150101-20140101", "trader: --timerange: ends (2014-01-01) before it begins"),
        (
            "backtest r --checkpoint bset",
            'trader: --checkpoint: must be best, last or a step; received "bset"; did you',
        ),
        ("backtest r --fee 3", "trader: --fee: must be a fraction ≥ 0 and < 0.2; received 3"),
        ("backtest nowhere", "trader: RUN 'nowhere': no run folder, and no run of that name in runs"),
        ("runs show nowhere", "trader: RUN 'nowhere': no run folder"),
        ("train --resume nowhere", "trader: RUN 'nowhere': no run folder"),
        ("data check nowhere.csv", "trader: "),
        ("data check x.csv --column close", "trader: --column: must be NAME=COLUMN such as close=Last"),
        ("config init mine.txt", "trader: mine.txt: an experiment file ends in .yaml; received '.txt'"),
        ("config init no/where.yaml", "trader: no/where.yaml: cannot be written: No such file or directory"),
        ("runs list one two", "trader runs list: got unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(trader: Trader, words: str, says: str):
    outcome = trader(*words.split())
    assert outcome.code == 2
    assert outcome.err.startswith(says)
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("agent: {name: dqn, gama: 1}", 'agent.gama: unknown key; did you mean "gamma"?'),
        ("agent: {name: dqm}", 'agent.name: unknown value "dqm"; did you mean "dqn"? allowed: dqn, reinforce, a2c'),
        ("env: {fill: nextopen}", 'env.fill: unknown value "nextopen"; did you mean "next_open"?'),
        ("seed: 1\nseed: 2", 'line 3, column 1: duplicate key "seed", first given on line 2'),
        ("agent: !!python/object:os.system ls", 'line 2, column 8: tag "!!python/object:os.system" is not allowed'),
        ("env: {window_size: 1e3}", "env.window_size: must be a whole number ≥ 1 and ≤ 4096; received 1000.0"),
    ],
)
@pytest.mark.parametrize("command", ["train --config", "config show", "data describe --config"])
def test_a_wrong_config_is_told_with_file_and_key(trader: Trader, tmp_path: Path, command: str, text: str, says: str):
    outcome = trader(*command.split(), write(tmp_path / "mine.yaml", NASDAQ + text))
    assert outcome.code == 2
    assert "mine.yaml" in outcome.err
    assert says in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_missing_config_suggests_its_neighbour(trader: Trader, tmp_path: Path):
    write(tmp_path / "quickstart.yaml", NASDAQ)
    outcome = trader("train", "--config", "quikstart.yaml")
    assert outcome == (2, "", 'trader: quikstart.yaml: no such file; did you mean "quickstart.yaml"?\n')


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (SEGMENTS.format("[1999-13-01, 2000-01-01]", "0.2", "0.2"), 'received "1999-13-01"'),
        (
            SEGMENTS.format("[2000-01-01, 2010-01-01]", "[2009-01-01, 2012-01-01]", "[2013-01-01, 2014-01-01]"),
            "valid begins 2009-01-01, but train ends 2010-01-01",
        ),
        (
            SEGMENTS.format("[2000-01-03, 2010-01-01]", "[2011-01-01, 2011-02-01]", "[2013-01-01, 2013-06-01]"),
            "env.window_size (32): the window is longer than the segment",
        ),
        ("data: {source: csv, path: price.csv}", 'did you mean "prices.csv"?'),
        ("data: {source: csv, path: prices.csv, columns: {close: Clse}}", "lose"),
        ("data: {source: csv, path: headless.csv}", "close"),
        ("data: {source: csv, path: prices.csv, date_format: '%d.%m.%Y'}", "2020-01-01"),
        ("data: {source: csv, path: prices.csv}", "prices"),
    ],
)
def test_bars_that_do_not_fit_the_config_are_told_in_one_line(trader: Trader, tmp_path: Path, config: str, says: str):
    prices(tmp_path / "prices.csv")
    prices(tmp_path / "headless.csv", head="date,open,high,low,last,volume\n")
    outcome = trader("data", "describe", "--config", write(tmp_path / "mine.yaml", config))
    assert outcome.code == 2
    assert says in outcome.err
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("command", ["backtest", "evaluate"])
def test_a_run_without_checkpoints_says_how_to_finish_it(trader: Trader, tmp_path: Path, command: str):
    run = create_run(tmp_path / "runs", "mine", NASDAQ, {"command": "trader train"})
    outcome = trader(command, "mine")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert f"{run.path.name}: run folder without checkpoints" in outcome.err
    assert "--resume" in outcome.err


def test_a_misspelt_override_is_told_with_the_nearest_key(trader: Trader, tmp_path: Path):
    outcome = trader("config", "show", write(tmp_path / "mine.yaml", NASDAQ), "--set", "agent.gama=0.9")
    assert outcome.code == 2
    assert outcome.err.startswith('trader: --set agent.gama: unknown key; did you mean "gamma"? allowed: ')


def test_an_option_may_stand_in_the_environment(trader: Trader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRADER_RUNS_DIR", "elsewhere")
    assert trader("runs", "list").out == "No runs in elsewhere\n"
    monkeypatch.setenv("TRADER_TRAIN_SEED", "many")
    outcome = trader("train", "--config", write(tmp_path / "mine.yaml", NASDAQ))
    assert outcome.code == 2
    assert "TRADER_TRAIN_SEED" in outcome.err
