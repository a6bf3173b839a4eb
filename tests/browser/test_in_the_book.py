"""The book's pages from a folder, wide and narrow: nothing is cut off, missing or fetched, and widgets live."""

import re
from urllib.parse import unquote, urlsplit

import pytest
from places import REPOSITORY

from dffkit.commands.book import book_main
from dffkit.commands.cli import build_parser

for package in ("sphinx", "myst_nb", "furo"):
    pytest.importorskip(package, reason="needs the extra book")

from dffkit.commands.book import site  # noqa: E402  it imports Sphinx

# What myst-parser and others will have to change for Sphinx 11.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

ALIVE = ("02_feature_warping", "04_complexity")  # notebooks whose widgets are drawn, which takes no time
TOO_WIDE = "() => Math.max(0, document.scrollingElement.scrollWidth - window.innerWidth)"
NOT_SHOWN = "() => [...document.images].filter((img) => !img.complete || !img.naturalWidth).map((img) => img.src)"
LINKS = "() => [...document.links].map((link) => link.href)"
# Code cells with lines that do not fit; on a telephone no line of code does.
CUT = """() => window.innerWidth < 800 ? [] : [...document.querySelectorAll('div.cell_input pre')]
    .filter((code) => code.scrollWidth > code.clientWidth).map((code) => code.innerText.slice(0, 50))"""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of a book with few widgets alive."""
    folder, draw = tmp_path_factory.mktemp("site") / "book", site.draw_widgets

    def draw_some(notebooks, *rest):
        draw({path: notebook for path, notebook in notebooks.items() if path.stem in ALIVE}, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(site, "draw_widgets", draw_some)
        book_main(build_parser("book").parse_args(["book", "--out", str(folder), "--pictures", "9"]))
    return folder


@pytest.fixture
def page(browser):
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    page.close()


@pytest.mark.parametrize("width", [1280, 800, 400])
def test_pages_are_whole(book, page, width):
    """Each page is as wide as the window, shows its pictures and code, loads the book alone, and links to pages."""
    requests, errors, found = [], [], {}
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": width, "height": 900})
    for path in sorted(book.rglob("*.html")):
        page.goto(path.as_uri())
        for image in page.locator("img[loading=lazy]").all():
            image.scroll_into_view_if_needed()
        page.wait_for_load_state("networkidle")
        files = [unquote(urlsplit(link).path) for link in page.evaluate(LINKS) if link.startswith("file:")]
        problems = {
            "too wide": page.evaluate(TOO_WIDE),
            "not shown": page.evaluate(NOT_SHOWN),
            "cut": page.evaluate(CUT),
            "broken": [file for file in files if not (REPOSITORY / file).is_file()],
            "fetched": [url for url in requests if not url.startswith((book.as_uri(), "data:"))],
            "errors": [*errors],
            "mail": page.evaluate("() => document.querySelectorAll('a[href^=mailto]').length"),
        }
        if any(problems.values()):
            found[path.relative_to(book).as_posix()] = {what: which for what, which in problems.items() if which}
        requests.clear()
        errors.clear()
    assert not found


@pytest.mark.parametrize("name", ALIVE)
def test_a_widget_moves_without_a_kernel(book, page, name):
    page.goto((book / "notebooks" / f"{name}.html").as_uri())
    widget = page.locator("figure.explorer")
    picture, slider, number = (widget.locator(part).first for part in ("img", "input", "output"))
    before = picture.get_attribute("src"), picture.get_attribute("alt"), number.inner_text()
    slider.press("ArrowRight")
    after = picture.get_attribute("src"), picture.get_attribute("alt"), number.inner_text()
    assert all(one != other for one, other in zip(before, after, strict=True))
    slider.click(position={"x": 1, "y": 5})
    assert re.search(r"/0-\d+\.webp$", picture.get_attribute("src"))
    page.wait_for_load_state("networkidle")
    assert picture.evaluate("(img) => img.decode().then(() => img.naturalWidth)") > 0
