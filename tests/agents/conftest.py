from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from tests.agents.plain_loops import use_plain_loops
from trader import backend
from trader.agents import a2c, dqn, reinforce
from trader.agents.agent import play


def to_numpy(nested: Any) -> Any:
    return keras.tree.map_structure(np.asarray, nested)


@pytest.fixture(params=["eager", "compiled"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a function of arrays eagerly and compiled; arrays in, arrays out."""

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        tensors = [keras.tree.map_structure(keras.ops.convert_to_tensor, argument) for argument in arguments]
        wrapped = function if request.param == "eager" else backend.compiled(function, [])
        return to_numpy(wrapped(*tensors))

    return call


class Played(list):
    """(outcome, record) of every `play` of an agent run eagerly, as NumPy."""

    def records(self) -> Any:
        """All records, one after the other, `[steps · N]`."""
        return type(self[0][1])(*(np.concatenate(x) for x in zip(*(r for _, r in self), strict=True)))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Listen to the environment of every agent that is run eagerly from here on."""
    heard = Played()

    def listening(*arguments: Any) -> Any:
        answer = play(*arguments)
        heard.append(to_numpy(answer))
        return answer

    use_plain_loops(monkeypatch)
    for module in (dqn, a2c, reinforce):
        monkeypatch.setattr(module, "play", listening)
    return heard
