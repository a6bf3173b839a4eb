"""Every number in prose has a claim, a stored result or a stated reason behind it."""

import json

import orphans
import pytest


@pytest.fixture
def prose(tmp_path, monkeypatch):
    """A repository with prose of its own: a function that writes a README and a notebook's cells."""

    def write(readme="", cells=(), stated="file,number,why\n"):
        for folder in ("data", "notebooks"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "README.md").write_text(readme, encoding="utf-8")
        (tmp_path / "data" / "README.md").write_text("", encoding="utf-8")
        (tmp_path / "data" / orphans.STATED).write_text(stated, encoding="utf-8")
        text = json.dumps({"cells": list(cells)})
        (tmp_path / "notebooks" / "01_a.ipynb").write_text(text, encoding="utf-8")
        return [(each.file, each.number) for each in orphans.find()]

    monkeypatch.setattr(orphans, "root", lambda: tmp_path)
    return write


def test_a_typed_number_is_an_orphan_and_a_printed_one_is_not(prose):
    text = "It loses 4.4 points in the paper and 3.21 points here, between 1.9 and 7.77 points, on 48 streets.\n"
    assert prose(text) == [("README.md", "3.21 points"), ("README.md", "1.9 and 7.77 points")]


def test_code_and_generated_blocks_are_left_out_and_cover_what_they_show(prose):
    text = "<!-- t: begin, x -->\n3.21 points, 12%\n<!-- t: end -->\nSo 3.21 points, 12%.\n```\n5 ms\n```\n`6 ms`\n"
    assert prose(text) == [("README.md", "12%")]  # whole numbers agree by chance


def test_a_notebooks_prose_may_repeat_its_outputs_only(prose):
    output = {"cell_type": "code", "source": ["x"], "outputs": [{"text": ["loss 3.21\n"]}]}
    picture = {"cell_type": "code", "source": ['show(alt="""falls\n', 'by 8.88%""")'], "outputs": []}
    words = {"cell_type": "markdown", "source": ["It loses 3.21 points\n", "in 7.5 ms."]}
    assert prose(cells=[words, output, picture]) == [("notebooks/01_a.ipynb", each) for each in ("7.5 ms", "8.88%")]


def test_a_stated_number_needs_a_number_that_it_fits(prose):
    stated = "file,number,why\nREADME.md,* GB,by hand\nREADME.md,7 ms,by hand\n"
    assert prose("Takes 6 GB and 2 s.", stated=stated) == [("README.md", "2 s")]
    assert orphans.unused() == ["README.md: 7 ms"]


def test_there_are_no_orphans():
    """If this fails, let a cell print the number, say it in words, or state its reason in data/stated_numbers.csv."""
    assert [" ".join(each) for each in orphans.find()] == []


def test_every_stated_number_has_a_reason_and_a_use():
    assert orphans.unused() == []
    assert all(row["why"] for row in orphans.read_stated())
