"""A place of its own for runs and results."""

import pytest
from tiny_queue import own_place


@pytest.fixture
def place(tmp_path, monkeypatch):
    return own_place(tmp_path, monkeypatch)
