"""Where and when a figure was measured, and the folder of results from which `report.py` writes the page."""

import argparse
import datetime
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from trader.cores import num_cores

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results"
PACKAGES = ("trader", "tensorflow", "jax", "keras", "numpy")


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def memory_gib(key: str = "MemTotal") -> float | None:
    """Return a line of /proc/meminfo, None where there is none."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [line for line in lines if line.startswith(f"{key}:")]
    return int(found[0].split()[1]) / 2**20 if found else None


def stamp() -> dict[str, Any]:
    """Return machine and date, which go into every file of results."""
    total = memory_gib()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{cpu_model()}, {num_cores()} cores"
        + (f", {total:.0f} GiB of memory" if total else "")
        + f", {platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of what computes on our side, as far as it is installed here."""
    return {name: metadata.version(name) for name in PACKAGES if _installed(name)}


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def common_parser(doc: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes and short times; written only if --results")
    parser.add_argument("--note", default="", help="what readers should know of this run, e.g. a busy machine")
    parser.add_argument("--results", type=Path, help=f"folder of results (default: {RESULTS.relative_to(ROOT)})")
    return parser


def store(arguments: argparse.Namespace, name: str, figures: dict[str, Any]) -> None:
    """Write one file of results, with machine and date; figures of a quick run only where a folder was named."""
    folder = arguments.results or (None if arguments.quick else RESULTS)
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    told = {"quick": arguments.quick, "note": getattr(arguments, "note", "")}
    path.write_text(json.dumps(stamp() | told | figures, indent=1) + "\n", encoding="utf-8")


def stored(folder: Path, name: str) -> dict[str, Any] | None:
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
