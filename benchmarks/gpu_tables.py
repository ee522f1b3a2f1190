"""The tables of `gpu.py`."""

from typing import Any

from tables import Table

COLUMNS = (
    "agent",
    "environments",
    "precision",
    "env steps/s",
    "updates/s",
    "of the roof",
    "compile (s)",
    "memory (MiB)",
)


def tables(figures: dict[str, Any]) -> list[Table]:
    rows = [_row(part["precision"], row) for part in figures["parts"] for row in part["rows"]]
    roofs = ", ".join(f"{part['precision']} {part['roof_gflops'] / 1e3:.1f} TFLOP/s" for part in figures["parts"])
    speeds = Table(f"On {figures['device']}; roof: {roofs}", COLUMNS, rows)
    columns = ("seeds of A2C in one program", "environments each", "precision", "env steps/s", "time beside one seed")
    costs = [(part["precision"], cost) for part in figures["parts"] for cost in part["seeds"]]
    return [speeds, Table("Seeds", columns, [_seed_row(name, cost) for name, cost in costs])]


def _row(precision: str, row: dict[str, Any]) -> tuple[str, ...]:
    memory = row["device_peak_mib"]
    return (
        row["agent"],
        f"{row['envs']:,}",
        precision,
        f"{row['env_steps_per_s']:,.0f}",
        f"{row['updates_per_s']:,.0f}",
        f"{row['share_of_roof']:.1%}",
        f"{row['compile_s']:.1f}",
        "–" if memory is None else f"{memory:,.0f}",
    )


def _seed_row(precision: str, cost: dict[str, Any]) -> tuple[str, ...]:
    speed_of = f"{cost['env_steps_per_s']:,.0f}"
    return (str(cost["seeds"]), f"{cost['envs']:,}", precision, speed_of, f"{cost['relative']:.2f}")
