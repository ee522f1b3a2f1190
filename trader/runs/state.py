"""Arrays as one `.npz` file whose bytes depend on nothing but the arrays, read without pickle."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from trader.errors import TraderError

Array = np.ndarray[Any, np.dtype[Any]]
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can say: the same at every writing
KINDS = "biufcSUmM"
# What zip and npy readers raise at damaged or hostile bytes; all of it means the same to the user.
UNREADABLE = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OSError,
    ArithmeticError,
    MemoryError,
    struct.error,
)


def write_state(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write a new, uncompressed `.npz` and flush it to the disk; equal arrays give equal bytes.

    Args:
        path: a file that must not exist yet.
        arrays: name -> array; order and memory layout do not matter.

    Raises:
        ValueError: an empty name, a name with NUL, or a dtype that needs pickle or loses its meaning in a file.
        OSError: the file cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "w+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(arrays):
                _write_array(archive, name, arrays[name])
        file.flush()
        os.fsync(file.fileno())


def _write_array(archive: zipfile.ZipFile, name: str, array: Array) -> None:
    # order="C" and not ascontiguousarray, which would turn a scalar into an array of one.
    values = np.asarray(array, order="C")
    if not name or "\0" in name:
        raise ValueError(f"array name must be text without NUL; received {name!r}")
    if values.dtype.kind not in KINDS:
        raise ValueError(f"array {name!r} must be of numbers, booleans, text or dates; received dtype {values.dtype}")
    entry = zipfile.ZipInfo(f"{name}.npy", ZIP_EPOCH)
    entry.create_system = 3  # else the writing machine's system would be part of the bytes
    with archive.open(entry, "w", force_zip64=True) as file:
        npy.write_array(file, values, allow_pickle=False)


def read_state(path: Path, prefix: str = "") -> dict[str, Array]:
    """Read a file of `write_state` (or of `np.savez`); nothing in it can run.

    Args:
        path: the file.
        prefix: how the names of the wanted arrays begin; the others stay on the disk.

    Raises:
        TraderError: missing, damaged, compressed, or holding objects that only pickle can read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len({entry.filename for entry in entries}) < len(entries):
                raise ValueError("a name stands twice")
            wanted = [entry for entry in entries if entry.filename.startswith(prefix)]
            return {entry.filename.removesuffix(".npy"): _read_array(archive, entry) for entry in wanted}
    except FileNotFoundError:
        raise TraderError(f"{path}: no such file") from None
    except UNREADABLE as error:
        reason = (str(error) or repr(error)).splitlines()[0]
        raise TraderError(f"{path}: cannot be read as arrays: {reason}") from None


def _read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Array:
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        raise ValueError(f"{entry.filename} is compressed")  # a few bytes could else fill the memory
    with archive.open(entry) as file:
        return npy.read_array(file, allow_pickle=False)
