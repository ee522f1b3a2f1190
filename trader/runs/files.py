"""Files that are whole or absent: write a neighbour, flush it, rename it, flush the folder.

Every other file of this package writes and reads through these functions, so a full disk, a read-only folder, a
damaged file or a path that leaves its folder is the same one-line `TraderError` everywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from trader.errors import TraderError

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
SELF_HASH = "sha256"
CHUNK_BYTES = 1 << 20


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Turn an `OSError` of the block into one line that names the path (full disk, read-only folder, …)."""
    try:
        yield
    except OSError as error:
        raise TraderError(f"{path}: cannot write: {error.strerror or error}") from error


def fsync_folder(folder: Path) -> None:
    """Make the names inside `folder` durable: a rename survives power loss only after this."""
    _fsync(folder, os.O_DIRECTORY)


def fsync_file(path: Path) -> None:
    """Make the content of a file durable (a symbolic link is refused)."""
    _fsync(path, os.O_NOFOLLOW)


def _fsync(path: Path, flag: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | flag)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> Path:
    """Create `folder` and its parents when absent, each name made durable.

    Raises:
        TraderError: it cannot be created.
    """
    with writing(folder):
        if not folder.is_dir():
            make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            fsync_folder(folder.parent)
    return folder


def write_bytes_new(path: Path, content: bytes) -> None:
    """Write a file that must not exist yet (a symbolic link counts as existing) and flush it to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_whole(descriptor: int, content: bytes) -> None:
    """Write all of `content`: a single `os.write` may stop short on a disk that fills up."""
    while content:
        content = content[os.write(descriptor, content) :]


def write_bytes_atomic(path: Path, content: bytes) -> None:
    """Replace `path` as a whole: after a kill it holds either the old bytes or the new ones.

    A symbolic link at `path` is replaced, not followed.

    Raises:
        TraderError: the disk is full or the folder is read-only; the old file is intact.
    """
    neighbour = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with writing(path):
        try:
            write_bytes_new(neighbour, content)
            os.replace(neighbour, path)
        except BaseException:
            with suppress(OSError):
                neighbour.unlink()
            raise
        fsync_folder(path.parent)


def write_text_atomic(path: Path, text: str) -> None:
    """Replace `path` by UTF-8 text as a whole (see `write_bytes_atomic`)."""
    write_bytes_atomic(path, text.encode())


def write_json_atomic(path: Path, value: Mapping[str, Any]) -> None:
    """Replace `path` by strict JSON as a whole.

    Raises:
        ValueError: the value holds NaN, Infinity or something JSON has no word for.
        TraderError: the file cannot be written.
    """
    write_text_atomic(path, json_text(value))


def json_text(value: Mapping[str, Any]) -> str:
    """Return the one spelling of a JSON object that this package writes: sorted keys, two spaces, final newline."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return `value` with `sha256`: the digest of `json_text` of everything else in it."""
    body = {key: item for key, item in value.items() if key != SELF_HASH}
    return {**body, SELF_HASH: hashlib.sha256(json_text(body).encode()).hexdigest()}


def write_sealed_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `sealed(value)` atomically; `read_sealed_json` refuses it after any byte has changed."""
    write_json_atomic(path, sealed(value))


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        TraderError: missing, not a plain file, or unreadable.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise TraderError(f"{path}: no such file") from None
    except OSError as error:
        raise TraderError(f"{path}: cannot read: {error.strerror or error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read one strict JSON object.

    Raises:
        TraderError: missing, not UTF-8, not JSON, a duplicate key, NaN or Infinity, or not an object.
    """
    try:
        value = json.loads(read_bytes(path).decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise TraderError(f"{path}: not strict JSON: {str(error).splitlines()[0]}") from None
    if not isinstance(value, dict):
        raise TraderError(f"{path}: must hold a JSON object; received {type(value).__name__}")
    return value


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Read a file of `write_sealed_json`; every byte of it is checked.

    Raises:
        TraderError: as `read_json`, or the content does not match its own digest.
    """
    value = read_json(path)
    # Comparing the whole spelling catches what the digest cannot see, such as changed white space.
    if value.get(SELF_HASH) is None or read_bytes(path) != json_text(sealed(value)).encode():
        raise TraderError(f"{path}: damaged: its content does not match its own sha256")
    return value


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes in hexadecimal.

    Raises:
        TraderError: missing or unreadable.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                digest.update(piece)
    except FileNotFoundError:
        raise TraderError(f"{path}: no such file") from None
    except OSError as error:
        raise TraderError(f"{path}: cannot read: {error.strerror or error}") from error
    return digest.hexdigest()


def safe_join(folder: Path, entry: str) -> Path:
    """Return `folder/entry`, which is certain to lie inside `folder`.

    `folder` itself is trusted and may be a symbolic link; no step below it may be one.

    Args:
        folder: a folder that the user named or that we made.
        entry: relative path with `/` between its parts, possibly from a file that somebody else wrote.

    Raises:
        TraderError: absolute, `..`, NUL, empty part, backslash, or a symbolic link on the way.
    """
    parts = entry.split("/")
    refused = "\0" in entry or "\\" in entry or PurePosixPath(entry).is_absolute()
    if refused or any(part in ("", ".", "..") for part in parts):
        raise TraderError(f"{folder}: path {entry!r} must stay inside the folder (relative, without .. or NUL)")
    path = folder
    for part in parts:
        path = path / part
        if is_link(path):
            raise TraderError(f"{path}: is a symbolic link; a run folder holds only plain files and folders")
    return path


def is_link(path: Path) -> bool:
    """Return whether `path` itself is a symbolic link (also a dangling one)."""
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise TraderError(f"{path}: cannot read: {error.strerror or error}") from error


def safe_name(name: str) -> str:
    """Return `name` when it can be one folder under runs/.

    Raises:
        TraderError: it is empty, longer than 80, or holds more than letters, digits, dot, dash and underscore.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise TraderError(
            f"run name {name!r} must be 1 to 80 of letters, digits, . _ - and begin with a letter or digit"
        )
    return name
