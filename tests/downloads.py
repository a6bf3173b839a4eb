"""A file to download and a server that may give another one; the tests of downloads share them."""

import hashlib

import loopback_server

from dffkit.fetch import download as module
from dffkit.fetch.download import Patience, Wanted, download

PATIENCE = Patience(connect=10, read=10, attempts=3, pause=0)
HASTE = Patience(connect=10, read=0.4, attempts=3, pause=0)
CONTENT = b"PK\x03\x04" + bytes(i * i % 251 for i in range(2000))
OTHER = CONTENT[::-1]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ETAG = {"ETag": '"1"'}
DATE = {"Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT"}


def serving(monkeypatch):
    """A server on this machine; what it sends is read in chunks of 100 bytes."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "CHUNK", 100)
    server = loopback_server.started()
    yield server
    server.close()


def wanted_from(server, tmp_path):
    return Wanted(server.address, tmp_path / "downloads" / "file.zip", begins=(b"PK\x03\x04",))


def get(wanted: Wanted, patience: Patience = PATIENCE) -> str:
    return download(wanted, patience=patience, progress=False)


def left(wanted: Wanted) -> set[str]:
    """The names of what is in the folder of downloads."""
    return {path.name for path in wanted.path.parent.iterdir()}
