"""The layer table of the package as data, and what finds files that break it or the house rules."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_LINES = 300
MAX_FUNCTION_LINES = 40

# A module's layer is that of its longest listed prefix. A file may import lower layers and its own room.
LAYERS = {
    "trader.errors": 0,
    "trader.cores": 0,
    "trader.config": 1,
    "trader.backend": 1,
    "trader.data": 2,
    "trader.agents.returns": 2,
    "trader.agents.losses": 2,
    "trader.agents.replay": 2,
    "trader.agents.schedules": 2,
    "trader.evaluation.results": 2,
    "trader.evaluation.ledger": 2,
    "trader.evaluation.trades": 2,
    "trader.evaluation.formulas": 2,
    "trader.evaluation.metrics": 2,
    "trader.evaluation.intervals": 2,
    "trader.evaluation.overfitting": 2,
    "trader.envs": 3,
    "trader.agents.networks": 3,
    "trader.agents": 4,
    "trader.baselines": 4,
    "trader.rollout": 5,
    "trader.lanes": 5,
    "trader.training": 5,
    "trader.evaluation": 6,
    "trader.gym": 6,
    "trader.runs": 7,
    "trader.report": 7,
    "trader.bench": 7,
    "trader.cli": 8,
    "trader.__main__": 9,
}
# Modules of one row that the design names together.
ROOMMATES = {"trader.rollout": "trader.training", "trader.lanes": "trader.training"}

CORE = ("trader.backend", "trader.envs", "trader.agents", "trader.rollout", "trader.lanes", "trader.training")
CORE_MAY_IMPORT = {"keras", "numpy"}
BACKEND_MAY_IMPORT = {"tensorflow", "jax"}

PRINTING_ROOMS = ("trader.cli", "trader.report")
CODE_RUNNERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
BANNED_CALLS = {"eval", "exec"}
BANNED_METHODS = {"load_model"}
YAML_LOADERS = {"load", "load_all", "unsafe_load", "unsafe_load_all", "full_load", "full_load_all"}
LOCAL_GENERATORS = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "Philox", "PCG64", "PCG64DXSM", "SFC64"}


@dataclass(frozen=True)
class Import:
    target: str
    line: int
    typing_only: bool  # below `if TYPE_CHECKING:`
    lazy: bool  # inside a function


@dataclass(frozen=True)
class Module:
    name: str
    tree: ast.Module
    num_lines: int
    is_package: bool = False


def parse(name: str, source: str, is_package: bool = False) -> Module:
    return Module(name, ast.parse(source), len(source.splitlines()), is_package)


def read_modules(folder: str) -> dict[str, Module]:
    """Every Python file below a folder of the repository, by dotted name."""
    modules = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules[name] = parse(name, path.read_text(encoding="utf-8"), is_package)
    return modules


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def walk_statements(node: ast.AST, typing_only: bool, lazy: bool) -> Iterator[tuple[ast.AST, bool, bool]]:
    """Every node below `node` with whether only type checkers see it and whether it waits for a call."""
    for child in ast.iter_child_nodes(node):
        yield child, typing_only, lazy
        within_typing = typing_only or is_type_checking(child)
        within_function = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from walk_statements(child, within_typing, within_function)


def absolute_base(module: Module, node: ast.ImportFrom) -> str:
    """The dotted package that a `from … import` names, relative dots resolved."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parts = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*parts, *([node.module] if node.module else [])])


def imports_of(module: Module, known: frozenset[str]) -> Iterator[Import]:
    for node, typing_only, lazy in walk_statements(module.tree, False, False):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, typing_only, lazy)
        elif isinstance(node, ast.ImportFrom):
            base = absolute_base(module, node)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(full if full in known else base, node.lineno, typing_only, lazy)


def layer(name: str, is_package: bool) -> int | None:
    """Layer of a module; a package's own `__init__` runs before its lowest room, so it counts as that one."""
    if is_package:
        inner = [value for key, value in LAYERS.items() if key.startswith(f"{name}.")]
        if inner:
            return min(inner)
    while name:
        if name in LAYERS:
            return LAYERS[name]
        name = name.rpartition(".")[0]
    return None


def room(name: str) -> str:
    top = ".".join(name.split(".")[:2])
    return ROOMMATES.get(top, top)


def upward_imports(module: Module, modules: dict[str, Module]) -> list[str]:
    own = layer(module.name, module.is_package)
    if own is None:
        return [f"{module.name}: stands in no row of the layer table"]
    found = []
    for item in imports_of(module, frozenset(modules)):
        if item.target.split(".")[0] != "trader":
            continue
        target = modules.get(item.target)
        other = layer(item.target, target is not None and target.is_package)
        if other is None or other > own or (other == own and room(item.target) != room(module.name)):
            found.append(f"{module.name}:{item.line} (layer {own}) imports {item.target} (layer {other})")
    return found


def is_core(name: str) -> bool:
    return any(name == room_name or name.startswith(f"{room_name}.") for room_name in CORE)


def allowed_in_core(owner: str, target: str) -> bool:
    top = target.split(".")[0]
    allowed = CORE_MAY_IMPORT | (BACKEND_MAY_IMPORT if owner.startswith("trader.backend") else set())
    return top == "trader" or top in sys.stdlib_module_names or top in allowed


def with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def foreign_core_imports(modules: dict[str, Module]) -> list[str]:
    """Third-party packages that importing the core would load, through any module of ours that it reaches."""
    found, seen = [], set()
    pending = [name for name in modules if is_core(name)]
    while pending:
        name = pending.pop()
        if name in seen or name not in modules:
            continue
        seen.add(name)
        for item in imports_of(modules[name], frozenset(modules)):
            if item.typing_only or (item.lazy and not is_core(name)):
                continue
            if item.target.split(".")[0] == "trader":
                pending.extend(with_parents(item.target))
            elif not allowed_in_core(name, item.target):
                found.append(f"{name}:{item.line} imports {item.target}")
    return found


def dotted(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def banned_call(module: Module, node: ast.Call) -> str | None:
    name = dotted(node.func)
    owner, _, method = name.rpartition(".")
    if name in BANNED_CALLS or method in BANNED_METHODS:
        return f"calls {name}"
    if owner in {"yaml", "ryaml"} and method in YAML_LOADERS:
        return f"calls {name}"
    if owner in {"np.random", "numpy.random"} and method not in LOCAL_GENERATORS:
        return f"draws from the global generator by {name}"
    if owner == "random":
        return f"draws from the global generator by {name}"
    if name == "print" and not module.name.startswith(PRINTING_ROOMS):
        return "prints"
    for keyword in node.keywords:
        if keyword.arg == "allow_pickle" and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        ):
            return "allows pickled arrays"
    return None


def banned_import(node: ast.AST) -> str | None:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or ""] + [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return None
    for name in names:
        if name.split(".")[0] in CODE_RUNNERS or name in {f"yaml.{loader}" for loader in YAML_LOADERS}:
            return f"imports {name}"
        if name.startswith("numpy.random.") and name.rpartition(".")[2] not in LOCAL_GENERATORS:
            return f"imports the global generator's {name}"
    return None


def banned_things(module: Module) -> list[str]:
    found = []
    for node in ast.walk(module.tree):
        message = banned_import(node)
        if isinstance(node, ast.Call):
            message = banned_call(module, node)
        elif isinstance(node, ast.Assert):
            message = "asserts (python -O drops it)"
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            message = "has a bare except"
        if message:
            found.append(f"{module.name}:{getattr(node, 'lineno', 0)} {message}")
    return found


def too_long(module: Module) -> list[str]:
    found = [f"{module.name} has {module.num_lines} lines"] if module.num_lines > MAX_LINES else []
    functions = (node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return found + [
        f"{module.name}.{function.name} has {lines} lines"
        for function in functions
        if (lines := num_code_lines(function)) > MAX_FUNCTION_LINES
    ]


def num_code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without those of the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    text = function.body[0]
    return lines - ((text.end_lineno or text.lineno) - text.lineno + 1)
