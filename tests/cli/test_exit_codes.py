from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome, Trader
from trader.cli.quiet import quiet_stderr
from trader.errors import CheckFailedError


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_failed_check_ends_with_3(trader: Trader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("trader.config.docs.json_schema", raising(CheckFailedError("audit: 2 findings")))
    assert trader("config", "schema") == (3, "", "trader: audit: 2 findings\n")


def test_our_own_fault_ends_with_1_and_points_to_a_traceback(
    trader: Trader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("trader.config.docs.json_schema", raising(ZeroDivisionError("a\nb")))
    outcome = trader("config", "schema")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("trader: internal error: ZeroDivisionError: a b; traceback in ")
    log = Path(outcome.err.rstrip().rpartition(" ")[2])
    assert log.is_relative_to(tmp_path)
    assert "Traceback" in log.read_text()
    assert "ZeroDivisionError" in log.read_text()


def test_ctrl_c_ends_with_130(trader: Trader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("trader.config.docs.json_schema", raising(KeyboardInterrupt()))
    assert trader("config", "schema") == (130, "", "trader: interrupted\n")


def test_sigterm_ends_like_ctrl_c(python: Callable[[str], Outcome]):
    program = (
        "import os, signal, sys, trader.config.docs as docs\n"
        "from trader.cli.main import main\n"
        "docs.json_schema = lambda: os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.argv = ['trader', 'config', 'schema']\n"
        "main()"
    )
    assert python(program) == (130, "", "trader: interrupted\n")


def test_success_ends_with_0_and_a_silent_stderr(trader: Trader):
    outcome = trader("config", "schema")
    assert outcome.code == 0
    assert outcome.err == ""


def test_quiet_stderr_silences_the_descriptor_and_gives_it_back(capfd: pytest.CaptureFixture[str]):
    import os

    with quiet_stderr():
        os.write(2, b"chatter from C++\n")
    os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "heard again\n"


def test_quiet_stderr_gives_the_descriptor_back_after_an_error(capfd: pytest.CaptureFixture[str]):
    import os

    with pytest.raises(ZeroDivisionError), quiet_stderr():
        raise ZeroDivisionError
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_the_backend_starts_without_a_word(python: Callable[[str], Outcome]):
    program = (
        "from trader.cli.quiet import Compute, start_backend\n"
        "start_backend('tensorflow', Compute('cpu'))\n"
        "import keras\n"
        "print(keras.backend.backend())"
    )
    assert python(program) == (0, "tensorflow\n", "")


def test_an_unknown_backend_is_refused_before_anything_is_imported(trader: Trader, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("data: {source: nasdaq}\n")
    outcome = trader("train", "--config", "mine.yaml", "--backend", "tensorflw")
    assert outcome.code == 2
    assert 'unknown value "tensorflw"; did you mean "tensorflow"?' in outcome.err


def test_too_little_memory_is_told_without_a_traceback(trader: Trader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("trader.config.docs.json_schema", raising(MemoryError()))
    code, out, err = trader("config", "schema")
    assert (code, out) == (2, "")
    assert err.startswith("trader: out of memory: use fewer train.n_envs")
