"""What docs/ says in numbers is what the code does: keys, defaults, options, worked examples, named tests."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import BaseModel, TypeAdapter
from typer.main import get_group

from trader.cli.main import app
from trader.config import EnvConfig
from trader.config.agent import A2cConfig, AgentBase, AgentConfig, DqnConfig, MlpNetwork, ReinforceConfig
from trader.evaluation.ledger import Prices, run_ledger

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
AGENTS, ENVIRONMENT = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("agents.md", "environment.md"))
COSTS = {"trading_fees", "slippage_bps", "spread_bps", "borrow_interest_rate"}


def key_table(page: str, heading: str) -> dict[str, object]:
    """The keys and defaults of the table under a heading."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|]+) \|", section.group(1) if section else "", re.MULTILINE)
    return {key: yaml.safe_load(default) for key, default in rows}


def defaults(model: type[BaseModel], without: set[str]) -> dict[str, object]:
    fields = model.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields if name not in without}


def test_every_key_of_the_agents_is_listed_with_its_default():
    shared = defaults(AgentBase, {"network"}) | {f"network.{k}": v for k, v in defaults(MlpNetwork, set()).items()}
    assert key_table(AGENTS, "What all agents share") == shared
    inherited = {"name", *AgentBase.model_fields}
    for heading, model in (("DQN", DqnConfig), ("REINFORCE", ReinforceConfig), ("A2C", A2cConfig)):
        assert key_table(AGENTS, heading) == defaults(model, inherited), heading


def test_every_cost_is_listed_with_its_default():
    assert key_table(ENVIRONMENT, "Costs") == defaults(EnvConfig, set(EnvConfig.model_fields) - COSTS)


def test_a_wrong_default_would_be_seen():
    page = "## DQN\n\n| key | default |\n|---|---|\n| `tau` | 0.5 | x |\n\n## A2C\n\n| `n_steps` | 5 | y |\n"
    assert key_table(page, "DQN") == {"tau": 0.5}
    assert key_table(page, "Costs") == {}


def test_agent_sections_in_the_page_are_valid():
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", AGENTS, re.DOTALL)]
    agents = [TypeAdapter(AgentConfig).validate_json(json.dumps(block["agent"])) for block in blocks]
    assert [agent.name for agent in agents] == ["a2c", "reinforce"]


def test_the_worked_example_is_what_the_ledger_does():
    env = EnvConfig(initial_cash=10_000.0, trading_fees=0.001, slippage_bps=10.0, spread_bps=0.0)
    days = np.datetime64("2024-01-01", "ns") + np.arange(3) * np.timedelta64(1, "D")
    opens, closes = np.array([98.0, 100.0, 105.0]), np.array([100.0, 102.0, 104.0])
    played = run_ledger(Prices("x", days, opens, closes), [1.0, 0.0], 0, env)
    found = [
        f"{played.fill_price[0]:.2f}",
        f"{played.units[0]:.4f}",
        f"fee {played.fees[0]:.2f}",
        f"slippage {played.slippage[0]:.2f}",
        f"{played.equity[0]:,.2f}",
        f"{played.fill_price[1]:.3f}",
        f"{played.equity[1]:,.2f}",
    ]
    example = " ".join(ENVIRONMENT[ENVIRONMENT.index("**Example.**") :].split("\n\n")[0].split())
    assert [number for number in found if number not in example] == []


def unknown_options(text: str) -> list[str]:
    """Options of documented `trader` commands that the command does not have."""
    top, unknown = get_group(app).commands, []
    code = re.findall(r"`([^`\n]+)`", text)
    code += [line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    for line in code:
        words = re.sub(r"^\S*/", "", line).split()
        if words[:1] != ["trader"] or words[1:2] == [] or words[1] not in top:
            continue
        command = top[words[1]]
        command = getattr(command, "commands", {}).get(words[2] if len(words) > 2 else "", command)
        known = {"--help"}.union(*(parameter.opts for parameter in command.params))
        unknown += [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    return unknown


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_option_in_the_documents_exists(path: Path):
    assert unknown_options(path.read_text(encoding="utf-8")) == []


def test_an_option_that_does_not_exist_is_noticed():
    assert unknown_options("`trader backtest RUN --checkpoint last --lucky`") == ["--lucky"]
    assert unknown_options("```\n.venv/bin/trader data describe --config C --deep\n```") == ["--deep"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_of_the_repository_named_in_the_documents_exists(path: Path):
    named = re.findall(r"`((?:trader|tests|configs)/[\w./-]*(?:/|\.py|\.yaml))`", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def unknown_tests(text: str) -> list[str]:
    """Names of tests in the text that no test file defines."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    defined = {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}
    return [name for name in re.findall(r"`(test_\w+)`", text) if name not in defined]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_test_named_in_the_documents_exists(path: Path):
    assert unknown_tests(path.read_text(encoding="utf-8")) == []


def test_a_test_that_does_not_exist_is_noticed():
    assert unknown_tests("`test_a_test_that_does_not_exist_is_noticed` and `test_nothing`") == ["test_nothing"]
