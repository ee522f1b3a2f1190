"""Counts a learner's environment steps and updates between the end of its warm-up and the end of the measurement."""

import argparse
import json
import resource
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any


class Rates:
    """Told after every step of the environments; says when enough was seen."""

    def __init__(self, warmup_seconds: float, seconds: float):
        self.warmup_seconds, self.seconds = warmup_seconds, seconds
        self.started = time.perf_counter()
        self.begun: tuple[float, int, int] | None = None
        self.ended = (self.started, 0, 0)

    def goes_on(self, steps: int, updates: int) -> bool:
        """Return whether to go on after so many steps and updates since the beginning of training."""
        self.ended = (time.perf_counter(), steps, updates)
        if self.begun is None:
            if updates > 0 and self.ended[0] - self.started >= self.warmup_seconds:
                self.begun = self.ended
            return True
        return self.ended[0] - self.begun[0] < self.seconds

    def figures(self) -> dict[str, float]:
        if self.begun is None:
            raise RuntimeError("nothing was measured: the learner ended before it learnt")
        elapsed, steps, updates = (end - begin for begin, end in zip(self.begun, self.ended, strict=True))
        return {"env_steps_per_s": steps / elapsed, "updates_per_s": updates / elapsed, "seconds": elapsed}


def peer_main(doc: str, envs: list[str], packages: list[str], measure: Callable[..., dict[str, Any]]) -> None:
    """Parse the options that all peers share, measure, print one JSON line."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--env", choices=envs, required=True)
    parser.add_argument("--agent", choices=["a2c", "dqn"], required=True)
    parser.add_argument("--num-envs", type=int, required=True)
    parser.add_argument("--warmup", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    figures = measure(parser.parse_args())
    memory = {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    print(json.dumps(figures | memory | {"versions": {name: version(name) for name in packages}}))
