"""From measurements to figures: exponents, ratios, choices, plots and the page."""

import math
import xml.etree.ElementTree as ElementTree

import growth
import learning_table
import pytest
import report
import roofline
import speed_blocks
import speed_tables
from growth_curves import CURVES, QUICK, Sizes, bytes_needed
from memory import growth_of
from plots import Series, axis_from_zero, bar_chart, line_chart, log_axis
from search import fastest
from tables import Table, count, duration, markdown, spelt

NOTHING = dict.fromkeys(report.NAMES)


@pytest.mark.parametrize("slope", [0.0, 1.0, 1.5])
def test_the_exponent_of_a_power_law_is_its_power(slope: float):
    sizes = [1, 4, 16, 64, 256, 1024]
    assert growth.exponent(sizes, [3e-6 * size**slope for size in sizes]) == pytest.approx(slope)


def test_the_exponent_sees_the_top_decade_alone():
    sizes = [1, 10, 100, 200, 1000]
    times = [7.0, 7.0, 1.0, 2.0, 10.0]
    assert growth.exponent(sizes, times) == pytest.approx(1.0)
    assert growth.exponent([1, 10, 1000], [1.0, 2.0, 3.0]) is None


def points(pairs: dict[int, float]) -> list[dict]:
    first = next(iter(pairs.values()))
    return [{"size": size, "seconds": time, "relative": time / first} for size, time in pairs.items()]


def test_quadratic_growth_breaks_the_limit_and_linear_growth_keeps_it():
    curve = CURVES["environments"]
    assert growth.verdict(curve, points({n: n**2 * 1e-6 for n in (2048, 4096, 16384)}))["kept"] is False
    assert growth.verdict(curve, points({n: n * 1e-6 for n in (2048, 4096, 16384)}))["kept"] is True
    assert growth.verdict(curve, [])["kept"] is None


def test_a_copied_replay_breaks_its_limit():
    curve = CURVES["replay"]
    assert growth.verdict(curve, points({10_000: 1.0, 10_000_000: 1.11}))["kept"] is False
    assert growth.verdict(curve, points({10_000: 1.0, 10_000_000: 1.09}))["kept"] is True


def test_a_size_that_does_not_fit_is_named_with_its_need():
    fits, skipped = growth.fitting(CURVES["bars"], (1_000, 10_000_000), limit_gib=0.5)
    assert fits == [1_000]
    assert skipped[0]["size"] == 10_000_000
    assert "GiB" in skipped[0]["reason"]


def test_every_curve_has_quick_sizes_and_ten_million_transitions_are_counted():
    assert QUICK.keys() == CURVES.keys()
    assert bytes_needed(Sizes(replay=10_000_000)) - bytes_needed(Sizes()) == 2 * 40 * 10_000_000


def test_the_fastest_size_is_found_beside_the_best_of_every_second_one():
    speeds = {8: 1, 16: 2, 32: 3, 64: 9, 128: 8, 256: 5, 512: 4}
    seen = []
    best = fastest(tuple(speeds), lambda size: seen.append(size) or speeds[size])
    assert best == 64
    assert seen == [8, 32, 128, 512, 64, 256]


def side(work: str, speeds: list[float], backend: str = "jax", error: str | None = None) -> dict:
    rounds = [
        {"env_steps_per_s": speed, "updates_per_s": speed / 40, "peak_mib": 1.0, "bytes_per_transition": None,
         "versions": {"numpy": "2"}}
        for speed in speeds
    ]  # fmt: skip
    return {"title": "T", "work": work, "backend": backend, "envs": 8, "threads": 1, "rounds": rounds, "error": error}


def test_a_ratio_is_the_median_of_the_rounds_own_ratios():
    ratio = speed_tables.ratio_of(side("x", [10.0, 40.0, 90.0]), side("", [1.0, 2.0, 3.0]))
    assert ratio == speed_tables.Ratio(20.0, 10.0, 30.0)


def test_the_table_takes_the_faster_backend_and_names_a_failure():
    slow, fast = side("equal updates", [10.0], "tensorflow"), side("equal updates", [20.0])
    broken = side("", [], error="ended with 1")
    block = {"title": "A2C", "sides": {"a": slow, "b": fast, "c": side("", [2.0]), "d": broken}}
    table = speed_tables.speed_table(block, "equal updates")
    assert "on jax" in table.title
    assert table.rows[0][3] == "10.0 (10.0 … 10.0)"
    assert table.rows[1][3] == "not measured: ended with 1"


def test_sides_of_a_block_have_keys_of_their_own_and_each_block_has_both_backends():
    blocks = speed_blocks.blocks((8, 16))
    assert len({block.key for block in blocks}) == len(blocks)
    for block in blocks:
        assert len({one.key for one in block.sides}) == len(block.sides)
        assert {one.backend for one in block.sides if one.work} == {"tensorflow", "jax"}


def test_the_share_of_the_roof_is_operations_over_the_best_product_of_the_round():
    measured = {
        "roof tensorflow": {"numpy_gflops": 50.0, "backend_gflops": 70.0},
        "roof jax": {"numpy_gflops": 60.0, "backend_gflops": 100.0},
        "64-64 jax": {},
    }
    assert roofline.roof_of(measured) == 100.0
    assert roofline.share_of({"flops_per_env_step": 1e5, "env_steps_per_s": 7e5}, 100.0) == pytest.approx(0.7)


def test_the_interval_of_a_difference_is_welchs():
    # Means 2 and 1, variances 1 and 1, three values each: t(0.975, 4) = 2.776445.
    mean, low, high = learning_table.difference([1.0, 2.0, 3.0], [0.0, 1.0, 2.0])
    reach = 2.776445 * math.sqrt(2 / 3)
    assert (mean, low, high) == pytest.approx((1.0, 1.0 - reach, 1.0 + reach), rel=1e-5)


def test_memory_growth_is_counted_from_a_tenth_of_the_run():
    found = growth_of([(1, 50), (10, 100), (60, 104), (100, 102)], steps=100)
    assert found["end_growth"] == pytest.approx(0.02)
    assert found["most_growth"] == pytest.approx(0.04)


def test_numbers_read_as_people_write_them():
    assert [spelt(number) for number in (8, 1_000, 16_384, 10_000_000)] == ["8", "1k", "16,384", "10M"]
    assert [duration(seconds) for seconds in (1.5, 2e-3, 4.56e-5)] == ["1.5 s", "2 ms", "45.6 µs"]
    assert [count(None), count(1234.4)] == ["–", "1,234"]
    assert markdown(Table("t", ("a", "b"), [("x", "1")])) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def texts_of(svg: str) -> list[str]:
    tree = ElementTree.fromstring(svg)
    return [node.text or "" for node in tree.iter() if node.tag.endswith("text")]


def test_a_line_chart_is_well_formed_and_proportional_growth_is_a_diagonal():
    axis = log_axis("size", [1, 1000])
    svg = line_chart("A < B", axis, log_axis("time", [1, 1000]), [Series("jax", [(1, 1), (1000, 1000)])])
    assert {"A < B", "size", "time", "jax", "1", "10", "100", "1k"} <= set(texts_of(svg))
    assert axis.share(1) == 0.0
    assert axis.share(10) == pytest.approx(1 / 3)


def test_bars_start_at_zero_so_that_lengths_compare():
    axis = axis_from_zero("steps", 110_825)
    assert axis.share(0.0) == 0.0
    assert axis.share(100_000) == pytest.approx(10 * axis.share(10_000))
    assert 0.8 < axis.share(110_825) <= 1.0
    assert 3 <= len(axis.ticks) - 1 <= 6
    assert "72,539" in texts_of(bar_chart("DQN", axis, [("trader, jax", 72_539, "72,539")]))


def test_a_page_without_results_says_what_was_not_measured():
    text = report.page_text(NOTHING, {}, "images")
    assert "Not measured on a GPU" in text
    assert text.count("Not measured yet") == len(report.NAMES) - 1


def test_the_page_shows_each_figure_with_machine_date_and_versions():
    block = {"title": "A2C", "sides": {"a": side("equal updates", [20.0]), "c": side("", [2.0])}}
    place = {"date": "2026-01-02", "machine": "CPU X", "quick": True}
    speed = place | {"seconds": 1.0, "num_rounds": 1, "blocks": {"a2c-8": block}}
    text = report.page_text(NOTHING | {"speed": speed}, {"speed-a2c-8": "speed-a2c-8.svg"}, "images")
    assert "2026-01-02, CPU X; numpy 2. **A quick run" in text
    assert "![A2C](images/speed-a2c-8.svg)" in text
    assert "| 10.0 (10.0 … 10.0) |" in text
