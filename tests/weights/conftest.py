"""The folder of weights that the tests here share."""

import pytest
from stored_weights import stored, use_networks


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with both models, for tests to damage."""
    use_networks(monkeypatch)
    return stored(tmp_path / "weights")
