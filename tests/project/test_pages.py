"""notebooks/pages/: short, linked from where the question comes up, and every link, claim and name leads somewhere."""

import ast
import json
import re

import pytest
from places import REPOSITORY

from dffkit.paper.claims import claims

NOTEBOOKS = REPOSITORY / "notebooks"
PAGES = sorted((NOTEBOOKS / "pages").glob("*.md"))
TEXTS = {path: path.read_text(encoding="utf-8") for path in PAGES}
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


def links(text):
    return re.findall(r"\]\(([^)\s]+)\)", text)


@every_page
def test_a_page_is_short_and_asks_a_question(path):
    text = TEXTS[path]
    assert text.startswith("# ")
    assert "?" in text.split("\n## ")[0]
    assert len(re.findall(r"\w\S*", text)) <= 750


@every_page
def test_links_lead_to_files_and_to_what_they_define(path):
    for link in links(TEXTS[path]):
        if not link.startswith("https://"):
            file, _, name = link.partition("#")
            target = (path.parent / file).resolve()
            assert target.is_file(), link
            if name:
                tree = ast.parse(target.read_text(encoding="utf-8"))
                assert name in {getattr(node, "name", "") for node in tree.body}, link


@every_page
def test_pictures_have_texts_and_claims_are_in_the_ledger(path):
    for text in re.findall(r"!\[(.*?)\]\(", TEXTS[path], re.DOTALL):
        assert len(text.split()) >= 10
    groups = {name.split(".")[0] for name in claims()}
    named = re.findall(r"`([a-z0-9-]+\.[a-z0-9.-]+)`", TEXTS[path])
    assert [name for name in named if name.split(".")[0] in groups and name not in claims()] == []


@every_page
def test_a_notebook_links_to_the_page(path):
    cells = [cell for each in NOTEBOOKS.glob("*.ipynb") for cell in json.loads(each.read_text("utf-8"))["cells"]]
    prose = "".join(line for cell in cells if cell["cell_type"] == "markdown" for line in cell["source"])
    assert f"pages/{path.name}" in links(prose)
