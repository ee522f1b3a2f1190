"""The backend starts without packages that it offers wrappers for, and leaves nothing changed behind."""

import gc
import sys

from trader.cli.quick_imports import quick_imports

STARTED = """
import sys
from trader.cli.quiet import Compute, start_backend
start_backend("tensorflow", Compute("cpu"))
print([name for name in ("sklearn", "jax", "arch", "scipy.stats", "plotly", "pyarrow.csv") if name in sys.modules])
import gc
print(gc.isenabled(), gc.get_freeze_count() > 100_000)
"""


def test_a_backend_starts_without_packages_that_nothing_here_uses(python):
    code, out, err = python(STARTED)
    assert (code, err) == (0, "")
    assert out.splitlines() == ["[]", "True True"]


def test_hidden_packages_can_be_imported_again_even_after_a_failure(monkeypatch):
    for name in ("keras", "sklearn", "jax"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    seen = []
    try:
        with quick_imports("tensorflow"):
            seen = [sys.modules["sklearn"], sys.modules["jax"], gc.isenabled()]
            raise ImportError
    except ImportError:
        pass
    finally:
        gc.unfreeze()
    assert seen == [None, None, False]
    assert gc.isenabled()
    assert not {"sklearn", "jax"} & sys.modules.keys()


def test_nothing_is_hidden_or_frozen_where_keras_runs_already(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", object())
    frozen = gc.get_freeze_count()
    with quick_imports("tensorflow"):
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen
