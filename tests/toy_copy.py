"""A public copy `toy` on a server of this machine, and archives in memory; the tests of `fetch` share them."""

import hashlib
import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dffkit.datasets import fetch as module
from dffkit.datasets.public_copies import ZIP, File, PublicCopy

SPLIT = b"1\n2\n1\n"


def packed(members) -> bytes:
    """Return a zip of `(name or ZipInfo, content)`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def toy(**files):
    """Return an archive with these files in `all/data/` and another file outside."""
    return packed([("all/README", b"not wanted"), *((f"all/data/{name}", text) for name, text in files.items())])


FIRST, SECOND = toy(one=b"1" * 3000, two=b"2"), toy(one=b"another", two=b"2")
UNPACKED = {"one": b"1" * 3000, "two": b"2", "split.txt": SPLIT}
SECOND_UNPACKED = UNPACKED | {"one": b"another"}


class Handler(BaseHTTPRequestHandler):
    """Answers with the server's `status` and the first `upto` bytes of its archive or of the split file."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers)
        content = SPLIT if self.path.endswith("split") else server.archive
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: server.upto])

    def log_message(self, *_):
        pass


def serve(monkeypatch):
    """Start a server on this machine, and make its two files the only public copy, `toy`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.archive, server.upto, server.asked = 200, FIRST, None, []
    server.address = f"http://127.0.0.1:{server.server_port}/file"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    archive = File(server.address, "toy.zip", 3400, ZIP, inside="all/data", max_files=5, max_size=5000)
    split = File(f"{server.address}/split", "split.txt", 6, (b"1",))
    data_set = PublicCopy("Toy: two numbers", "Please cite Someone (2017). For research.", 3007, (archive, split))
    monkeypatch.setattr(module, "PUBLIC_COPIES", {"toy": data_set})
    return server


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def get(place, **options):
    return module.fetch("toy", place, **options)


def names(folder):
    return {path.name for path in folder.iterdir()} - {".lock"}


def stored(place):
    return json.loads((place / "fetched.json").read_text(encoding="utf-8"))
