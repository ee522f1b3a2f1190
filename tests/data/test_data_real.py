"""The quirks of real files; they are read from $TRADER_DATA and skipped without it."""

import os
from pathlib import Path

import pytest

from trader.config.experiment import Experiment
from trader.data.prepare import load_bars, prepare
from trader.errors import TraderError

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not os.environ.get("TRADER_DATA"), reason="TRADER_DATA names no folder of real price files"),
]
TICKERS = ["0700.HK", "7203.T", "AAPL", "BABA", "GOOGL", "HSBC", "JPM", "KO", "MSFT", "NOK", "QQQ", "SIE.DE", "SPY"]
TICKERS += ["TSLA", "XOM"]
UNIVERSE = {
    "source": "csv",
    "path": {ticker: f"tdqn/{ticker}_*.csv" for ticker in TICKERS},
    "repairs": {"shared_dates": "drop_from_test", "zero_volume": "accept", "invalid_bars": "drop"},
}
EURUSD = {"source": "csv", "path": "FOREX_EURUSD_1H_ASK.csv", "date_format": "%d.%m.%Y %H:%M:%S.%f"}
BTC = {"source": "csv", "path": "BTC_USD-Hourly.csv", "order": "descending", "repairs": {"zero_volume": "accept"}}


@pytest.fixture
def folder():
    return Path(os.environ["TRADER_DATA"]).resolve()


def experiment(source, **keys):
    return Experiment.model_validate({"data": source, **keys})


def test_bitcoin_is_read_as_downloaded(folder):
    prepared = prepare(experiment(BTC), folder)
    index = prepared.bars[0].frame.index
    assert (len(index), str(index[0]), str(index[-1])) == (
        33259,
        "2018-05-15 06:00:00+00:00",
        "2022-03-01 00:00:00+00:00",
    )
    assert {finding.code: finding.count for finding in prepared.findings}["zero_volume"] == 5
    assert "gap" not in {finding.code for finding in prepared.findings}
    assert prepared.periods_per_year == pytest.approx(8766)
    with pytest.raises(TraderError, match=r"5 bars without volume.*data\.repairs\.zero_volume: accept or drop"):
        load_bars(experiment({**BTC, "repairs": {}}).data, folder)
    with pytest.raises(TraderError, match="unsorted"):
        load_bars(experiment({**BTC, "order": "ascending"}).data, folder)


def test_euro_dollar_is_read_day_first_and_never_swapped(folder):
    prepared = prepare(experiment(EURUSD), folder)
    assert str(prepared.bars[0].frame.index[100]) == "2017-01-06 02:00:00+00:00"
    # Of 52 weekends and one Christmas day within the week, only the latter is a hole.
    assert [(finding.code, finding.count, finding.time) for finding in prepared.findings] == [
        ("gap", 1, "2017-12-25 22:00:00")
    ]
    with pytest.raises(TraderError, match=r'row 220: "13\.01\.2017.*every row fits date_format: "%d\.%m\.%Y'):
        load_bars(experiment({**EURUSD, "date_format": "%m.%d.%Y %H:%M:%S.%f"}).data, folder)
    with pytest.raises(TraderError, match="does not read as ISO 8601"):
        load_bars(experiment({**EURUSD, "date_format": None}).data, folder)


def test_split_adjusted_google_is_clean(folder):
    prepared = prepare(experiment({"source": "csv", "path": "STOCKS_GOOGL.csv"}), folder)
    assert (prepared.findings, prepared.repairs, len(prepared.bars[0].frame)) == ((), (), 2335)


def test_the_universe_is_refused_until_each_quirk_is_named(folder):
    messages = []
    for repairs in (
        {},
        {"shared_dates": "drop_from_test"},
        {"shared_dates": "drop_from_test", "zero_volume": "accept"},
    ):
        with pytest.raises(TraderError) as caught:
            load_bars(experiment({**UNIVERSE, "repairs": repairs}).data, folder)
        messages.append(str(caught.value))
    for code, message in zip(("shared_dates", "zero_volume", "open_outside"), messages, strict=True):
        assert f"[{code}]" in message


def test_the_universe_trades_closes_and_refuses_opens_and_ranges_unless_adjusted(folder):
    prepared = prepare(experiment(UNIVERSE, env={"fill": "next_close"}), folder)
    adjusted = {finding.asset for finding in prepared.findings if finding.code == "close_adjusted"}
    assert adjusted == set(TICKERS) - {"BABA", "GOOGL", "TSLA"}
    with pytest.raises(TraderError, match=r"env\.fill: next_open.*adjust_ohlc: true"):
        prepare(experiment(UNIVERSE), folder)
    with pytest.raises(TraderError, match=r"features\.close_in_range.*adjust_ohlc: true"):
        prepare(experiment(UNIVERSE, env={"fill": "next_close"}, features=[{"name": "close_in_range"}]), folder)


def test_adjusting_the_universe_finds_the_quarterly_dividends(folder):
    source = {**UNIVERSE, "repairs": {**UNIVERSE["repairs"], "adjust_ohlc": True}}
    prepared = prepare(experiment(source, features=[{"name": "close_in_range"}, {"name": "rsi"}]), folder)
    steps = {record["asset"]: record["steps"] for record in prepared.repairs if "steps" in record}
    assert (steps["KO"], steps["XOM"], steps["SPY"]) == (32, 32, 32)  # eight years of four dividends
    for bars in prepared.bars:
        frame = bars.frame
        assert ((frame["close"] <= frame["high"]) & (frame["close"] >= frame["low"])).all()


def test_tokyo_shares_two_dates_between_its_files_and_has_flat_holidays(folder):
    source = {**UNIVERSE, "path": {"7203.T": UNIVERSE["path"]["7203.T"]}}
    found = {one.code: one.count for one in load_bars(experiment(source).data, folder).findings}
    assert (found["shared_dates"], found["zero_volume"]) == (2, 26)
