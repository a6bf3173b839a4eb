"""A place of its own for runs and results, without real data."""

import pytest

from dffkit.experiments.place import Place


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place of its own, and a data folder that is empty."""
    monkeypatch.setenv("DFFKIT_DATA", str(tmp_path / "real"))
    return Place(tmp_path / "runs", tmp_path / "results", tmp_path / "cache", progress=False)
