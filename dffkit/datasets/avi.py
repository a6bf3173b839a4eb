"""The pieces that an AVI file has stored, empty ones too, which FFmpeg passes over."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

LISTS = (b"RIFF", b"LIST")
VIDEO = (b"dc", b"db")  # compressed, or not


def video_pieces(path: Path, stream: int) -> int:
    """How many whole pieces of video a stream of the file has; the piece of a frame that was dropped is empty."""
    names = {f"{stream:02}".encode() + kind for kind in VIDEO}
    return sum(name in names for name in _pieces(path))


def _pieces(path: Path) -> Iterator[bytes]:
    """The names of all pieces until the file ends or is cut off. Those in lists come as if there were no lists."""
    place, size = 0, os.path.getsize(path)
    with path.open("rb") as file:
        while place + 8 <= size:
            file.seek(place)
            name, length = struct.unpack("<4sI", file.read(8))
            if name in LISTS:
                place += 12  # its name, its length, and of what it is a list: then its first piece
                continue
            if place + 8 + length > size:
                return
            yield name
            place += 8 + length + length % 2
