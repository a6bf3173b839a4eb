"""The repository this package runs from, its data and notebooks, and the extras that a command needs."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from dffkit.support.errors import CommandError


def root() -> Path:
    """Return the repository's folder: the one that holds the package.

    Folders above it are not searched: a copy installed into another project would find that project's
    `pyproject.toml`.

    Raises:
        CommandError: if the package is installed without its repository.
    """
    folder = Path(__file__).resolve().parents[2]
    if not (folder / "pyproject.toml").is_file():
        raise CommandError(
            "dffkit is installed without its repository, so there are no notebooks, tests or figures to work on.\n"
            "Clone the repository and run this command there (README.md, 'Two commands')."
        )
    return folder


def data_folder() -> Path:
    """Return the folder of the real data sets: the one that DFFKIT_DATA names, or data/real/ of the repository."""
    return Path(os.environ.get("DFFKIT_DATA") or root() / "data" / "real")


def require(extra: str, modules: tuple[str, ...]) -> None:
    """Raise `CommandError` naming the `modules` that can't be imported, and the pip command for their `extra`."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise CommandError(
            f"This command needs packages that are not installed: {', '.join(missing)}.\n"
            f'Install them, in the repository, with:  {sys.executable} -m pip install -e ".[{extra}]"'
        )


def find_notebooks(folder: Path, numbers: tuple[str, ...] = ()) -> list[Path]:
    """Return the numbered notebooks of `folder` in reading order: all of them, or those with the given numbers.

    Raises:
        CommandError: if a number has no notebook, or the folder has none.
    """
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    absent = set(numbers) - {path.name[:2] for path in paths}
    if absent or not paths:
        raise CommandError(f"No notebook {' '.join(sorted(absent)) or 'NN_*.ipynb'} in {folder}.")
    return [path for path in paths if not numbers or path.name[:2] in numbers]
