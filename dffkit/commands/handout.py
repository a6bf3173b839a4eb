"""`python -m dffkit handout`: the notebooks for a class, without the exercises' solutions and without outputs."""

import argparse
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from dffkit.commands.notebooks import normalise
from dffkit.support import files
from dffkit.support.errors import CommandError
from dffkit.support.files import find_notebooks, own_folder, root

SOLUTION = re.compile(r"\n*<details>\s*<summary>Solution</summary>.*?</details>", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")  # of Markdown, to a file


def add_handout_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handout`."""
    help_text = "gets notebooks/, and in the repository's layout what their links lead to (default: build/handout)"
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help=help_text)


def handout_main(arguments: argparse.Namespace) -> int:
    """Write the notebooks without solutions and outputs, and beside them the files that they show or link to."""
    repository, folder = root(), arguments.folder or own_folder() / "build" / "handout"
    if folder.resolve() == repository:
        raise CommandError(f"{folder}: the handout would replace the notebooks themselves; name another folder")
    for path in tqdm(find_notebooks(repository / "notebooks"), unit="notebook"):
        notebook = without_solutions(nbformat.read(path, as_version=4))
        nbformat.validate(notebook)
        files.write(folder / path.relative_to(repository), nbformat.writes(notebook) + "\n")
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                bring_linked(cell.source, path.parent, folder)
    print(f"{folder}: the handout. Copied over an installation of the kit, it is what `make lab` opens there.")
    return 0


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook without outputs and without the folded solutions of its exercises, changed in place."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = SOLUTION.sub("", cell.source)
        else:
            cell.outputs, cell.execution_count = [], None
    normalise(notebook)
    return notebook


def bring_linked(text: str, start: Path, folder: Path) -> None:
    """Copy the files that Markdown in the repository's folder `start` shows or links to, and likewise for its pages."""
    for link in LINK.findall(text):
        source = (start / link).resolve()
        if not source.is_relative_to(root()) or not source.is_file() or source.suffix == ".ipynb":
            continue
        place = folder / source.relative_to(root())
        if not place.exists() or place.read_bytes() != source.read_bytes():
            files.write(place, source.read_bytes())
            if source.suffix == ".md" and source.is_relative_to(root() / "notebooks"):
                bring_linked(source.read_text(encoding="utf-8"), source.parent, folder)
