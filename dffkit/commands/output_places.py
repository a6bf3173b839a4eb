"""Where `run` writes: known to be possible before a network is loaded, and never over what it reads."""

import os
from pathlib import Path

from dffkit.datasets.images import IMAGES
from dffkit.support.errors import CommandError


def check_places(source: Path | None, video: Path, lines: Path | None) -> None:
    """Look at the places of the results, so that no frame is computed in vain.

    Args:
        source: the file or folder that is read; None for what is neither.
        video: `--out`.
        lines: `--json`; None where no file is written.

    Raises:
        CommandError: if one of them is the input or another one, a folder, or can't be written to.
    """
    places = {"--out": video} | ({} if lines is None else {"--json": lines})
    for option, path in places.items():
        if source is not None and _is_part(path, source):
            raise CommandError(f"{option} {path}: is the input, which would be overwritten; give it another name")
    if lines is not None and _same(lines, video):
        raise CommandError(f"--json {lines}: is the file of --out too; give one of them another name")
    for option, path in places.items():
        if problem := _problem(path):
            raise CommandError(f"{option} {path}: {problem}; give the name of a file in a folder of yours")


def _same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)  # also by other letters, or by a second link
    return one.resolve() == other.resolve()


def _is_part(path: Path, source: Path) -> bool:
    """Whether writing there changes the source: the file itself, or an image of the folder."""
    return _same(path, source) or (path.suffix.lower() in IMAGES and _same(path.parent, source))


def _problem(path: Path) -> str | None:
    """Why no file can be written there; None where it can."""
    if path.is_dir():
        return "is a folder"
    if path.exists():
        return None if os.access(path, os.W_OK) else "must not be written to"
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        return f"{above} is no folder"
    return None if os.access(above, os.W_OK) else f"the folder {above} must not be written to"
