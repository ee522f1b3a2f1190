from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from trader import backend


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
