"""`python -m dffkit book`: the notebooks, the documents and the library's reference as a static site."""

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from sphinx.application import Sphinx

from dffkit import __version__
from dffkit.commands.book import pages, widgets
from dffkit.commands.cli import at_least
from dffkit.support.errors import CommandError
from dffkit.support.files import find_notebooks, root

MATHML = "dffkit.commands.book.mathml"
STATIC = Path(__file__).parent / "static"


def add_book_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `book`."""
    out = Path("build/book")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help=f"default: {out}")
    count = f"draw at most N pictures for each widget (default: {widgets.LIMIT}); 0: none, the stored ones stay"
    parser.add_argument("--pictures", type=at_least(0), default=widgets.LIMIT, metavar="N", help=count)


def book_main(arguments: argparse.Namespace) -> int:
    """Build the book from the notebooks' stored outputs and print where it is."""
    notebooks = {path: nbformat.read(path, as_version=4) for path in find_notebooks(root() / "notebooks")}
    out = arguments.out or root() / "build" / "book"
    build(notebooks, out, arguments.pictures)
    print(f"The book: {out / 'index.html'}, to be opened in a browser")
    return 0


def build(notebooks: Mapping[Path, NotebookNode], out: Path, pictures: int = widgets.LIMIT) -> None:
    """Build the book, which replaces the folder `out` when it is complete.

    Args:
        notebooks: path in the repository -> the notebook with its outputs, changed in place.
        out: the site's folder.
        pictures: the largest number of pictures of a widget.

    Raises:
        CommandError: if Sphinx warns, for example of a link that leads nowhere; its warnings are printed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source, static, site = (Path(scratch) / name for name in ("source", "static", "site"))
        draw_widgets(notebooks, static, pictures)
        pages.stage(root(), notebooks, source)
        run_sphinx(source, site, static)
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(site, out)


def draw_widgets(notebooks: Mapping[Path, NotebookNode], static: Path, pictures: int) -> None:
    """Draw the widgets' pictures into `static`, two notebooks at a time, and put the widgets into the notebooks."""
    static.mkdir(parents=True)
    if not pictures:
        return
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        drawn = {}
        for path, notebook in notebooks.items():
            if widgets.needed_statements(notebook):
                place = static / "frames" / path.stem, f"../_static/frames/{path.stem}"
                drawn[path] = pool.submit(widgets.draw_notebook, notebook, *place, pictures)
        for path, future in drawn.items():
            pages.show_widgets(notebooks[path], future.result())


def run_sphinx(source: Path, site: Path, static: Path) -> None:
    """Let Sphinx turn the pages in `source` into the site."""
    settings = {**SETTINGS, "html_static_path": [str(STATIC), str(static)]}
    app = Sphinx(source, None, site, site.parent / "doctrees", "html", confoverrides=settings, status=None)
    app.build()
    if app.statuscode or app._warncount:
        raise CommandError(f"The book was not built: Sphinx gave {app._warncount} warnings (above).")


SETTINGS: dict[str, Any] = {
    "project": "dffkit",
    "version": __version__,
    "release": __version__,
    "html_title": f"dffkit {__version__}",
    "html_theme": "furo",
    "extensions": ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", MATHML],
    "nb_execution_mode": "off",
    "nb_merge_streams": True,
    "myst_enable_extensions": ["dollarmath"],
    "myst_heading_anchors": 4,
    "suppress_warnings": ["myst.header"],  # the model cards, whose headings are small
    "default_role": "py:obj",  # one backtick in a docstring: code, and a link if it is a name of the page
    "autodoc_default_options": {"members": True, "member-order": "bysource"},
    "autodoc_typehints_format": "short",
    "html_math_renderer": "mathml",
    "html_css_files": ["book.css"],
    "html_js_files": [("explorer.js", {"defer": "defer"})],
    "html_copy_source": False,
    "html_show_sphinx": False,
    "html_show_copyright": False,
}
