import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from trader.runs.folder import RunFolder, create_run

NOBODY = 65534


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    return {
        "variables/dense/kernel": np.arange(12, dtype=np.float32).reshape(3, 4),
        "carry/key": np.array([7, 2**32 - 1], dtype=np.uint32),
        "carry/step": np.array(25_000, dtype=np.int64),
        "carry/empty": np.zeros((0, 3), dtype=np.float16),
    }


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create_run(tmp_path / "runs", "first", "seed: 0\n", {"command": "trader train", "seeds": [0]})


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that this process may read and not write, also when the tests run as root."""
    home = Path(tempfile.mkdtemp())
    folder = home / "read-only"
    folder.mkdir()
    folder.chmod(0o555)
    home.chmod(0o755)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if was_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(home)
