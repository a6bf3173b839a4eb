"""notebooks/pages/teaching.md: the lessons have 90 minutes, and what they name is in the notebooks."""

import re

import nbformat
import pytest
from places import REPOSITORY

PAGE = REPOSITORY / "notebooks" / "pages" / "teaching.md"
LESSONS = re.findall(r"^## (Lesson .+?)\n(.*?)(?=^## )", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def rows(text):
    """Return the minutes, the first cell and the last cell of each row."""
    return re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)


def notebook(where):
    """Return the Markdown of the notebook that a cell names, or None."""
    if number := re.match(r"\[?(\d\d)\b", where):
        (path,) = (REPOSITORY / "notebooks").glob(f"{number[1]}_*.ipynb")
        return "\n".join(
            cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"
        )
    return None


def test_there_are_three_lessons():
    assert len(LESSONS) == 3


@pytest.mark.parametrize(("title", "text"), LESSONS, ids=[title for title, _ in LESSONS])
def test_a_lesson_takes_90_minutes_and_its_sections_are_there(title, text):
    assert sum(int(minutes) for minutes, *_ in rows(text)) == 90
    for _, _, where in rows(text):
        for section in re.findall(r'"(.+?)"', where):
            assert re.search(rf"^##+ (?:\d\.? )?{re.escape(section)}", notebook(where), re.MULTILINE), section


@pytest.mark.parametrize(("title", "text"), LESSONS, ids=[title for title, _ in LESSONS])
def test_there_is_time_for_each_exercise(title, text):
    done = 0
    for minutes, what, where in rows(text):
        for title in re.findall(r'"(.+?)"', what):
            task = rf"^### Exercise \d: {re.escape(title)}.*?\*Difficulty: .*?(\d+) minutes"
            needed = re.search(task, notebook(where), re.MULTILINE | re.DOTALL)[1]
            assert what.startswith("Homework") or int(needed) < int(minutes), what
            done += 1
    assert done >= 2


def test_the_links_lead_to_files():
    links = re.findall(r"\]\(([^)\s#]+)\)", PAGE.read_text(encoding="utf-8"))
    assert len(links) > 6
    for link in links:
        assert (PAGE.parent / link).exists(), link
