"""Numbers that no computer or library could follow are refused by the config, with their range."""

import pytest

from trader.config.load import parse_experiment
from trader.errors import TraderError


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed: 2147483647\nseeds: 2", "seed + seeds must be at most 2147483648; received 2147483647 + 2"),
        ("features: [{name: rsi, period: 100001}]", "features[0].period: must be ≤ 100000"),
        ("features: [{name: macd, slow: 1000000}]", "features[0].slow: must be ≤ 100000"),
        ("features: [{name: log_return, periods: [99999999999999999999]}]", "features[0].periods[0]: must be ≤ 100000"),
    ],
)
def test_a_number_out_of_reach_is_refused(text, says):
    with pytest.raises(TraderError) as caught:
        parse_experiment(f"data: {{source: nasdaq}}\n{text}", "x.yaml")
    assert says in str(caught.value)


def test_the_last_seed_there_is_can_be_used():
    assert parse_experiment("data: {source: nasdaq}\nseed: 2147483647\nseeds: 1", "x.yaml").seed == 2**31 - 1
