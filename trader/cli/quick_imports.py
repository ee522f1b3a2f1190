"""A quicker start of the compute backend: import less, and look for no garbage meanwhile."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

# Keras and TensorFlow import these where they are installed, only to offer wrappers that nothing here uses.
UNUSED_PACKAGES = {"tensorflow": ("sklearn", "jax"), "jax": ("sklearn",)}


@contextmanager
def quick_imports(backend: str) -> Generator[None]:
    """Import Keras in the body without packages that are not used here and without garbage collections.

    Nothing imported is garbage before the process ends, so later collections leave it alone too: each would take a
    quarter of a second. Where Keras is imported already, nothing is changed.

    Args:
        backend: compiler and array library under Keras.
    """
    if "keras" in sys.modules:
        yield
        return
    loaded: dict[str, Any] = sys.modules
    hidden = [name for name in UNUSED_PACKAGES.get(backend, ()) if name not in loaded]
    loaded.update(dict.fromkeys(hidden))  # None: importing it raises ImportError
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            del loaded[name]
        gc.enable()
        gc.freeze()
