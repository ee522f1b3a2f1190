"""The benchmarks' plain configs say what `trader.config` says, and `gpu.py` needs nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import plain
import pytest

from trader.config import A2cConfig, DqnConfig, EnvConfig, MlpNetwork, TrainConfig

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAIRS = [
    (plain.Network(), MlpNetwork),
    (plain.A2c(), A2cConfig),
    (plain.Dqn(), DqnConfig),
    (plain.Env(), EnvConfig),
    (plain.Train(), TrainConfig),
]
FOREIGN = ("pydantic", "pandas", "typer", "yaml", "tensorflow", "arch", "talib", "holidays", "plotly")


def listed(value):
    """Return a record as the document it stands for."""
    if hasattr(value, "_asdict"):
        return {key: listed(part) for key, part in value._asdict().items()}
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("record", "config"), PAIRS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_plain_record_is_the_config_of_its_values(record, config):
    checked = config.model_validate(listed(record))
    assert set(record._fields) == set(config.model_fields)
    assert listed(record) == checked.model_dump()
    properties = [name for name in ("num_actions", "cost_fraction") if hasattr(record, name)]
    assert [getattr(record, name) for name in properties] == [getattr(checked, name) for name in properties]


def test_the_gpu_script_runs_with_keras_jax_and_numpy_alone():
    pytest.importorskip("jax", reason="the script runs on JAX")
    blocked = (
        f"import sys, runpy; sys.modules.update(dict.fromkeys({FOREIGN!r})); sys.path.insert(0, {str(BENCHMARKS)!r})"
    )
    measured = "sys.argv = ['gpu.py', '--quick', '--precision', 'float32', '--envs', '16', '--seconds', '0.01']"
    script = f"{blocked}; {measured}; runpy.run_path({str(BENCHMARKS / 'gpu.py')!r}, run_name='__main__')"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, done.stderr
    assert '"share_of_roof"' in done.stdout
