"""A data set `toy` on a server of our own, what it unpacks to, and its fetching; the tests of `fetch` share it."""

import argparse
import hashlib
import io
import json
import zipfile
from pathlib import Path

from loopback_server import whole

from dffkit.datasets import fetch
from dffkit.datasets.fetch.download import Patience

PATIENCE = Patience(connect=10, read=10, attempts=1, pause=0)
SPLIT = b"1\n2\n1\n"


def packed(**files: bytes) -> bytes:
    """A zip with these files in `all/data/` and another one outside."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("all/README", b"not wanted")
        for name, content in files.items():
            archive.writestr(f"all/data/{name}", content)
    return stream.getvalue()


FIRST, SECOND = packed(one=b"1" * 3000, two=b"2"), packed(one=b"another", two=b"2")
HASH, SECOND_HASH = hashlib.sha256(FIRST).hexdigest(), hashlib.sha256(SECOND).hexdigest()
UNPACKED = {"one": b"1" * 3000, "two": b"2", "split.txt": SPLIT}
SECOND_UNPACKED = UNPACKED | {"one": b"another"}


def serve(server, archive: bytes = FIRST) -> None:
    server.asked.clear()
    server.answers = [lambda handler: whole(SPLIT if handler.path.endswith("split") else archive)(handler)]


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    fetch.add_arguments(parser)
    return fetch.main(parser.parse_args([str(argument) for argument in arguments]))


def get(place: Path, **options) -> Path:
    return fetch.fetch("toy", place, patience=PATIENCE, progress=False, **options)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def stored(place: Path) -> dict[str, str]:
    return json.loads((place / "fetched.json").read_text(encoding="utf-8"))
