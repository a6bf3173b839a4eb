"""Files are there as a whole or not at all."""

import os
from pathlib import Path


def write(path: Path, content: str | bytes) -> Path:
    """Write a file beside its place, then rename it: a run that is killed leaves the old file or the new one.

    Text is UTF-8 with Unix line ends on every system. Missing folders are made. Processes that write the same file at
    the same time don't disturb each other.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(beside, path)
    except BaseException:  # Ctrl-C too
        beside.unlink(missing_ok=True)
        raise
    return path
