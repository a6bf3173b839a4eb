"""`python -m dffkit book`: the notebooks, the documents and the library's reference as a static site."""

import argparse
from pathlib import Path

from dffkit.commands.cli import at_least
from dffkit.support.files import find_notebooks, own_folder, root

PICTURES = 120  # at most, for the widgets of a notebook


def add_book_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `book`."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write here, replacing what is there (default: build/book)"
    )
    pictures = f"draw at most N pictures for a notebook (default: {PICTURES}); 0: leave the stored ones"
    parser.add_argument("--pictures", type=at_least(0), default=PICTURES, metavar="N", help=pictures)


def book_main(arguments: argparse.Namespace) -> int:
    """Build the book from the notebooks' stored outputs and print where it is."""
    import nbformat

    from dffkit.commands.book import site

    out = arguments.out or own_folder() / "build" / "book"
    notebooks = {path: nbformat.read(path, as_version=4) for path in find_notebooks(root() / "notebooks")}
    site.build(notebooks, out, arguments.pictures)
    print(f"The book is built. Open {out / 'index.html'} in a browser.")
    return 0
