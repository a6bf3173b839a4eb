"""`python -m dffkit handout`: the notebooks for a class."""

import re
from types import SimpleNamespace

import nbformat
import pytest
from places import REPOSITORY

from dffkit.commands import handout
from dffkit.support.errors import CommandError
from dffkit.support.files import find_notebooks

STORED = {path.name: nbformat.read(path, as_version=4) for path in find_notebooks(REPOSITORY / "notebooks")}


def texts(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handout")
    assert handout.handout_main(SimpleNamespace(folder=folder)) == 0
    return folder


@pytest.mark.parametrize("name", STORED)
def test_a_notebook_has_its_code_and_hints_but_no_solution_and_no_output(folder, name):
    given, stored = nbformat.read(folder / "notebooks" / name, as_version=4), STORED[name]
    nbformat.validate(given)
    assert code(given) == code(stored)
    assert not [cell for cell in given.cells if cell.get("outputs") or cell.get("execution_count")]
    assert not [cell for cell in given.cells if cell.metadata.get("jupyter", {}).get("outputs_hidden")]
    solutions = re.findall(r"<summary>Solution</summary>.*?```python\n(.*?)```", texts(stored), re.DOTALL)
    assert len(solutions) == len(re.findall("^### Exercise", texts(stored), re.MULTILINE))
    assert not [solution for solution in solutions if solution.strip().splitlines()[-1] in texts(given)]
    assert "Solution</summary>" not in texts(given)
    for part in ("<summary>Hint 1</summary>", "<summary>Hint 2</summary>", "<summary>Answer</summary>"):
        assert texts(given).count(part) == texts(stored).count(part)
    assert texts(given).count("<details>") == texts(given).count("</details>")


def test_the_pictures_and_pages_that_the_notebooks_show_come_along(folder):
    pages = {path.name for path in (REPOSITORY / "notebooks" / "pages").glob("*.md")}
    assert {path.name for path in (folder / "notebooks" / "pages").glob("*.md")} == pages
    found = 0
    for path in (folder / "notebooks").rglob("*.[im]*"):
        text = path.read_text(encoding="utf-8") if path.suffix == ".md" else texts(nbformat.read(path, as_version=4))
        for link in re.findall(r"\]\(([^)\s:#]+\.(?:webp|png|svg|ipynb|md))\)", text):
            target = (path.parent / link).resolve()
            stored = REPOSITORY / target.relative_to(folder)
            if target.suffix in (".webp", ".png", ".svg") or target.is_relative_to(folder / "notebooks"):
                assert target.exists() or not stored.exists(), link
            found += 1
    assert found > 10
    assert (folder / "figures" / "how_it_works.webp").exists()


def test_the_stored_notebooks_are_not_overwritten():
    with pytest.raises(CommandError, match="would replace the notebooks themselves"):
        handout.handout_main(SimpleNamespace(folder=REPOSITORY))
