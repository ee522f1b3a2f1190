import io
from dataclasses import replace

import numpy as np
import pandas as pd

from trader.report.files import write_report
from trader.report.tables_csv import write_equity, write_trades

EQUITY = "strategy,seed,asset,date,target,units,fill_price,cash,close,fees,slippage,spread,borrow,equity"
TRADES = (
    "strategy,seed,asset,entry_date,exit_date,side,units,entry_price,exit_price,"
    "gross_pnl,fees,slippage,spread,borrow,net_pnl,bars_held"
)


def text_of(write, result):
    file = io.BytesIO()
    write(file, result)
    return file.getvalue().decode()


def frame_of(write, result):
    return pd.read_csv(io.StringIO(text_of(write, result)))


def test_columns_are_those_of_the_contract(make_result):
    result = make_result()
    assert text_of(write_equity, result).splitlines()[0] == EQUITY
    assert text_of(write_trades, result).splitlines()[0] == TRADES


def test_one_row_per_strategy_seed_asset_and_bar(make_result):
    result = make_result(num_bars=40, assets=("a", "b"))
    rows = frame_of(write_equity, result)
    assert len(rows) == len(result.strategies) * 2 * 40
    assert not rows.duplicated(["strategy", "seed", "asset", "date"]).any()


def test_equity_is_cash_plus_units_times_close_in_every_row(make_result):
    rows = frame_of(write_equity, make_result())
    np.testing.assert_allclose(rows.equity, rows.cash + rows.units * rows.close, rtol=1e-12)


def test_cash_moves_by_trade_fees_and_interest_only(make_result):
    rows = frame_of(write_equity, make_result())
    for _, own in rows.groupby(["strategy", "seed"], dropna=False):
        change, paid = own.units.diff().fillna(own.units), own.fees + own.borrow
        expected = 100_000 - (change * own.fill_price.fillna(0.0) + paid).cumsum()
        np.testing.assert_allclose(own.cash, expected, rtol=1e-9)


def test_every_float_is_read_back_exactly(make_result):
    result = make_result()
    rows = text_of(write_equity, result).splitlines()[1:301]
    assert [float(row.split(",")[-1]) for row in rows] == result.strategies[0].ledgers[0].equity.tolist()


def test_fill_price_is_empty_where_nothing_was_traded(make_result):
    rows = frame_of(write_equity, make_result())
    traded = rows.groupby(["strategy", "seed"], dropna=False).units.diff() != 0
    first_without = rows.units.eq(0) & rows.groupby(["strategy", "seed"], dropna=False).cumcount().eq(0)
    assert (rows.fill_price.notna() == (traded & ~first_without)).all()


def test_daily_bars_are_dates_and_hourly_bars_are_utc_stamps(make_result):
    assert ",2014-01-02," in text_of(write_equity, make_result()).splitlines()[1]
    hourly = make_result(step=1)
    assert ",2014-01-02T00:00:00Z," in text_of(write_equity, hourly).splitlines()[1]
    assert ",2014-01-02T00:00:00Z," in text_of(write_trades, hourly)


def test_a_trade_open_at_the_end_has_no_exit_date(make_result):
    trades = frame_of(write_trades, make_result())
    held = trades[trades.strategy == "buy_and_hold"]
    assert held.exit_date.isna().all()
    assert held.exit_price.notna().all()


def test_a_strategy_without_seed_has_an_empty_seed(make_result):
    rows = frame_of(write_equity, make_result())
    assert rows.seed[rows.strategy == "flat"].isna().all()
    assert rows.seed[rows.strategy == "random"].notna().all()


def test_a_name_with_a_comma_or_quote_stays_one_field(make_result):
    name = 'a,"b"'
    result = make_result(num_bars=10, assets=(name,))
    assert (frame_of(write_equity, result).asset == name).all()
    assert (frame_of(write_trades, result).asset == name).all()


def test_no_trades_gives_a_header_alone(make_result):
    result = make_result()
    never = tuple(replace(strategy, trades=([],)) for strategy in result.strategies)
    assert text_of(write_trades, replace(result, strategies=never)) == TRADES + "\n"


def test_two_writes_give_four_equal_files_and_nothing_else(tmp_path, make_result):
    pages = [write_report(tmp_path / name, make_result()) for name in ("one", "two")]
    names = sorted(path.name for path in pages[0].parent.iterdir())
    assert names == ["equity.csv", "report.html", "report.json", "trades.csv"]
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)
