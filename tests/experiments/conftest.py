"""Places of their own for runs and results: with hand-made data, and without any."""

import pytest
from tiny_queue import workspace  # noqa: F401  a fixture

from dffkit.experiments.runs import Workspace


@pytest.fixture
def bare_workspace(tmp_path, monkeypatch):
    """A workspace of its own, and a data folder that is empty."""
    monkeypatch.setenv("DFFKIT_DATA", str(tmp_path / "real"))
    return Workspace(tmp_path / "runs", tmp_path / "results", tmp_path / "cache", progress=False)
