"""A writer of small notebooks for the tests of commands."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_notebook


def write_notebook(path: Path, *cells) -> Path:
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path
