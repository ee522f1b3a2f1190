"""Own time of named phases: while an inner phase runs, the clock of the outer one stands still."""

import functools
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any


class Stopwatch:
    """Seconds by phase, in the order in which the phases first began."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def phase(self, name: str) -> Generator[None]:
        self._charge()
        self._open.append(name)
        self.seconds.setdefault(name, 0.0)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return `function` with every call charged to a phase."""

        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            with self.phase(name):
                return function(*args, **options)

        return call

    def watch(self, module: Any, function: str, name: str) -> None:
        """Charge every call of `module.function` to a phase."""
        setattr(module, function, self.timed(getattr(module, function), name))

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now
