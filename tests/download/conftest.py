"""A server on this machine, and what is wanted from it."""

import pytest
from downloads import serving, wanted_from


@pytest.fixture
def server(monkeypatch):
    yield from serving(monkeypatch)


@pytest.fixture
def wanted(server, tmp_path):
    return wanted_from(server, tmp_path)
