"""From the rounds of `speed.py` to ratios and tables."""

import statistics
from typing import Any, NamedTuple

from tables import Table, count, print_table

HEAD = (
    "peer",
    "ours, env steps/s",
    "peer, env steps/s",
    "ratio (least … most)",
    "ratio on the other backend",
    "ours, updates/s",
    "peer, updates/s",
)
HOW_HEAD = ("side", "environments", "threads", "env steps/s", "peak memory (MiB)", "bytes per stored transition")


class Ratio(NamedTuple):
    """Ours over a peer's: median, least and most of the rounds' own ratios."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.least:.1f} … {self.most:.1f})"


def ratio_of(ours: dict[str, Any], theirs: dict[str, Any]) -> Ratio | None:
    """Return the ratio of environment steps per second, None where a side failed."""
    pairs = zip(ours["rounds"], theirs["rounds"], strict=False)
    ratios = [mine["env_steps_per_s"] / peer["env_steps_per_s"] for mine, peer in pairs]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def median_of(side: dict[str, Any], key: str) -> float | None:
    values = [one[key] for one in side["rounds"] if one[key] is not None]
    return statistics.median(values) if values else None


def works_of(block: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(side["work"] for side in block["sides"].values() if side["work"]))


def peers_of(block: dict[str, Any]) -> list[dict[str, Any]]:
    return [side for side in block["sides"].values() if not side["work"]]


def best_of_ours(block: dict[str, Any], work: str) -> dict[str, Any]:
    """Return the faster backend's side."""
    mine = [side for side in block["sides"].values() if side["work"] == work]
    return max(mine, key=lambda side: median_of(side, "env_steps_per_s") or 0.0)


def speed_table(block: dict[str, Any], work: str) -> Table:
    """One row per peer: our faster backend beside it."""
    ours = best_of_ours(block, work)
    others = [side for side in block["sides"].values() if side["work"] == work and side is not ours]
    rows = [_row(ours, others, theirs) for theirs in peers_of(block)]
    envs = f", {ours['envs']:,} environments" if ours["envs"] else ""
    return Table(f"{block['title']}; {work}; ours on {ours['backend']}{envs}", HEAD, rows)


def _row(ours: dict[str, Any], others: list[dict[str, Any]], theirs: dict[str, Any]) -> tuple[str, ...]:
    ratio = ratio_of(ours, theirs)
    name = theirs["title"] if str(theirs["envs"]) in theirs["title"] else f"{theirs['title']}, {theirs['envs']:,}"
    failed = theirs["error"] or ours["error"]
    speeds = [count(median_of(side, "env_steps_per_s")) for side in (ours, theirs)]
    updates = [count(median_of(side, "updates_per_s")) for side in (ours, theirs)]
    slower = ", ".join(f"{other['backend']}: {ratio_of(other, theirs) or '–'}" for other in others) or "–"
    return (name, *speeds, str(ratio) if ratio else f"not measured: {failed}", slower, *updates)


def how_table(block: dict[str, Any]) -> Table:
    """One row per side: how it ran, and its memory."""
    rows = [
        (
            f"ours, {side['work']}, {side['title']}" if side["work"] else side["title"],
            f"{side['envs']:,}",
            str(side["threads"] or "default") if side["rounds"] else "–",
            count(median_of(side, "env_steps_per_s")),
            count(median_of(side, "peak_mib")),
            count(median_of(side, "bytes_per_transition")),
        )
        for side in block["sides"].values()
    ]
    return Table(f"{block['title']}: how each side ran", HOW_HEAD, rows)


def print_tables(figures: dict[str, Any]) -> None:
    for block in figures["blocks"].values():
        for work in works_of(block):
            print_table(speed_table(block, work))
        print_table(how_table(block))


def versions_of(figures: dict[str, Any]) -> dict[str, str]:
    """Return every version that some side reported."""
    found: dict[str, str] = {}
    for block in figures["blocks"].values():
        for side in block["sides"].values():
            for one in side["rounds"][:1]:
                found |= one["versions"]
    return found
