"""The house: pins, licence, build targets and what the repository keeps."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINS = [ROOT / "requirements.txt", ROOT / "benchmarks" / "requirements.txt"]
DISTRIBUTIONS = {"yaml": "pyyaml", "talib": "ta-lib"}  # import name -> package name, where they differ
EXTRAS = ("jax", "gym")  # what may be imported where the user asked for it
TARGETS = ["quickstart", "test", "test-bench", "check", "bench", "format", "clean"]

ADDRESS = re.compile(
    r"://|\bfile:|--(extra-)?index|--find-links|--trusted-host|\s@\s|^-[eifc]\b|(?<!\w)/\w", re.MULTILINE
)
PIN = re.compile(r"^[A-Za-z0-9._-]+(\[[a-z,]+\])?==[0-9][^\s;]*( ; .+)?$")
COMPUTES = re.compile(
    r"^(?:from|import) keras"
    r"|^(?:from trader\.|import trader\.|from trader import .*)\b(agents|backend|envs|gym|lanes|rollout|training)\b",
    re.MULTILINE,
)
# Spelt in two parts, so that this file does not contain what it looks for.
INDEX = re.compile("--(extra-)?" + "index-url" + '|registry = "' + 'http|"resolved": "' + "http")


def lines_of(pins: str) -> list[str]:
    return [line for line in pins.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def loose_lines(pins: str) -> list[str]:
    return [line for line in lines_of(pins) if not PIN.match(line)]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name, maxsplit=1)[0]).lower()


def unexplained(block: str) -> list[str]:
    return [line.strip() for line in block.splitlines() if '"' in line and not re.search(r'["\]],?\s*# \S', line)]


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listing.decode().split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.parent.name)
def test_pins_are_exact_and_name_no_host_and_no_local_path(path: Path):
    text = path.read_text()
    assert loose_lines(text) == []
    assert ADDRESS.findall(text) == []


def test_a_loose_pin_and_every_kind_of_address_are_caught():
    assert loose_lines("numpy==2.4.6\npandas>=2\n") == ["pandas>=2"]
    for line in ["-i https" + "://x/simple", "--find-links wheels", "-e .", "torch @ file:///w.whl", "# from /opt/x"]:
        assert ADDRESS.search(f"numpy==2.4.6\n{line}\n"), line
    clean = "# made by uv\nnumpy==2.4.6 ; python_full_version < '3.12'\n    # via trader (pyproject.toml)\n"
    assert loose_lines(clean) == []
    assert not ADDRESS.search(clean)


def test_every_direct_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {normal(name) for name in project["dependencies"] + project["optional-dependencies"]["dev"]}
    pinned = {normal(line) for line in lines_of((ROOT / "requirements.txt").read_text())}
    assert wanted - pinned == set()


def undeclared(sources: list[str], declared: set[str]) -> set[str]:
    """Packages that some source imports and nobody declares."""
    names = {name for source in sources for name in re.findall(r"^\s*(?:import|from) (\w+)", source, re.MULTILINE)}
    foreign = names - set(sys.stdlib_module_names) - {"trader"}
    return {normal(DISTRIBUTIONS.get(name, name)) for name in foreign} - declared


def test_the_package_imports_what_it_declares_and_nothing_else():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {normal(name) for name in project["dependencies"]}
    extras = {normal(name) for extra in EXTRAS for name in project["optional-dependencies"][extra]}
    declared = needed | extras
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "trader").rglob("*.py")]
    assert undeclared(sources, declared) == set()
    unused = {name for name in declared if not undeclared(sources, declared - {name})}
    assert unused == {"arch"}  # its price files are read without importing it


def test_an_undeclared_import_is_caught():
    assert undeclared(["import os\nimport yaml\n", "def f():\n    from scipy.stats import norm\n"], {"pyyaml"}) == {
        "scipy"
    }


def test_every_dependency_states_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    required = text.split("dependencies = [", 1)[1].split("\n]", 1)[0]
    optional = text.split("[project.optional-dependencies]", 1)[1].split("[project.scripts]", 1)[0]
    assert unexplained(required) + unexplained(optional) == []


def test_a_dependency_without_a_reason_is_caught():
    assert unexplained('  "numpy>=2",  # arrays\n  "leftpad>=1",\n') == ['"leftpad>=1",']


def test_no_tracked_file_names_a_package_index():
    found = [str(path) for path in tracked_files() if INDEX.search(path.read_text(encoding="utf-8", errors="ignore"))]
    assert found == []


def test_an_index_address_would_be_caught():
    assert INDEX.search("pip install --extra-" + "index-url somewhere")


def test_the_runs_folder_is_kept_and_its_content_ignored():
    assert (ROOT / "runs" / ".gitkeep").is_file()
    rules = (ROOT / ".gitignore").read_text().splitlines()
    assert "runs/*" in rules
    assert "!runs/.gitkeep" in rules


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_the_target(target: str):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("target", ["quickstart", "test", "check", "bench", "format"])
def test_make_sets_up_the_environment_first(target: str):
    plan = subprocess.run(
        ["make", "--always-make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert plan.index("-m venv .venv") < plan.index(".venv/bin/python -m pip") < plan.rindex(".venv/bin/")


def on_one_backend_only(sources: dict[str, str], on_both: list[str]) -> list[str]:
    """Test files that import what computes and are not among those that run on both backends."""
    files = [name for name, source in sources.items() if COMPUTES.search(source)]
    return [name for name in files if not any(name == path or name.startswith(f"{path}/") for path in on_both)]


def test_every_test_of_what_computes_runs_on_both_backends():
    plan = subprocess.run(["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    on_jax = plan[plan.index("KERAS_BACKEND=jax") :]
    paths = re.findall(r"\btests/[\w./]+", on_jax)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    files = (ROOT / "tests").rglob("test_*.py")
    tests = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}
    assert on_one_backend_only(tests, paths) == []


def test_a_test_of_one_backend_only_would_be_seen():
    sources = {"tests/a/test_x.py": "import keras\n", "tests/test_y.py": "from trader import backend, rollout\n"}
    assert on_one_backend_only(sources | {"tests/test_z.py": "import numpy\n"}, ["tests/a"]) == ["tests/test_y.py"]


def test_make_clean_leaves_the_runs_alone():
    plan = subprocess.run(["make", "--dry-run", "clean"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "rm -rf .venv" in plan
    assert "runs" not in plan


def test_the_ci_script_is_executable_bash_that_stops_at_the_first_failure():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_licence_is_mit():
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("MIT License")
    assert "The trader authors" in text
