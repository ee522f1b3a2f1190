import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trader.config import Experiment
from trader.config.docs import commented_yaml, json_schema, starter
from trader.config.load import dump_experiment, experiment_sha256, load_experiment, parse_experiment

FRACTION = st.floats(0, 1)
NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,20}\Z") | st.sampled_from(["on", "1e-3", "true", "null", "12"])
FEATURES = st.sampled_from(
    [
        {"name": "log_return", "periods": [1, 2]},
        {"name": "rsi", "period": 9},
        {"name": "macd", "fast": 3, "slow": 9},
        {"name": "calendar", "columns": ["month"]},
    ]
)
AGENTS = st.one_of(
    st.fixed_dictionaries({"name": st.just("dqn")}, optional={"gamma": FRACTION, "double": st.booleans()}),
    st.fixed_dictionaries({"name": st.just("reinforce")}, optional={"ent_coef": st.floats(0, 9)}),
    st.fixed_dictionaries(
        {"name": st.just("a2c")},
        optional={
            "n_steps": st.integers(1, 99),
            "max_grad_norm": st.none() | st.floats(0.001, 1e9),
            "actor_learning_rate": st.floats(1e-12, 1),
            "network": st.fixed_dictionaries({"net_arch": st.lists(st.integers(1, 512), max_size=4)}),
        },
    ),
)


@st.composite
def segments(draw: st.DrawFn) -> dict[str, Any]:
    days = draw(st.lists(st.dates(), min_size=6, max_size=6, unique=True).map(sorted))
    return {
        name: [str(days[2 * place]), f"{days[2 * place + 1]}T05:00:00Z"]
        for place, name in enumerate(("train", "valid", "test"))
    }


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
SOURCES = st.one_of(
    st.fixed_dictionaries({"source": st.just("nasdaq")}, optional={"segments": segments()}),
    st.fixed_dictionaries(
        {"source": st.just("csv"), "path": TEXT | st.lists(TEXT) | st.dictionaries(TEXT, TEXT, max_size=2)},
        optional={"date_format": TEXT, "repairs": st.just({"zero_volume": "drop"}), "segments": segments()},
    ),
    st.fixed_dictionaries(
        {"source": st.just("synthetic"), "market": st.fixed_dictionaries({"kind": st.just("ar1")})},
        optional={"length": st.integers(100, 9999)},
    ),
)
DOCUMENTS = st.fixed_dictionaries(
    {"data": SOURCES},
    optional={
        "name": NAMES,
        "seed": st.integers(0, 2**31 - 1001),
        "agent": AGENTS,
        "features": st.lists(FEATURES, min_size=1, max_size=3),
        "env": st.fixed_dictionaries(
            {},
            optional={
                "positions": st.lists(st.floats(-2, 2), min_size=2, max_size=5, unique=True).map(sorted),
                "initial_cash": st.floats(1e-3, 1e12),
                "reward_scale": st.just("auto") | st.floats(1e-9, 1e9),
                "drawdown_penalty": st.none() | st.just({"threshold": 0.1}),
            },
        ),
    },
)


@given(DOCUMENTS)
def test_a_resolved_experiment_loads_to_an_equal_value(document: dict[str, Any]):
    experiment = parse_experiment(json.dumps(document), "document")
    for text in (dump_experiment(experiment), commented_yaml(experiment)):
        again = parse_experiment(text, "again")
        assert again == experiment
        assert experiment_sha256(again) == experiment_sha256(experiment)


def test_a_resolved_experiment_holds_every_key():
    text = dump_experiment(parse_experiment("data: {source: nasdaq}", "f"))
    for key in Experiment.model_fields:
        assert f"\n{key}:" in f"\n{text}"


def test_the_starter_is_the_defaults_with_a_comment_beside_every_key(tmp_path: Path):
    text = starter("mine")
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_experiment(path) == parse_experiment("{name: mine, data: {source: nasdaq}}", "f")
    bare = [line for line in text.splitlines() if ":" in line and "#" not in line]
    assert bare == []
    assert "  source: nasdaq  # one of nasdaq, sp500, csv, parquet, synthetic, each with keys of its own\n" in text
    assert "  name: dqn  # one of dqn, reinforce, a2c, each with keys of its own\n" in text
    assert "name: mine  # folder under runs/" in text


def test_every_key_of_the_schema_has_a_description():
    schema = json_schema()
    undescribed = [
        f"{name}.{key}"
        for name, section in {**schema["$defs"], "Experiment": schema}.items()
        for key, value in section.get("properties", {}).items()
        if "description" not in value and key not in ("name", "kind", "source")
    ]
    assert undescribed == []
