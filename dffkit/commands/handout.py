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
PICTURE = re.compile(r"!\[[^\]]*\]\((\.[^)\s]+)\)")  # of Markdown, from a file


def add_handout_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handout`."""
    help_text = "gets notebooks/ and figures/ (default: build/handout)"
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help=help_text)


def handout_main(arguments: argparse.Namespace) -> int:
    """Write the notebooks without solutions and outputs, their pages, and the pictures that both show from files."""
    repository, folder = root(), arguments.folder or own_folder() / "build" / "handout"
    if folder.resolve() == repository:
        raise CommandError(f"{folder}: the handout would replace the notebooks themselves; name another folder")
    pages = sorted((repository / "notebooks").glob("pages/*.md"))
    texts = {path: path.read_text(encoding="utf-8") for path in pages}
    for path in tqdm(find_notebooks(repository / "notebooks"), unit="notebook"):
        notebook = without_solutions(nbformat.read(path, as_version=4))
        nbformat.validate(notebook)
        files.write(folder / path.relative_to(repository), nbformat.writes(notebook) + "\n")
        texts[path] = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    pictures = {(path.parent / link).resolve() for path, text in texts.items() for link in PICTURE.findall(text)}
    for path in (*pages, *pictures):
        files.write(folder / path.relative_to(repository), path.read_bytes())
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
