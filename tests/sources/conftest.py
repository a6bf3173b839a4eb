"""A place of its own for runs and results, without real data."""

import pytest
from small_runs import own_place


@pytest.fixture
def place(tmp_path, monkeypatch):
    return own_place(tmp_path, monkeypatch)
