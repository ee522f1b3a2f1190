"""Where the time of `trader backtest` goes: a generated universe, tiny trained seeds, one backtest by phase.

`python benchmarks/backtest.py` plays 15 assets × 8 years × 5 seeds; training is not timed, and every round is a process
of its own. Bars per second count what a phase works on: the agent's bars for the greedy passes, the bars of the agent
and of all baselines for ledgers, trades, metrics and report.
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stopwatch import Stopwatch
from universe import Size, own_ledger, train_universe

IMPORTS, REST = "imports", "everything else"
FIRST_PASS, PASSES = "first greedy pass, compiled", "other greedy passes"
AGENT_PHASES = {FIRST_PASS, PASSES}
STRATEGY_PHASES = {"ledgers", "trades", "metrics", "equity.csv, trades.csv", "report.json", "report.html"}


def measure(folder: Path, backend: str) -> dict[str, Any]:
    """Run one backtest in this process; return seconds by phase and what was played."""
    watch = Stopwatch()
    with watch.phase(IMPORTS):
        from trader.cli.main import run
        from trader.cli.quiet import Compute, start_backend

        start_backend(backend, Compute())
        for module in ("trader.cli.console", "trader.cli.results", "trader.runs.judge"):
            import_module(module)
    results: list[Any] = []
    _watch_everything(watch, results)
    words = ["backtest", "universe", "--runs-dir", str(folder / "runs"), "--backend", backend]
    began = time.process_time()
    with watch.phase(REST), redirect_stdout(io.StringIO()):
        code = run(words)
    cpu = time.process_time() - began
    if code:
        sys.exit(f"trader {' '.join(words)} failed")
    return {"seconds": watch.seconds, "import_s": watch.seconds.pop(IMPORTS), "cpu_s": cpu, **_played(results[-1])}


def _watch_everything(watch: Stopwatch, results: list[Any]) -> None:
    from trader.cli import results as delivery
    from trader.evaluation import backtest
    from trader.report import files
    from trader.runs import judge

    watch.watch(judge, "open_run", "run folder and checkpoints")
    watch.watch(judge, "own_prices", "data preparation")
    watch.watch(judge, "verify_checkpoint", "run folder and checkpoints")
    watch.watch(judge, "load_policy", "run folder and checkpoints")
    watch.watch(judge, "_player", "network, arrays to the device")
    watch.watch(backtest, "run_ledger", "ledgers")
    watch.watch(backtest, "trades_of", "trades")
    watch.watch(backtest, "strategy_metrics", "metrics")
    for written in ("write_equity", "write_trades"):
        watch.watch(files, written, "equity.csv, trades.csv")
    watch.watch(files, "report_text", "report.json")
    watch.watch(files, "report_html", "report.html")
    watch.watch(delivery, "finish_backtest", "seal the folder")
    watch.watch(delivery, "print_backtest", "table on the screen")
    _watch_passes(watch, judge)
    played = delivery.deliver_backtest

    def deliver(backtested: Any, as_json: bool) -> None:
        results.append(backtested.result)
        played(backtested, as_json)

    delivery.deliver_backtest = deliver


def _watch_passes(watch: Stopwatch, judge: Any) -> None:
    """Tell the first greedy pass, which compiles, from the others."""
    first, later = (watch.timed(judge._play, name) for name in (FIRST_PASS, PASSES))
    called = iter([first])
    judge._play = lambda *given: next(called, later)(*given)


def _played(result: Any) -> dict[str, int]:
    agents = [strategy for strategy in result.strategies if strategy.name == result.agent]
    return {
        "agent_bars": sum(len(ledger.time) for strategy in agents for ledger in strategy.ledgers),
        "strategy_bars": sum(len(ledger.time) for strategy in result.strategies for ledger in strategy.ledgers),
        "strategies": len(result.strategies),
        "agent_trades": sum(len(trades) for strategy in agents for trades in strategy.trades),
    }


def summary(rounds: list[dict[str, Any]], size: Size, backend: str) -> dict[str, Any]:
    """Return medians over the rounds, with machine and versions."""
    phases = {name: statistics.median(one["seconds"].get(name, 0.0) for one in rounds) for name in rounds[0]["seconds"]}
    after_imports = [sum(one["seconds"].values()) for one in rounds]
    played = {key: value for key, value in rounds[0].items() if key not in ("seconds", "import_s", "cpu_s")}
    return {
        "size": size._asdict(),
        **played,
        "import_s": statistics.median(one["import_s"] for one in rounds),
        "phase_s": phases,
        "after_imports_s": statistics.median(after_imports),
        "after_imports_range_s": [min(after_imports), max(after_imports)],
        "bars_per_s": {name: _bars(name, played) / seconds for name, seconds in phases.items() if _bars(name, played)},
        "after_imports_cpu_s": statistics.median(one["cpu_s"] for one in rounds),
        "rounds": len(rounds),
        "backend": backend,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "versions": {name: version(name) for name in ("trader", "keras", backend, "numpy", "pandas", "plotly")},
    }


def _bars(phase: str, played: dict[str, int]) -> int:
    return played["agent_bars"] * (phase in AGENT_PHASES) or played["strategy_bars"] * (phase in STRATEGY_PHASES)


def print_summary(found: dict[str, Any]) -> None:
    size = found["size"]
    played = f"{found['agent_bars']:,} bars and {found['agent_trades']:,} trades of the agent"
    print(
        f"{size['assets']} assets × {size['years']} years × {size['seeds']} seeds of {size['agent']}: {played},"
        f" {found['strategy_bars']:,} bars of {found['strategies']} strategies;"
        f" {found['backend']}, {found['machine']}, medians of {found['rounds']} rounds"
    )
    for name, seconds in found["phase_s"].items():
        speed = f"{found['bars_per_s'][name]:12,.0f} bars/s" if name in found["bars_per_s"] else ""
        print(f"  {name:30} {seconds:7.3f} s {speed}".rstrip())
    least, most = found["after_imports_range_s"]
    cpu = f"{found['after_imports_cpu_s']:.2f} s of processor time"
    print(f"  {'all after imports':30} {found['after_imports_s']:7.3f} s   ({least:.2f} … {most:.2f}); {cpu}")
    print(f"  {IMPORTS:30} {found['import_s']:7.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in Size()._asdict().items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--rounds", type=int, default=3, help="backtests, each in a process of its own")
    parser.add_argument("--backend", default="tensorflow")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # given to the process of one round
    arguments = parser.parse_args()
    if arguments.folder:
        print(json.dumps(measure(arguments.folder, arguments.backend)))
        return
    size = Size(*(getattr(arguments, name) for name in Size._fields))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        train_universe(folder, size, arguments.backend)
        rounds = [_one_round(folder, arguments.backend) for _ in range(arguments.rounds)]
    found = summary(rounds, size, arguments.backend)
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print_summary(found)


def _one_round(folder: Path, backend: str) -> dict[str, Any]:
    words = [sys.executable, __file__, "--folder", str(folder), "--backend", backend]
    done = subprocess.run(words, capture_output=True, text=True, env=own_ledger(folder), check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
