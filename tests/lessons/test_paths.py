"""paths.py: sections counted by hand on a small notebook, and the paths of the series as notebook 00 stores them."""

import nbformat
import pytest
from places import REPOSITORY

from dffkit.lessons import paths

HEAD = """# 05 · Title

**The question.** Why
not?

| **Takes** | about 30 s and 1 GB; an hour |"""
EXERCISE = """## 2. Deep · optional

one two three

### Exercise 1: write it · core

*Difficulty: easy · importance: high · 10 minutes.*

four words are here"""
FOLDED = """<details>
<summary>Hint 1</summary>

hint hint

</details>
<details><summary>Solution</summary>

```python
# not a heading
x = 1
```

</details>

And then two.

### Aside

## 3 No mark"""
CELLS = (HEAD, "## 1 First · core\n\nfive words", ["a = 1\nb"], EXERCISE, ["check.it(f)"], FOLDED)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    written = tmp_path / "notebooks" / "05_title.ipynb"
    written.parent.mkdir()
    cells = [
        nbformat.v4.new_code_cell(cell[0]) if isinstance(cell, list) else nbformat.v4.new_markdown_cell(cell)
        for cell in CELLS
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), written)
    return written


def test_a_notebook_falls_into_parts_at_its_headings(path):
    found = paths.parts(path)
    assert found.section.tolist() == ["", "1 First", "2. Deep", "2. Deep", "2. Deep", "3 No mark"]
    assert found.core.tolist() == [True, True, False, True, False, False]
    assert found.exercises.tolist() == [0, 0, 0, 10, 0, 0]
    words = [len(HEAD.split()), 7, 8, 7 + 8 + 4 + 6 + 2 + 3, 2, 4]
    assert found.words.tolist() == words


def test_the_words_to_read_are_those_of_text_and_code_without_exercises(path):
    found = paths.parts(path)
    stub, narrative = 1, 3
    assert found.read.tolist() == [len(HEAD.split()), 7 + 4, 8, stub + narrative, 2, 4]


def test_a_notebook_without_core_has_no_core_head(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("· core", "· optional")
    nbformat.write(notebook, path)
    assert not paths.parts(path).core.any()
    assert paths.minutes().loc["05"].tolist()[:2] == [0, 0]


def test_minutes_are_those_of_reading_exercises_and_running(path):
    head = len(HEAD.split())
    hour, half, everything = paths.minutes().loc["05"]
    assert hour == pytest.approx((head + 11 + 4) / 200 + 0.5)
    assert half == pytest.approx(hour + 10)
    assert everything == pytest.approx((head + 11 + 4 + 8 + 2 + 4) / 200 + 10 + 0.5)


def test_the_table_names_what_each_path_reads(path):
    line = paths.three_paths().data.splitlines()[2]
    assert line == "| [05 · Title](05_title.ipynb): Why not? | 1, 2 | 1 min | 11 min | 11 min |".replace(
        " min", "\xa0min"
    )


@pytest.mark.parametrize(("time", "words"), [(0.2, "1 min"), (59.1, "60 min"), (119, "119 min"), (178, "3 h")])
def test_long_times_are_in_hours(time, words):
    assert paths._clock(time).split("\xa0") == words.split()


def test_a_head_has_title_and_question():
    assert paths.title_and_question(HEAD) == ("05 · Title", "Why not?")
    for text in ("# Title\n\nno question", "**The question.** But no title?"):
        with pytest.raises(ValueError, match="expected a '# Title'"):
            paths.title_and_question(text)


# The series


def test_notebook_00_stores_the_paths_of_today():
    cells = nbformat.read(REPOSITORY / "notebooks" / "00_index.ipynb", as_version=4).cells
    (cell,) = (cell for cell in cells if cell.source == "paths.three_paths()")
    assert cell.outputs[0].data["text/markdown"] == paths.three_paths().data, "run: python -m dffkit notebooks 00"


def test_the_paths_take_what_their_names_say():
    hour, half, everything = paths.minutes().sum()
    assert 40 <= hour <= 60
    assert 120 <= half <= 240
    assert half < everything
