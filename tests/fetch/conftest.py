"""A server with the data set `toy`, and where it is fetched to."""

import pytest
from toy_data import toy_server


@pytest.fixture
def server(monkeypatch):
    yield from toy_server(monkeypatch)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "real"
