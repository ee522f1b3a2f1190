"""Every file keeps to the layer table and the house rules, and each check catches a planted breach."""

import pytest

from tests.layer_rules import (
    Module,
    banned_things,
    foreign_core_imports,
    parse,
    read_modules,
    too_long,
    upward_imports,
)

MODULES = read_modules("trader")


def test_no_file_imports_upwards():
    assert [line for module in MODULES.values() for line in upward_imports(module, MODULES)] == []


def test_the_core_needs_only_keras_numpy_and_a_backend():
    assert foreign_core_imports(MODULES) == []


def test_the_package_has_no_banned_construct():
    assert [line for module in MODULES.values() for line in banned_things(module)] == []


def test_no_file_is_longer_than_300_lines_and_no_function_than_40():
    everything = MODULES | read_modules("tests") | read_modules("benchmarks")
    assert {"tests.test_layers", "benchmarks.speed"} < everything.keys()
    assert [line for module in everything.values() for line in too_long(module)] == []


def planted(*sources: tuple[str, str]) -> dict[str, Module]:
    packages = {"trader", "trader.agents", "trader.data", "trader.evaluation"}
    modules = {name: parse(name, "", is_package=True) for name in packages}
    return modules | {name: parse(name, source, name in packages) for name, source in sources}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("trader.envs.bars", "from trader.training import run"),
        ("trader.envs.bars", "def f():\n    import trader.cli"),
        (
            "trader.agents.losses",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from trader.agents import dqn",
        ),
        ("trader.agents.losses", "from . import dqn"),
        ("trader.agents.losses", "from .dqn import loss"),
        ("trader.data.bars", "from trader.evaluation import metrics"),
        ("trader.evaluation", "from trader.evaluation.backtest import backtest"),
        ("trader.novelty", "import numpy"),
    ],
)
def test_an_import_upwards_or_sideways_is_caught(name: str, source: str):
    modules = planted(("trader.agents.dqn", ""), ("trader.evaluation.metrics", ""), (name, source))
    assert len(upward_imports(modules[name], modules)) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("trader.envs.bars", "from trader.data.market import Market\nfrom trader.errors import TraderError"),
        ("trader.data.bars", "from trader.data import checks"),
        ("trader.agents.dqn", "from . import losses, networks"),
        ("trader.training", "from trader.rollout import play"),
        ("trader.evaluation.backtest", "from trader.evaluation import metrics\nimport numpy as np"),
    ],
)
def test_an_import_downwards_or_inside_the_room_passes(name: str, source: str):
    modules = planted(
        ("trader.agents.losses", ""), ("trader.agents.networks", ""), ("trader.evaluation.metrics", ""), (name, source)
    )
    assert upward_imports(modules[name], modules) == []


@pytest.mark.parametrize(
    ("core", "below"),
    [
        ("import pandas as pd", ""),
        ("def f():\n    import pandas", ""),
        ("import tensorflow as tf", ""),
        ("from trader.data.market import Market", "import pandas"),
    ],
)
def test_a_foreign_package_in_the_core_is_caught(core: str, below: str):
    modules = planted(("trader.envs.bars", core), ("trader.data.market", below))
    assert len(foreign_core_imports(modules)) == 1


def test_a_core_on_keras_numpy_and_the_seam_passes():
    modules = planted(
        ("trader.envs.bars", "import keras\nfrom trader.data.market import Market"),
        ("trader.backend.tensorflow", "import tensorflow as tf"),
        (
            "trader.data.market",
            "import math\nimport numpy\nfrom typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import pandas\ndef read():\n    import pyarrow",
        ),
    )
    assert foreign_core_imports(modules) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "exec('x = 1')",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "from yaml import unsafe_load",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "np.random.seed(0)",
        "x = numpy.random.normal(size=3)",
        "from numpy.random import normal",
        "import random\nrandom.random()",
        "keras.models.load_model(path)",
        "print('hello')",
        "def f(x):\n    assert x > 0",
        "try:\n    f()\nexcept:\n    g()",
    ],
)
def test_a_banned_construct_is_caught(source: str):
    assert len(banned_things(parse("trader.data.planted", source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "rng = np.random.default_rng(0)\nx = rng.normal(size=3)",
        "np.load(path, allow_pickle=False)",
        "import yaml\nyaml.safe_load(text)",
        "model.eval()\nspec.loader.exec_module(module)",
        "from keras import random\nx = keras.random.normal((2,))",
        "try:\n    f()\nexcept ValueError:\n    g()",
    ],
)
def test_a_clean_construct_passes(source: str):
    assert banned_things(parse("trader.data.clean", source)) == []


def test_the_command_line_may_print():
    assert banned_things(parse("trader.cli.main", "print('hello')")) == []


def test_a_file_of_301_lines_is_caught_and_one_of_300_passes():
    assert len(too_long(parse("trader.planted", "x = 1\n" * 301))) == 1
    assert too_long(parse("trader.clean", "x = 1\n" * 300)) == []


def test_a_function_of_41_lines_is_caught_and_one_of_40_with_a_docstring_passes():
    body = "    x = 1\n"
    assert len(too_long(parse("trader.planted", "def f():\n" + body * 40))) == 1
    assert too_long(parse("trader.clean", 'def f():\n    """What.\n\n    Why.\n    """\n' + body * 39)) == []
