"""Room on a disk, asked for before it is needed."""

import shutil
from pathlib import Path

from dffkit.support.errors import CommandError


def require_room(folder: Path, size: int) -> None:
    """Raise `CommandError` if the disk of an existing folder has fewer than `size` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < size:
        need = f"{readable(size)} are needed on this disk, {readable(free)} are free"
        raise CommandError(f"{folder}: {need}; make room, or use another disk")


def readable(size: int) -> str:
    """A number of bytes in the unit that people use for it: 31000000000 -> "31.0 GB"."""
    for unit, bytes_of in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_of:
            return f"{size / bytes_of:.1f} {unit}"
    return f"{size} bytes"
