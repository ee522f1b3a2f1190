"""What `trader data` shows and writes."""

import json

import pytest

from trader.config.data import FileSource
from trader.config.experiment import Experiment
from trader.data.describe import check_files, describe, export
from trader.data.fingerprint import fingerprint
from trader.data.prepare import load_bars
from trader.errors import TraderError


@pytest.fixture
def nasdaq():
    return Experiment.model_validate({"data": {"source": "nasdaq"}})


def test_check_files_reports_each_file(stock_table, write):
    clean = write(stock_table, "clean.csv")
    stock_table.loc[5, "Volume"] = 0.0
    findings = check_files([clean, write(stock_table, "dirty.csv")])
    assert [(finding.asset, finding.code, finding.row) for finding in findings] == [("dirty", "zero_volume", 7)]
    assert findings[0].record()["message"] == "1 bar without volume"


def test_describe_is_plain_and_its_decisions_add_up(nasdaq, tmp_path):
    record = describe(nasdaq, tmp_path)
    json.dumps(record, allow_nan=False)
    assert record["assets"][0]["bars"] == 5031
    train, valid, test = record["segments"]
    assert (train["segment"], train["bars"], train["first"]) == ("train", 3019, "1999-01-04 00:00:00")
    assert test["decisions"] == test["bars"] == 1006
    assert test["first_decision"] < test["first"]
    assert valid["decisions"] == valid["bars"] - 33
    assert record["features"][0]["name"] == "log_return_1"
    assert record["repairs"][0]["repair"] == "zero_volume: accept"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_export_reads_back_with_the_same_fingerprint(suffix, nasdaq, tmp_path):
    (path,) = export(nasdaq, tmp_path, tmp_path / "new" / f"nasdaq.{suffix}")
    source = {"source": suffix, "path": path.name, "repairs": {"zero_volume": "accept"}, "timezone": "Asia/Tokyo"}
    read = load_bars(FileSource.model_validate(source), path.parent)
    assert fingerprint(read.bars) == fingerprint(load_bars(nasdaq.data, tmp_path).bars)


def test_an_export_of_several_assets_needs_a_folder_and_nothing_is_overwritten(stock_table, write, tmp_path):
    for name in ("a.csv", "b.csv"):
        write(stock_table, name)
    both = Experiment.model_validate({"data": {"source": "csv", "path": ["a.csv", "b.csv"]}})
    with pytest.raises(TraderError, match="2 assets do not fit into one file"):
        export(both, tmp_path, tmp_path / "both.csv")
    written = export(both, tmp_path, tmp_path / "out")
    assert [path.name for path in written] == ["a.csv", "b.csv"]
    with pytest.raises(TraderError, match="exists already"):
        export(both, tmp_path, tmp_path / "out")
    with pytest.raises(TraderError, match=r"must end in \.csv or \.parquet"):
        export(both, tmp_path, tmp_path / "out.xls")
