"""The user's ledger: every run started and every look at test dates, kept apart from `runs/`.

A trial is one started run on an asset whose test dates overlap; killed and failed runs count, synthetic markets and
resumes do not. The ledger is append-only JSON lines, locked while written; deleting run folders changes nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from trader.errors import TraderError
from trader.runs.files import make_folder, read_bytes, write_whole, writing
from trader.runs.manifest import utc_now

STARTED, ENDED, LOOK = "run_started", "run_ended", "look"


@dataclass(frozen=True)
class HeldOut:
    """The held-out bars that a run will be judged on.

    Attributes:
        assets: asset name -> sha256 of its canonical bars.
        first, last: ISO dates or times of the test segment, both included; without a zone they are UTC.
        synthetic: a generated market: recorded, never counted.
    """

    assets: Mapping[str, str]
    first: str
    last: str
    synthetic: bool = False


@dataclass(frozen=True)
class Trial:
    """One started run on overlapping test dates.

    Attributes:
        run: `RunFolder.label`.
        started: UTC, ISO.
        status: how it ended, None when it was killed or still runs.
        outcome: what its end recorded, such as the per-bar validation Sharpe.
    """

    run: str
    started: str
    status: str | None = None
    outcome: dict[str, Any] = field(default_factory=dict)


def ledger_path() -> Path:
    """Return $TRADER_LEDGER, or `trader/ledger.jsonl` in the user's XDG state folder."""
    if chosen := os.environ.get("TRADER_LEDGER"):
        return Path(chosen).expanduser()
    state = os.environ.get("XDG_STATE_HOME", "")
    # The XDG standard says that a relative path here is to be ignored.
    home = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    return home / "trader" / "ledger.jsonl"


def record_run_started(run: str, dates: HeldOut, config_sha256: str, resumed: bool) -> None:
    """Append that a run starts; call it before the first step.

    Args:
        run: `RunFolder.label`.
        dates: what it will be judged on.
        config_sha256: digest of the resolved config.
        resumed: the same run goes on; recorded, not counted.

    Raises:
        TraderError: the ledger cannot be written.
    """
    _append({"event": STARTED, "run": run, **_spelled(dates), "config_sha256": config_sha256, "resumed": resumed})


def record_run_ended(run: str, status: str, outcome: Mapping[str, Any]) -> None:
    """Append how a run ended.

    Args:
        run: `RunFolder.label`.
        status: `finished`, `failed` or `interrupted`.
        outcome: JSON values; `valid_sharpe` per bar is what the deflated Sharpe ratio needs.
    """
    _append({"event": ENDED, "run": run, "status": status, "outcome": dict(outcome)})


def record_look(run: str, dates: HeldOut, command: str) -> None:
    """Append that `command` is about to show results on held-out dates; call it before computing them."""
    _append({"event": LOOK, "run": run, **_spelled(dates), "command": command})


def count_looks(dates: HeldOut) -> int:
    """Return how many recorded looks share an asset and a date with `dates`."""
    return sum(_overlaps(entry, dates) for entry in read_ledger() if entry.get("event") == LOOK)


def count_trials(dates: HeldOut) -> int:
    """Return the number of trials on `dates`: N of the deflated Sharpe ratio, a started run of now included."""
    return len(matching_trials(dates))


def matching_trials(dates: HeldOut) -> list[Trial]:
    """Return every trial on assets and dates that overlap `dates`, in order of start."""
    entries = read_ledger()
    ends = {entry.get("run"): entry for entry in entries if entry.get("event") == ENDED}
    started = {
        str(entry.get("run")): str(entry.get("time"))
        for entry in reversed(entries)  # so that the first start of a run wins
        if entry.get("event") == STARTED and not entry.get("resumed") and _overlaps(entry, dates)
    }
    trials = [
        Trial(run, began, ends.get(run, {}).get("status"), ends.get(run, {}).get("outcome") or {})
        for run, began in started.items()
    ]
    return trials[::-1]


def read_ledger() -> list[dict[str, Any]]:
    """Return every readable line of the ledger; `[]` when there is none yet.

    A line that a kill tore is left out, since it cannot be told what it said.

    Raises:
        TraderError: the ledger exists and cannot be read.
    """
    path = ledger_path()
    if not path.exists():
        return []
    entries = []
    for line in read_bytes(path).splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def _spelled(dates: HeldOut) -> dict[str, Any]:
    return {
        "assets": dict(dates.assets),
        "timerange": [dates.first, dates.last],
        "synthetic": dates.synthetic,
    }


def _append(entry: Mapping[str, Any]) -> None:
    path = ledger_path()
    line = json.dumps({"time": utc_now(), **entry}, sort_keys=True, allow_nan=False).encode() + b"\n"
    try:
        make_folder(path.parent)
        with writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                # A torn last line is closed first, else it would swallow this one.
                write_whole(descriptor, b"\n" + line if _is_torn(descriptor) else line)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except TraderError as error:
        raise TraderError(f"{error} (the ledger of runs; TRADER_LEDGER names another file)") from error


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _overlaps(entry: Mapping[str, Any], dates: HeldOut) -> bool:
    """A shared name or a shared content is the same asset: a file downloaded anew keeps its name, a copy its bars."""
    assets, timerange = entry.get("assets"), entry.get("timerange")
    if entry.get("synthetic") or dates.synthetic or not isinstance(assets, dict) or not isinstance(timerange, list):
        return False
    names = {name.lower() for name in assets} & {name.lower() for name in dates.assets}
    if not names and not set(assets.values()) & set(dates.assets.values()):
        return False
    return shared_dates((timerange[0], timerange[1]), (dates.first, dates.last))


def shared_dates(one: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether two [first, last] ranges of ISO dates or times share a moment.

    Example:
        >>> shared_dates(["2014-01-01", "2014-06-30"], ["2014-06-30", "2018-12-31"])
        True
        >>> shared_dates(["2014-01-01", "2014-06-29"], ["2014-06-30", "2018-12-31"])
        False
    """
    return _first(one[0]) <= _last(other[1]) and _first(other[0]) <= _last(one[1])


def _first(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _last(text: str) -> datetime:
    # A bare date as an end means the whole day.
    whole_day = timedelta(days=1) - timedelta(microseconds=1) if len(text) == len("2018-12-31") else timedelta(0)
    return _first(text) + whole_day
