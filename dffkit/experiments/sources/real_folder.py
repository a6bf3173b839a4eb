"""Where a real data set lies, and what to do if it does not."""

from pathlib import Path

from dffkit.datasets.fetch.public_copies import PUBLIC_COPIES
from dffkit.support.errors import DataError
from dffkit.support.repository import data_folder


def real_folder(name: str) -> Path:
    """The folder of a real data set.

    Raises:
        DataError: if it is not there, saying how to get it.
    """
    folder = data_folder() / name
    if not folder.is_dir():
        command = f"get it with:  python -m dffkit fetch {name}" if name in PUBLIC_COPIES else "put the data set there"
        raise DataError(f"{folder}: no such folder; {command}\nIf it lies elsewhere, set DFFKIT_DATA (data/README.md)")
    return folder
