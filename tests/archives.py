"""Zip archives in memory, and the contents of folders; the tests of `fetch` share them."""

import io
import zipfile
from pathlib import Path


def packed(members) -> bytes:
    """Return a zip of `(name or ZipInfo, content)`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
