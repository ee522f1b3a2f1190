"""TensorBoard scalars in its own record format, written without TensorFlow.

`tensorboard`'s `EventFileWriter` opens its file through TensorFlow whenever that is installed (seconds, and chatter on
stderr) and writes from a thread; its `RecordWriter` below does the same on a plain file.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trader.runs.files import make_folder, writing

# Generated protobuf modules make their classes at import, which pyright cannot see: hence its ignores below.
FILE_VERSION = "brain.Event:2"


@dataclass(frozen=True)
class EventLog:
    """An event file: its path, to which every write appends."""

    path: Path


def start_events(folder: Path, purge_step: int) -> EventLog:
    """Begin a new event file in `folder`.

    Args:
        folder: made when absent; TensorBoard shows all event files of one folder as one curve.
        purge_step: points of earlier files from this step on are dropped by TensorBoard (0: there are none).

    Raises:
        TraderError: it cannot be written.
    """
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]

    make_folder(folder)
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)  # TensorBoard reads files in order of their names
    stamp = f"{seconds:010d}.{nanoseconds:09d}.{socket.gethostname()}.{os.getpid()}"
    log = EventLog(folder / f"events.out.tfevents.{stamp}")
    _write(log, Event(wall_time=time.time(), file_version=FILE_VERSION))
    if purge_step:
        restart = SessionLog(status=SessionLog.START)
        _write(log, Event(wall_time=time.time(), step=purge_step, session_log=restart))
    return log


def write_scalars(log: EventLog, step: int, scalars: Mapping[str, float]) -> None:
    """Append one point per finite scalar, named as the columns of `metrics.csv`; `step` itself is left out."""
    from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

    shown = {name: value for name, value in scalars.items() if name != "step" and math.isfinite(value)}
    values = [Summary.Value(tag=name, simple_value=value) for name, value in shown.items()]
    _write(log, Event(wall_time=time.time(), step=step, summary=Summary(value=values)))


def _write(log: EventLog, event: Any) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    with writing(log.path), log.path.open("ab") as file:
        RecordWriter(file).write(event.SerializeToString())
