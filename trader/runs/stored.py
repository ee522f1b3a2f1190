"""A run's own config, as it was trained with; reading it starts no backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trader.config import Experiment
from trader.config.load import load_experiment
from trader.errors import TraderError
from trader.runs.files import sha256_of
from trader.runs.folder import RunFolder
from trader.runs.manifest import CONFIG, MANIFEST


def stored_experiment(run: RunFolder, manifest: Mapping[str, Any], overrides: Sequence[str] = ()) -> Experiment:
    """Return a run's config with what earlier resumes changed in it, then `overrides`.

    Raises:
        TraderError: `config.yaml` is not the one that was trained with.
    """
    if sha256_of(run.config) != manifest["files"].get(CONFIG):
        raise TraderError(
            f"{run.config}: changed since training (its sha256 is not the one in {MANIFEST}); restore it, and change"
            " keys with trader train --resume RUN --set KEY=VALUE"
        )
    return load_experiment(run.config, [*manifest.get("overrides", []), *overrides])
