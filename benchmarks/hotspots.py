"""What bounds an iteration on JAX: its operations by their time, one thread, from the compiler's own trace.

Tracing adds some tenths of a microsecond to every operation, so small ones look larger than they are; a share is of the
sum of all traced operations. `iteration` is timed without the trace.
"""

import os
import re
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
os.environ["NPROC"] = "1"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_prefer_vector_width=512".strip()

from place import common_parser, store
from tables import Table, print_table

WORKS = {
    "A2C, 8 environments": ("a2c", 8, 32, 4),
    "A2C, 64 environments": ("a2c", 64, 32, 4),
    "DQN, 16 environments, batch of 32": ("dqn", 16, 32, 4),
    "DQN, 16 environments, batch of 128": ("dqn", 16, 128, 16),
}
COLUMNS = ("work", "iteration, µs", "matrix products", "gathers", "the largest others")
ITERATIONS, NUM_LARGEST = 200, 4


def measure(agent: str, num_envs: int, batch: int, steps_per_update: int, chunks: int) -> dict[str, Any]:
    """Return the time of an iteration and the shares of its operations."""
    import build
    import plain
    from keras import ops

    from trader import backend
    from trader.backend.jax import lifted
    from trader.lanes import begin, build_trainer

    config = plain.A2c() if agent == "a2c" else build.dqn_config(num_envs, batch, steps_per_update)
    made, world = build.build(config, num_envs), build.generated(build.Shape())
    carry = begin(build_trainer(made), world.market, world.segment, [0]).carry

    def chunk(market: Any, segment: Any, carry: Any, n: Any) -> Any:
        return backend.repeat(lambda c: made.iterate(market, segment, c), carry, n, made.variables)

    program = _compiled(lifted(chunk, made.variables), made, world, carry)
    values = [variable.value for variable in made.variables]
    n = ops.convert_to_tensor(ITERATIONS, "int32")
    took = []
    for _ in range(chunks):
        began = time.perf_counter()
        values, carry = program(values, world.market, world.segment, carry, n)
        int(carry.step)
        took.append(time.perf_counter() - began)
    spent = _traced(lambda: program(values, world.market, world.segment, carry, n)[1].step.block_until_ready())
    return {"iteration_us": 1e6 * min(took) / ITERATIONS} | _shares(spent, program.as_text())


def _compiled(pure: Any, made: Any, world: Any, carry: Any) -> Any:
    import jax
    from keras import ops

    values = [variable.value for variable in made.variables]
    n = ops.convert_to_tensor(ITERATIONS, "int32")
    return jax.jit(pure).lower(values, world.market, world.segment, carry, n).compile()


def _traced(run: Any) -> dict[str, float]:
    """Return the microseconds of each operation in one iteration: median × calls."""
    import jax

    run()
    options = jax.profiler.ProfileOptions()
    options.host_tracer_level, options.python_tracer_level = 3, 0
    calls: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            run()
        for path in Path(folder).rglob("*.xplane.pb"):
            for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
                for line in plane.lines:
                    for event in line.events:
                        calls[event.name].append(event.duration_ns / 1000)
    return {name: statistics.median(times) * len(times) / ITERATIONS for name, times in calls.items()}


def _shares(spent: dict[str, float], program: str) -> dict[str, Any]:
    """Sort traced operations by what they do, as the program's text tells."""
    kinds = _kinds(program)
    known = {name: us for name, us in spent.items() if name in kinds}
    total = sum(known.values())
    sums: dict[str, float] = defaultdict(float)
    for name, us in known.items():
        sums[kinds[name]] += us
    share = {kind: us / total for kind, us in sums.items()}
    others = sorted(((us, kind) for kind, us in share.items() if kind not in ("dot", "gather")), reverse=True)
    return {
        "matrix_products": share.get("dot", 0.0),
        "gathers": share.get("gather", 0.0),
        "largest": [{"kind": kind, "share": us} for us, kind in others[:NUM_LARGEST]],
    }


def _kinds(program: str) -> dict[str, str]:
    """Return for each instruction that is a kernel `dot`, `gather`, or the operation it was written for."""
    computations = {part.split()[0]: part for part in re.split(r"\n(?=(?:%|ENTRY )\S+ \()", program)}
    kinds = {}
    for name, opcode, rest in re.findall(r"^\s+(?:ROOT )?%(\S+) = [^=]*? ([a-z-]+)\((.*)$", program, re.MULTILINE):
        if opcode in ("while", "conditional", "call", "tuple", "parameter", "constant", "get-tuple-element", "bitcast"):
            continue
        called = re.search(r"calls=(%\S+?)[,}\s]", f"{rest} ")
        body = computations.get(called[1], "") if called else f" {opcode}("
        written = re.search(r'op_name="([^"]*)"', rest)
        kinds[name] = _kind(body, written[1] if written else opcode)
    return kinds


def _kind(body: str, written: str) -> str:
    if " dot(" in body:
        return "dot"
    if " gather(" in body or "dynamic-slice(" in body:
        return "gather"
    return written.rpartition("/")[2].split("[")[0]


def table(figures: dict[str, Any]) -> Table:
    rows = []
    for work, found in figures["works"].items():
        largest = ", ".join(f"{one['kind']} {one['share']:.0%}" for one in found["largest"])
        shares = (f"{found['matrix_products']:.0%}", f"{found['gathers']:.0%}")
        rows.append([work, f"{found['iteration_us']:,.0f}", *shares, largest])
    return Table("One thread, JAX", COLUMNS, rows)


def main() -> None:
    arguments = common_parser(__doc__).parse_args()
    figures = {"works": {work: measure(*sizes, 3 if arguments.quick else 20) for work, sizes in WORKS.items()}}
    store(arguments, "hotspots", figures)
    print_table(table(figures))


if __name__ == "__main__":
    main()
