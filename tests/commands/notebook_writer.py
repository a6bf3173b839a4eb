"""A writer of small notebooks; the tests of what runs, shows and compares notebooks share it."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_notebook


def write_notebook(path: Path, *cells) -> Path:
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path
