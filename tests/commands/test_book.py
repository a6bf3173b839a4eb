"""book/: the site is whole, loads nothing from elsewhere, and its widgets have the pictures that they name."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from places import REPOSITORY

import dffkit
from dffkit.commands.book import book_main, pages, widgets
from dffkit.commands.cli import build_parser
from dffkit.lessons.explore import Explorer, Picture, choice, slider
from dffkit.support.errors import CommandError
from dffkit.support.files import find_notebooks

for package in ("sphinx", "myst_nb", "furo"):
    pytest.importorskip(package, reason="needs the extra book")

from dffkit.commands.book import site  # noqa: E402  it imports Sphinx

# What myst-parser and others will have to change for Sphinx 11.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

NOTEBOOKS = find_notebooks(REPOSITORY / "notebooks")
WARPING = REPOSITORY / "notebooks" / "02_feature_warping.ipynb"


class Page(HTMLParser):
    """A page's title, its anchors, what it links to, and what it loads."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.text = path, path.read_text(encoding="utf-8")
        self.ids, self.links, self.loads = set(), set(), set()
        self.feed(self.text)
        self.title = html.unescape(re.search("<title>(.*?)</title>", self.text, re.DOTALL)[1])

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
        if tag == "a" or found.get("rel") in ("next", "prev", "index", "search", "author"):
            self.links.add(found.get("href") or "#")
        else:
            self.loads |= {found[name] for name in ("src", "href", "srcset", "poster") if found.get(name)}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The pages of the book by their address, with one living widget."""
    folder, draw = tmp_path_factory.mktemp("site") / "book", site.draw_widgets
    with pytest.MonkeyPatch.context() as patched:
        one = lambda notebooks, *rest: draw({WARPING: notebooks[WARPING]}, *rest)  # noqa: E731
        patched.setattr(site, "draw_widgets", one)
        book_main(build_parser("book").parse_args(["book", "--out", str(folder), "--pictures", "9"]))
    return {path.relative_to(folder).as_posix(): Page(path) for path in folder.rglob("*.html")}


def test_each_notebook_and_document_has_a_page_with_its_own_title(book):
    documents = [name for name in pages.REFERENCE if name != "api.md" and (REPOSITORY / name).is_file()]
    documents += [f"{pages.PAGES}/{path.name}" for path in (REPOSITORY / pages.PAGES).glob("*.md")]
    texts = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in documents}
    for path in NOTEBOOKS:
        texts[f"notebooks/{path.name}"] = nbformat.read(path, as_version=4).cells[0].source
    titles = {name: re.match("# (.+)", text)[1].replace("*", "") for name, text in texts.items()} | {
        "api.md": "The library"
    }
    shown = {
        name: book[str(Path(name).with_suffix(".html"))].title.rpartition(" - ")[0].replace("’", "'") for name in titles
    }
    assert shown == titles
    assert len(set(titles.values())) == len(titles)
    for name in titles:  # in the sidebar of every page
        assert f'href="{Path(name).with_suffix(".html")}"' in book["index.html"].text


def test_links_lead_to_pages_and_places(book):
    by_path = {page.path: page for page in book.values()}
    for address, page in book.items():
        for link in page.links | page.loads:
            if not re.match("(https?|data):", link):
                file, _, place = link.partition("#")
                target = (page.path.parent / unquote(file.partition("?")[0])).resolve() if file else page.path
                assert target.is_file(), f"{address} links to {link}"
                assert not place or place in by_path[target].ids, f"{address} links to {link}"


def test_nothing_is_loaded_from_elsewhere(book):
    for address, page in book.items():
        assert not [it for it in page.loads if re.match("(https?:)?//", it)], address
    folder = book["index.html"].path.parent
    for path in folder.rglob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", text), path.name
    for path in folder.rglob("*.js"):  # what is left are names of XML's vocabularies and words in licences
        text = re.sub(r"/\*.*?\*/|^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        if path.name != "searchindex.js":  # the words of the pages
            assert set(re.findall(r"['\"`](https?://[^'\"`/]+)", text)) <= {"http://www.w3.org"}, path.name


def test_a_widget_has_all_pictures_that_its_sliders_name(book):
    page = book["notebooks/02_feature_warping.html"]
    (figure,) = re.findall('<figure class="explorer" data-folder="([^"]+)">(.*?)</figure>', page.text, re.DOTALL)
    folder, inside = page.path.parent / figure[0], figure[1]
    across, down = (int(last) + 1 for last in re.findall(r'<input type="range" min="0" max="(\d+)"', inside))
    texts = json.loads(re.search('<script type="application/json">(.*?)</script>', inside, re.DOTALL)[1])
    assert set(texts) == {f"{x}-{y}" for x in range(across) for y in range(down)}
    assert {path.name for path in folder.iterdir()} == {f"{name}.webp" for name in texts}
    assert len({path.read_bytes() for path in folder.iterdir()}) == len(texts)
    cell = nbformat.read(WARPING, as_version=4).cells[int(folder.name)]
    assert f'alt="{html.escape(cell.outputs[0].data["text/plain"])}"' in inside, "it begins with the stored picture"


def test_pictures_have_their_texts_and_formulae_are_in_the_page(book):
    page = book["notebooks/02_feature_warping.html"].text
    stored = [output for cell in nbformat.read(WARPING, as_version=4).cells for output in cell.get("outputs", [])]
    texts = [output.data["text/plain"] for output in stored if "image/png" in output.get("data", {})]
    assert len(texts) == 8
    assert all(f'alt="{text}"' in html.unescape(page) for text in texts)
    assert page.count("<math ") == 5
    assert "$$" not in page


def test_hints_solutions_and_answers_are_folded(book):
    for path in NOTEBOOKS:
        page, cells = book[f"notebooks/{path.stem}.html"].text, nbformat.read(path, as_version=4).cells
        folded = sum(cell.source.count("<summary>") for cell in cells if cell.cell_type == "markdown")
        assert page.count("<summary>") == folded
        assert not re.search(r"</summary>\s*</details>", page)


def test_figures_and_linked_files_are_shown(book):
    names = {path.stem for path in (REPOSITORY / "figures").glob("*.svg")}
    figures = book["figures/README.html"]
    assert {Path(it).stem for it in figures.loads if it.endswith(".png")} == names
    assert {name.replace("_", "-") for name in names} <= figures.ids
    assert "def" in book["dffkit/warp.py.html"].text
    assert "propagate" in book["dffkit/warp.py.html"].text


def test_the_recaps_map_leads_to_functions_and_sections(book):
    links = book["notebooks/99_recap.html"].links
    assert "../dffkit/warp.py.html#warp-loops" in links
    assert "../tests/library/test_warp.py.html#test-kernel-is-a-tent" in links
    assert "02_feature_warping.html#a-map-of-44-cells-core" in links


def test_a_page_of_code_has_a_part_for_each_definition():
    text = '"""A."""\n\nB = 1\n\n\n@cache\ndef c():\n    def d(): ...\n\n\nclass E:\n    def f(self): ...\n'
    parts = pages._definitions(text)
    assert [name for name, _ in parts] == ["", "c", "E"]
    assert parts[1][1].startswith("@cache\ndef c")
    assert "\n\n\n".join(code.rstrip() for _, code in parts) + "\n" == text


def test_the_reference_has_every_public_name(book):
    assert {f"dffkit.{name}" for name in dffkit.__all__} <= book["api.html"].ids


def test_the_reference_is_as_the_code_is_written(book):
    shown = html.unescape(re.sub("<[^>]*>", "", book["api.html"].text))
    for innards in ("<function", "<factory>", "~collections", "Alias for field", "Return type"):
        assert innards not in shown
    assert "cell_anchors, clip, propose, pool" in shown


def sphinx_of(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / "static").mkdir()
    site.run_sphinx(folder, folder / "site", folder / "static")
    return (folder / "site" / "index.html").read_text(encoding="utf-8")


def test_a_changed_docstring_shows(tmp_path, monkeypatch):
    monkeypatch.setattr(dffkit.propagate, "__doc__", "Carry features over `(B, C, h, w)` the hills.")
    assert "the hills" in sphinx_of(tmp_path, index=pages.api_page())


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    with pytest.raises(CommandError, match=r"index\.md:3: WARNING: .*nowhere\.md"):
        sphinx_of(tmp_path, index="# A\n\n[b](nowhere.md)\n")


def test_another_folder_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CommandError, match="is no book"):
        site.build({}, tmp_path)
    assert (tmp_path / "thesis.tex").exists()


# Widgets


def named(number: int, size: float, word: str) -> Picture:
    return Picture(b"", f"{number} {size} {word}")


@pytest.mark.parametrize("limit", [1, 12, 60, 10_000])
def test_positions_are_few_and_keep_ends_and_start(limit):
    sliders = {"number": slider("n", 0, 159, 1, 77), "size": slider("s", -3.0, 3.0, 0.25, 1.25)}
    explorer = Explorer(named, **sliders, word=choice("w", ("a", "b"), "b"))
    numbers, sizes, words = widgets.positions(explorer, limit)
    assert len(numbers) * len(sizes) * len(words) <= max(limit, 3 * 3 * 2)
    assert {0, 77, 159} <= set(numbers) <= set(range(160))
    assert {-3.0, 1.25, 3.0} <= set(sizes) <= {i / 4 for i in range(-12, 13)}
    assert words == ["a", "b"]
    assert (numbers, sizes) == (sorted(numbers), sorted(sizes))
    if limit == 10_000:
        assert len(numbers) * len(sizes) == 160 * 25


def test_only_what_a_widget_needs_is_run():
    first = "import os.path as place, sys\nmodel = place.sep\nslow = 1 / 0"
    second = "clips = [model for clip in slow]\nwith open(place.devnull) as file:\n    clip = model * 2"
    third = "def plan(frame):\n    return lesson_explorer(frame)\nprint(clips)\nplan_explorer(clip)"
    notebook = new_notebook(cells=[new_code_cell(text) for text in (first, second, third)])
    lines = [(n, node.lineno) for n, node in widgets.needed_statements(notebook)]
    assert lines == [(0, 1), (0, 2), (1, 2), (2, 4)]
    assert widgets.needed_statements(new_notebook(cells=[new_code_cell(first)])) == []


def test_a_notebook_gives_its_widgets():
    nothing = "from dffkit.lessons import nb04_complexity as lesson"
    cells = new_code_cell(nothing), new_code_cell("1 / 0"), new_code_cell("lesson.speedup_explorer()")
    ((number, explorer),) = widgets.widgets_of(new_notebook(cells=list(cells)))
    assert number == 2
    assert isinstance(explorer, Explorer)
