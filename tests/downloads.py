"""A file to download and what may come instead; the tests of downloads share them."""

import hashlib

from dffkit.datasets.fetch.download import Patience, Wanted, download

PATIENCE = Patience(connect=10, read=10, attempts=3, pause=0)
HASTE = Patience(connect=10, read=0.4, attempts=3, pause=0)
CONTENT = b"PK\x03\x04" + bytes(i * i % 251 for i in range(2000))
OTHER = CONTENT[::-1]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ETAG = {"ETag": '"1"'}
DATE = {"Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT"}


def get(wanted: Wanted, patience: Patience = PATIENCE) -> str:
    return download(wanted, patience=patience, progress=False)


def left(wanted: Wanted) -> set[str]:
    """The names of what is in the folder of downloads."""
    return {path.name for path in wanted.path.parent.iterdir()}
