"""The site: pages and widgets' pictures are put into a folder, and Sphinx turns them into HTML."""

import io
import shutil
import tempfile
from collections.abc import Mapping
from itertools import repeat
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils
from tqdm import tqdm

from dffkit import __version__
from dffkit.commands.book import PICTURES, pages, widgets
from dffkit.commands.notebooks import COLOURS
from dffkit.support.errors import CommandError
from dffkit.support.files import root
from dffkit.support.machine import in_processes

STATIC = Path(__file__).parent / "static"


def build(notebooks: Mapping[Path, NotebookNode], out: Path, pictures: int = PICTURES) -> None:
    """Build the book, which replaces the folder `out` when it is complete.

    Args:
        notebooks: path in the repository -> the notebook with its outputs, changed in place.
        out: the site's folder.
        pictures: the largest number of pictures for the widgets of a notebook.

    Raises:
        CommandError: if Sphinx warns, for example of a link that leads nowhere, or if `out` holds something else.
    """
    if out.exists() and not (out / "searchindex.js").is_file():
        raise CommandError(f"{out}: is there already and is no book; give the name of a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".book-", dir=out.parent) as scratch:
        source, static, site = (Path(scratch) / name for name in ("source", "static", "site"))
        draw_widgets(notebooks, static, pictures)
        pages.stage(root(), notebooks, source)
        run_sphinx(source, site, static)
        shutil.rmtree(out, ignore_errors=True)
        site.rename(out)


def draw_widgets(notebooks: Mapping[Path, NotebookNode], static: Path, pictures: int) -> None:
    """Draw the widgets' pictures into `static`, two notebooks at a time, and put the widgets into the notebooks."""
    static.mkdir(parents=True)
    if not pictures:
        return
    paths = [path for path, notebook in notebooks.items() if widgets.needed_statements(notebook)]
    folders = [static / "frames" / path.stem for path in paths]
    addresses = [f"../_static/frames/{path.stem}" for path in paths]
    these = [notebooks[path] for path in paths]
    drawn = in_processes(widgets.draw_notebook, these, folders, addresses, repeat(pictures), count=2)
    for notebook, html in zip(these, tqdm(drawn, "widgets", len(these), unit="notebook"), strict=True):
        pages.show_widgets(notebook, html)


def run_sphinx(source: Path, site: Path, static: Path) -> None:
    """Let Sphinx turn the pages in `source` into the site, and raise a CommandError if it warns."""
    settings = {**SETTINGS, "html_static_path": [str(STATIC), str(static)]}
    folders, warnings = (source, None, site, site.parent / "doctrees"), io.StringIO()
    with patch_docutils(), docutils_namespace():  # so that one process can build several sites
        book = Sphinx(*folders, "html", confoverrides=settings, status=None, warning=warnings)
        book.connect("autodoc-process-signature", _with_readable_defaults)
        book.build()
    if text := COLOURS.sub("", warnings.getvalue()).replace(f"{source}/", ""):
        raise CommandError(f"The book was not built, as Sphinx warned:\n{text}")


def _with_readable_defaults(*event: Any) -> tuple[str | None, str | None]:
    """Return a signature that Sphinx can format: it takes Python only, which a data class's `<factory>` is not."""
    *_, arguments, returned = event
    return arguments and arguments.replace("<factory>", "..."), returned


SETTINGS: dict[str, Any] = {
    "project": "dffkit",
    "version": __version__,
    "release": __version__,
    "html_title": f"dffkit {__version__}",
    "html_theme": "furo",
    "extensions": [
        "myst_nb",
        "sphinx.ext.autodoc",
        "sphinx.ext.napoleon",
        "sphinx.ext.viewcode",
        "dffkit.commands.book.mathml",
    ],
    "nb_execution_mode": "off",
    "nb_merge_streams": True,
    "nb_render_markdown_format": "myst",  # tables that a cell has made may link to other notebooks
    "myst_enable_extensions": ["dollarmath"],
    "myst_heading_anchors": 4,
    "suppress_warnings": ["myst.header"],  # the model cards, whose headings are small
    "highlight_language": "none",  # for blocks that name no language, such as the map of folders
    "default_role": "py:obj",  # one backtick in a docstring: code, and a link if it is a name of the page
    "autodoc_default_options": {"members": True, "member-order": "bysource"},
    "autodoc_typehints_format": "short",
    "autodoc_preserve_defaults": True,
    "napoleon_use_param": False,  # several parameters before one description stay together
    "napoleon_use_rtype": False,  # the first words of a returned value's description are no type
    "html_math_renderer": "mathml",
    "html_css_files": ["book.css"],
    "html_js_files": [("explorer.js", {"defer": "defer"})],
    "html_show_search_summary": False,  # pages from file:// may not fetch one another
    "html_copy_source": False,
    "html_show_sphinx": False,
    "html_show_copyright": False,
}
