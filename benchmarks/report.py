"""Writes docs/benchmarks.md and its plots from the results that the other scripts left.

`python benchmarks/report.py` after any of them; what has no results says so.
"""

import argparse
from pathlib import Path
from typing import Any

import gpu_tables
import growth
import hotspots
import learning_table
import memory
import phases
import roofline
import seeds
import speed_tables
from growth_curves import CURVES
from place import RESULTS, ROOT, stored
from report_plots import write_plots
from report_words import CONDITIONS, INTRODUCTION, NOT_MEASURED, SPEED_METHOD
from tables import Table, markdown

PAGE = ROOT / "docs" / "benchmarks.md"
NAMES = ("speed", "roof", "hotspots", "learning", "growth", "memory", "seeds", "gpu", "backtest", "startup")


class Page:
    """Sections as they are written, and the plots they may show."""

    def __init__(self, plots: dict[str, str], images: str):
        self.lines: list[str] = []
        self.plots, self.images = plots, images

    def add(self, *texts: str) -> None:
        for text in texts:
            self.lines += [text, ""]

    def table(self, table: Table) -> None:
        self.add(f"**{table.title}**", markdown(table))

    def plot(self, name: str, title: str) -> None:
        if name in self.plots:
            self.add(f"![{title}]({self.images}/{self.plots[name]})")

    def begin(self, title: str, figures: dict[str, Any] | None, command: str) -> bool:
        """Open a section; without results say how to get them and return false."""
        self.add(f"## {title}")
        if figures is None:
            self.add(f"{NOT_MEASURED} `python benchmarks/{command}` measures it.")
            return False
        self.add(provenance(figures))
        return True


def provenance(figures: dict[str, Any]) -> str:
    """Return date, machine and versions in one paragraph."""
    versions = versions_below(figures)
    words = ", ".join(f"{name} {number}" for name, number in versions.items())
    quick = " **A quick run: figures of a few moments.**" if figures.get("quick") else ""
    where = ", ".join(str(figures[key]) for key in ("date", "machine") if key in figures)
    note = f" **{figures['note']}**" if figures.get("note") else ""
    return f"{where}; {words}.{quick}{note}" if words else f"{where}.{quick}{note}"


def versions_below(value: Any) -> dict[str, str]:
    """Return every version named somewhere below."""
    found: dict[str, str] = {}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        found |= versions_below(part)
    return (value.get("versions") or {} if isinstance(value, dict) else {}) | found


def speed_section(page: Page, results: dict[str, Any]) -> None:
    figures = results["speed"]
    if not page.begin("Speed beside other libraries", figures, "speed.py --peer-python …"):
        return
    page.add(f"{figures['num_rounds']} rounds of {figures['seconds']:g} seconds. {SPEED_METHOD}")
    for key, block in figures["blocks"].items():
        page.plot(f"speed-{key}", block["title"])
        for work in speed_tables.works_of(block):
            page.table(speed_tables.speed_table(block, work))
    page.add("### How each side ran, and its memory")
    for block in figures["blocks"].values():
        page.table(speed_tables.how_table(block))
    page.add(CONDITIONS)


def table_section(page: Page, title: str, figures: dict[str, Any] | None, script: str, tables: Any) -> None:
    if page.begin(title, figures, script):
        for table in tables(figures):
            page.table(table)


def growth_section(page: Page, figures: dict[str, Any] | None) -> None:
    if not page.begin("Growth", figures, "growth.py"):
        return
    page.add(growth.__doc__.split("\n\n", 1)[1].strip())
    for key, by_backend in figures["curves"].items():
        page.add(f"### {CURVES[key].title}")
        page.plot(f"growth-{key}", CURVES[key].title)
        for backend, found in by_backend.items():
            page.table(growth.table(key, backend, found))


def memory_section(page: Page, figures: dict[str, Any] | None) -> None:
    if page.begin("Memory", figures, "memory.py"):
        page.table(memory.table(figures))
        page.plot("memory-run", "Resident memory of the NASDAQ DQN run")


def gpu_section(page: Page, figures: dict[str, Any] | None) -> None:
    page.add("## GPU")
    if figures is None or figures["device"] == "the CPU":
        page.add(
            "Not measured on a GPU. `python benchmarks/gpu.py` measures it; it needs keras, jax with CUDA and numpy."
        )
        return
    page.add(provenance(figures))
    for table in gpu_tables.tables(figures):
        page.table(table)


def page_text(results: dict[str, Any], plots: dict[str, str], images: str) -> str:
    page = Page(plots, images)
    page.add("# Benchmarks", INTRODUCTION)
    speed_section(page, results)
    table_section(page, "DQN at equal samples: what it learns", results["learning"], "learning.py",
                  lambda figures: [learning_table.table(figures)])  # fmt: skip
    table_section(page, "Share of the roof", results["roof"], "roofline.py", lambda figures: [roofline.table(figures)])
    table_section(page, "What bounds an iteration", results["hotspots"], "hotspots.py",
                  lambda figures: [hotspots.table(figures)])  # fmt: skip
    growth_section(page, results["growth"])
    memory_section(page, results["memory"])
    table_section(page, "Seeds in one program", results["seeds"], "seeds.py", lambda f: [seeds.table(f)])
    gpu_section(page, results["gpu"])
    for part, title in (("backtest", "Backtest"), ("startup", "From `trader train` to the first update")):
        table_section(page, title, results[part], f"phases.py {part}", lambda f, part=part: [phases.table(part, f)])
    return "\n".join(page.lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    results = {name: stored(arguments.results, name) for name in NAMES}
    plots = write_plots(arguments.page.parent / "images", results)
    arguments.page.write_text(page_text(results, plots, "images"), encoding="utf-8")
    print(f"{arguments.page}: written, {len(plots)} plots")


if __name__ == "__main__":
    main()
