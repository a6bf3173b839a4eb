"""Result tables of a test's own."""

import pytest

from dffkit.paper import ledger


@pytest.fixture
def results_folder(tmp_path, monkeypatch):
    """An empty folder, in place of data/results, for the tests' own result tables."""
    monkeypatch.setattr(ledger, "folder", lambda: tmp_path)
    return tmp_path
