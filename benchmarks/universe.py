"""A generated universe of daily price files, a config for it, and a run trained on it for a few steps."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

SEGMENT_YEARS = 1  # of training and of validation: they only make the run complete
WARM_UP_YEARS = 2  # the default features look back 325 bars
FIRST_YEAR = 2001


class Size(NamedTuple):
    """How much is trained and played."""

    assets: int = 15
    years: int = 8
    seeds: int = 5
    agent: str = "a2c"
    steps: int = 2000


def write_universe(folder: Path, size: Size) -> Path:
    """Write one CSV file per asset and `universe.yaml`; the test segment is `years` long; return the config's path."""
    train = FIRST_YEAR + WARM_UP_YEARS
    valid, test = train + SEGMENT_YEARS, train + 2 * SEGMENT_YEARS
    days = np.arange(f"{FIRST_YEAR}-01-01", f"{test + size.years}-01-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)]
    for number in range(size.assets):
        _write_prices(folder / f"asset{number:03d}.csv", days, number)
    spans = {"train": (train, valid), "valid": (valid, test), "test": (test, test + size.years)}
    config = folder / "universe.yaml"
    config.write_text(_config(size, spans), encoding="utf-8")
    return config


def _write_prices(path: Path, days: np.ndarray, number: int) -> None:
    rng = np.random.default_rng(number)
    shocks = rng.normal(0.0, 0.01, (len(days), 3))
    close = 50.0 * np.exp(np.cumsum(shocks[:, 0]))
    opens = close * np.exp(0.5 * shocks[:, 1])
    high, low = np.maximum(opens, close) * (1 + abs(shocks[:, 2])), np.minimum(opens, close) * (1 - abs(shocks[:, 2]))
    volume = rng.integers(100_000, 1_000_000, len(days))
    rows = zip(days, opens, high, low, close, volume, strict=True)
    lines = [f"{day},{o:.6f},{h:.6f},{lo:.6f},{c:.6f},{v}" for day, o, h, lo, c, v in rows]
    path.write_text("\n".join(["Date,Open,High,Low,Close,Volume", *lines, ""]), encoding="utf-8")


def _config(size: Size, spans: dict[str, tuple[int, int]]) -> str:
    segments = "".join(f"    {name}: [{a}-01-01, {b - 1}-12-31]\n" for name, (a, b) in spans.items())
    warm_up = f"  learning_starts: {size.steps // 2}\n" if size.agent == "dqn" else ""
    return (
        f"name: universe\nseeds: {size.seeds}\n"
        f'data:\n  source: csv\n  path: "*.csv"\n  segments:\n{segments}'
        "env:\n  positions: [-1, 0, 1]\n  spread_bps: 2\n  slippage_bps: 1\n"
        f"agent:\n  name: {size.agent}\n{warm_up}"
        f"train: {{total_timesteps: {size.steps}, eval_freq: {size.steps}, save_freq: {size.steps}}}\n"
    )


def train_universe(folder: Path, size: Size, backend: str) -> None:
    """Train every seed in a process of its own, into `folder/runs/universe`."""
    config = write_universe(folder, size)
    words = ["train", "--config", str(config), "--runs-dir", str(folder / "runs"), "--backend", backend]
    done = subprocess.run(
        [sys.executable, "-m", "trader", *words], capture_output=True, text=True, env=own_ledger(folder), check=False
    )
    if done.returncode:
        sys.exit(f"trader {' '.join(words)} failed:\n{done.stderr[-2000:]}")


def own_ledger(folder: Path) -> dict[str, str]:
    """Return an environment whose runs and looks stay out of the user's ledger of trials."""
    return {**os.environ, "TRADER_LEDGER": str(folder / "ledger.jsonl")}
