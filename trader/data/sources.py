"""Where bars come from: built-in index bars and the user's files."""

from __future__ import annotations

import glob
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from trader.config.data import BuiltIn, DataConfig, FileSource
from trader.data.bars import RawBars
from trader.data.files import read_file
from trader.errors import TraderError, listing, nearest

PRICE_SUFFIXES = {".csv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet"}


def load_raw(config: BuiltIn | FileSource, base: Path) -> list[RawBars]:
    """Return every asset's bars as they stand in their files, unchecked.

    Args:
        config: the `data` section.
        base: folder that relative paths start from (the config file's).

    Raises:
        TraderError: a file is missing or unreadable, an asset is named twice.
    """
    if isinstance(config, BuiltIn):
        return [_load_built_in(config)]
    return [_load_asset(asset, paths, config, base) for asset, paths in _assets(config, base).items()]


def format_of(path: Path) -> str:
    """Return the `source` that reads a file, by its suffix: `parquet`, else `csv`."""
    return PRICE_SUFFIXES.get(path.suffix.lower(), "csv")


def source_zone(config: DataConfig) -> str:
    """Return the time zone in which the source's calendar dates are meant."""
    return config.timezone if isinstance(config, FileSource) else "UTC"


def _load_built_in(config: BuiltIn) -> RawBars:
    # Found without importing arch, which takes seconds and is not needed to read its file.
    spec = importlib.util.find_spec("arch")
    if spec is None or not spec.submodule_search_locations:
        raise TraderError(f"data.source: {config.source} needs the package arch (pip install arch)")
    name = config.source
    path = Path(spec.submodule_search_locations[0]) / "data" / name / f"{name}.csv.gz"
    frame = read_file(path, name, FileSource(source="csv", path=str(path), date_format="%m/%d/%Y"))
    return RawBars(asset=name, frame=frame.assign(file=0), files=(name,), zone="UTC")


def _assets(config: FileSource, base: Path) -> dict[str, list[Path]]:
    """Return asset -> its files; a file stands for its own asset unless the path names assets."""
    if isinstance(config.path, dict):
        if not config.path:
            raise TraderError("data.path: names no asset")
        return {asset: _expand(paths, base, f"data.path.{asset}") for asset, paths in config.path.items()}
    named: dict[str, list[Path]] = {}
    for path in _expand(config.path, base, "data.path"):
        if path.stem in named:
            raise TraderError(
                f'data.path: {named[path.stem][0]} and {path} would both be asset "{path.stem}";'
                " name them: path: {ASSET: file, …}"
            )
        named[path.stem] = [path]
    return named


def _expand(paths: str | list[str], base: Path, key: str) -> list[Path]:
    found = [path for pattern in ([paths] if isinstance(paths, str) else paths) for path in _match(pattern, base, key)]
    if not found:
        raise TraderError(f"{key}: names no file")
    return found


def _match(pattern: str, base: Path, key: str) -> list[Path]:
    try:
        path = base / Path(pattern).expanduser()
        if path.is_file():
            return [path]
    except (OSError, RuntimeError) as error:  # a name too long, an unknown ~user
        reason = error.strerror if isinstance(error, OSError) else error
        raise TraderError(f'{key}: "{pattern[:80]}" is no path: {reason}') from None
    if glob.has_magic(pattern):
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True)) if Path(match).is_file()]
        if matches:
            return matches
        raise TraderError(f'{key}: no file matches "{pattern}" in {base}')
    if path.is_dir():
        raise TraderError(
            f'{key}: "{pattern}" is a folder; name a file or a pattern such as "{pattern.rstrip("/")}/*.csv"'
        )
    place = "" if Path(pattern).is_absolute() else f" in {base}"
    raise TraderError(f'{key}: no file "{pattern}"{place}{_near_file(path)}')


def _near_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; the folder {path.parent} does not exist"
    files = [file.name for file in path.parent.iterdir() if file.suffix.lower() in PRICE_SUFFIXES and file.is_file()]
    return nearest(path.name, files) or (f"; the folder has {listing(sorted(files), most=8)}" if files else "")


def _load_asset(asset: str, paths: list[Path], config: FileSource, base: Path) -> RawBars:
    """Join one asset's files in the order of their first bars."""
    shown = [_relative(path, base) for path in paths]
    tables = [read_file(path, name, config) for path, name in zip(paths, shown, strict=True)]
    order = sorted(range(len(tables)), key=_first_time(tables))
    frame = pd.concat([tables[place].assign(file=index) for index, place in enumerate(order)], ignore_index=True)
    return RawBars(asset=asset, frame=frame, files=tuple(shown[place] for place in order), zone=config.timezone)


def _first_time(tables: list[pd.DataFrame]) -> Callable[[int], pd.Timestamp]:
    return lambda place: tables[place]["time"].min()


def _relative(path: Path, base: Path) -> str:
    try:
        return str(path.relative_to(base))
    except ValueError:
        return str(path)
