"""Files that processes share, whole or absent, held by one process at a time; and those of the repository."""

import contextlib
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dffkit.support.errors import BusyError, CommandError, DataError


@contextlib.contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; when the block ends, put that file on the disk and rename it to `path`.

    If the block raises, Ctrl-C included, the new file is deleted and `path` stays as it was. A process that is killed
    leaves at most a `.part` file. Missing folders are made. Each call has a `.part` file of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())  # the content is on the disk before the name is
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write(path: Path, content: str | bytes) -> Path:
    """Write a whole file through `staged` and return its path. Text is UTF-8 with Unix line ends on every system."""
    with staged(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_lines(path: Path, remedy: str) -> list[tuple[int, str]]:
    """Return the number, from 1, and the stripped text of each line with content of a text file.

    The file is UTF-8, with or without byte order mark and with any line ends, on every system.

    Raises:
        DataError: if the file is missing, can't be read, or is in another encoding; with the remedy.
    """
    try:
        text = path.read_text("utf-8-sig")
        if "\0" in text:
            raise ValueError("it has zero bytes, as UTF-16 has")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {remedy}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is no text in UTF-8: {error}; {remedy}, or save it as UTF-8") from error
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


@contextlib.contextmanager
def locked(folder: Path, busy: str | None = None) -> Iterator[None]:
    """Hold a folder: one process at a time. The system frees the folder when the process ends, however it ends.

    Args:
        folder: made if it is missing. Its file `.lock` carries the lock and stays there.
        busy: the message of the error when another process holds the folder; without one, wait for that process.

    Raises:
        BusyError: if another process holds the folder and `busy` is given.
    """
    from filelock import FileLock, Timeout  # here, because `import dffkit` loads torch and torchvision only

    folder.mkdir(parents=True, exist_ok=True)
    try:
        hold = FileLock(folder / ".lock").acquire(blocking=busy is None)
    except Timeout:
        raise BusyError(busy) from None
    with hold:
        yield


def fingerprint(settings: dict[str, Any]) -> str:
    """Return twelve hexadecimal digits that name these JSON-like settings, whatever their order, on every machine."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def root() -> Path:
    """Return the repository's folder; raise `CommandError` if the package is installed without its repository."""
    # Folders above it are not searched: a copy installed into another project would find that one's pyproject.toml.
    folder = Path(__file__).resolve().parents[2]
    if not (folder / "pyproject.toml").is_file():
        raise CommandError(
            "dffkit is installed without its repository, so there are no notebooks, tests or figures to work on.\n"
            "Clone the repository and run this command there (README.md, 'Two commands')."
        )
    return folder


def own_folder() -> Path:
    """Return the folder for what this user makes: the one that DFFKIT_HOME names, or else the repository.

    Where many users share a repository that they can't write, it is `dffkit` in each user's home.
    """
    if named := os.environ.get("DFFKIT_HOME"):
        return Path(named).resolve()
    return root() if os.access(root(), os.W_OK) else Path.home() / "dffkit"


def data_folder() -> Path:
    """Return the folder of the real data sets: the one that DFFKIT_DATA names, or data/real/ of the repository.

    Where the repository has no data sets and can't be written, it is data/real/ of the user's own folder.
    """
    shared = root() / "data" / "real"
    return Path(os.environ.get("DFFKIT_DATA") or (shared if shared.exists() else own_folder() / "data" / "real"))


def require(extra: str, modules: tuple[str, ...]) -> None:
    """Raise `CommandError` naming the `modules` that can't be imported, and the pip command for their `extra`."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise CommandError(
            f"This command needs packages that are not installed: {', '.join(missing)}.\n"
            f'Install them, in the repository, with:  {sys.executable} -m pip install -e ".[{extra}]"'
        )


def find_notebooks(folder: Path, numbers: tuple[str, ...] = ()) -> list[Path]:
    """Return the numbered notebooks of a folder in reading order, all or those asked for; refuse a missing one."""
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    absent = set(numbers) - {path.name[:2] for path in paths}
    if absent or not paths:
        raise CommandError(f"No notebook {' '.join(sorted(absent)) or 'NN_*.ipynb'} in {folder}.")
    return [path for path in paths if not numbers or path.name[:2] in numbers]
