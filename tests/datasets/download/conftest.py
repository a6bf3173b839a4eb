"""A server on this machine, and what is wanted from it."""

import loopback_server
import pytest

from dffkit.datasets.fetch import download as module
from dffkit.datasets.fetch.download import Wanted


@pytest.fixture
def server(monkeypatch):
    """A server on this machine; what it sends is read in chunks of 100 bytes."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "CHUNK", 100)
    server = loopback_server.started()
    yield server
    server.close()


@pytest.fixture
def wanted(server, tmp_path):
    return Wanted(server.address, tmp_path / "downloads" / "file.zip", begins=(b"PK\x03\x04",))
