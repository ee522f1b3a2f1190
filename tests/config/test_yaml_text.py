import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trader.config.yaml_text import MAX_BYTES, Dumper, parse_yaml
from trader.errors import TraderError


def refusal(text: str) -> str:
    with pytest.raises(TraderError) as caught:
        parse_yaml(text, "file.yaml")
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("file.yaml")
    return line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("1.5e+2", 150.0),
        (".5", 0.5),
        ("-3", -3),
        ("500_000", 500_000),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("2014-01-01", "2014-01-01"),
        ("2014-01-01T00:00:00Z", "2014-01-01T00:00:00Z"),
        ("12:30", "12:30"),
        ("012", "012"),
        ("0x1F", "0x1F"),
        ("'1e-3'", "1e-3"),
        ("1e", "1e"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_a_scalar_means_what_it_looks_like(text: str, value: object):
    read = parse_yaml(text, "file.yaml")
    assert read == value
    assert type(read) is type(value)


def test_nan_and_infinity_are_read_as_such_for_the_schema_to_refuse():
    assert math.isnan(parse_yaml(".nan", "f"))
    assert parse_yaml("[.inf, -.inf]", "f") == [math.inf, -math.inf]


def test_a_duplicate_key_names_the_key_and_both_lines():
    line = refusal("seed: 1\nname: x\nseed: 2\n")
    assert "line 3" in line
    assert '"seed"' in line
    assert "line 1" in line


def test_a_duplicate_key_deep_inside_is_refused():
    assert '"gamma"' in refusal("agent:\n  list:\n  - {gamma: 1, gamma: 2}\n")


@pytest.mark.parametrize(
    "tag",
    ["!!python/object:os.system x", "!!python/object/apply:os.system [ls]", "!!binary aGk=", "!!set {a}", "!local 1"],
)
def test_a_tag_is_refused_before_anything_is_built(tag: str):
    line = refusal(f"a: {tag}")
    assert "line 1" in line
    assert "tag" in line


def test_a_billion_laughs_is_refused():
    lines = ["a: &a [lol, lol, lol]"]
    for before, here in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{here}: &{here} [{', '.join([f'*{before}'] * 9)}]")
    assert "aliases" in refusal("\n".join(lines))


def test_a_few_aliases_are_fine():
    assert parse_yaml("a: &x [1]\nb: *x", "f") == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("x" * (MAX_BYTES + 1), "bytes"),
        ("[" * 500, "nested"),
        ("a: &x [*x]", "recursive"),
        ("? [a]\n: 1", "key"),
        ("a: [1", "line 1"),
        ("a: 1\n\tb: 2", "line 2"),
        ("a: b: c", "line 1"),
        ("--- 1\n--- 2", "document"),
        ("a: \x00", "character"),
        ("a: *nobody", "nobody"),
        ("9" * 5000, ""),
    ],
)
def test_bad_text_is_refused_in_one_line(text: str, word: str):
    assert word in refusal(text)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_what_is_dumped_reads_back_equal(value: object):
    assert parse_yaml(yaml.dump(value, Dumper=Dumper, allow_unicode=True), "f") == value


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_in_one_line(text: str):
    line = ""
    try:
        parse_yaml(text, "f")
    except TraderError as error:
        line = str(error)
    assert "\n" not in line
