"""The loops of the seam as loops of Python, so that each step can be listened to on either backend."""

from collections.abc import Callable
from typing import Any

import keras
import pytest

from trader import backend


def scan(function: Callable[[Any], Any], carry: Any, n: int, variables: Any) -> tuple[Any, Any]:
    rows = []
    for _ in range(n):
        carry, row = function(carry)
        rows.append(row)
    return carry, keras.tree.map_structure(lambda *leaves: keras.ops.stack(leaves), *rows)


def repeat(function: Callable[[Any], Any], carry: Any, n: Any, variables: Any) -> Any:
    for _ in range(int(n)):
        carry = function(carry)
    return carry


def use_plain_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let agents that are run eagerly go through these loops."""
    monkeypatch.setattr(backend, "scan", scan)
    monkeypatch.setattr(backend, "repeat", repeat)
