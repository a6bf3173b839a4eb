"""A folder of weights."""

import pytest
from stored_weights import stored, use_networks


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with both models; tests break it."""
    use_networks(monkeypatch)
    return stored(tmp_path / "weights")
