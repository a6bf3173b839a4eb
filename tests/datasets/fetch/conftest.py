"""A server with the data set `toy`, and where it is fetched to."""

import loopback_server
import pytest

from dffkit.datasets import fetch
from dffkit.datasets.fetch.public_copies import ZIP, File, PublicCopy


@pytest.fixture
def server(monkeypatch):
    """A server whose files are the data set `toy`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = loopback_server.started()
    archive = File(server.address, "toy.zip", 3400, ZIP, inside="all/data", max_files=5, max_size=5000)
    split = File(f"{server.address}/split", "split.txt", 6, (b"1",))
    data_set = PublicCopy("Toy: two numbers", "Please cite Someone (2017). For research.", 3007, (archive, split))
    monkeypatch.setattr(fetch, "PUBLIC_COPIES", {"toy": data_set})
    yield server
    server.close()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "real"
