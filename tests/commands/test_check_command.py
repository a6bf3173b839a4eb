"""`python -m dffkit check`: the exercises of a class."""

import csv
import os
import re
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from places import REPOSITORY

from dffkit.commands import check
from dffkit.commands.handout import without_solutions
from dffkit.support.errors import CommandError
from dffkit.support.files import find_notebooks

WARPING = REPOSITORY / "notebooks" / "02_feature_warping.ipynb"
TITLES = check.exercises()


def solved(path, change=lambda solution: solution):
    """Return a notebook in whose exercises stands the solution, changed."""
    notebook = nbformat.read(path, as_version=4)
    for stub, folded in zip(notebook.cells, notebook.cells[1:], strict=False):
        if calls := re.findall(r"^check\..+$", stub.source, re.MULTILINE) if stub.cell_type == "code" else []:
            solution = re.search(r"Solution</summary>\s*```python\n(.*?)```", folded.source, re.DOTALL)[1]
            stub.source = "\n".join([change(solution), *calls])
    return notebook


def hand_in(place, notebook):
    place.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, place)


def with_first(notebook, *sources):
    """Return the notebook with other cells in place of its first exercise's."""
    (number,) = [n for n, cell in enumerate(notebook.cells) if "check.four_weights(" in cell.source]
    notebook.cells[number : number + 1] = map(new_code_cell, sources)
    return notebook


def run(folder, **options):
    """Check a folder and return the status and the rows of the table."""
    options = {"csv": folder.with_suffix(".csv"), "limit": 120} | options
    status = check.check_main(SimpleNamespace(folder=folder, **options))
    with options["csv"].open(encoding="utf-8", newline="") as file:
        return status, {row.pop("student"): row for row in csv.DictReader(file)}


def results(row, number="02"):
    return [result for title, result in row.items() if title.startswith(number)]


def test_solved_and_untouched_notebooks_of_the_whole_series(tmp_path, capsys):
    paths = [
        path for path in find_notebooks(REPOSITORY / "notebooks") if (f"nb{path.name[:2]}", "Exercise 1") in TITLES
    ]
    for path in paths:
        hand_in(tmp_path / "class" / "solved" / "week 1" / f"My {path.name}", solved(path))
        untouched = without_solutions(nbformat.read(path, as_version=4))
        hand_in(tmp_path / "class" / "untouched" / path.name, untouched)
    (tmp_path / "class" / "absent").mkdir()
    status, rows = run(tmp_path / "class")
    assert status == 0
    assert {student: set(row.values()) for student, row in rows.items()} == {
        "solved": {"passed"}, "untouched": {"not attempted"}, "absent": {"no notebook"}
    }  # fmt: skip
    assert list(rows["solved"]) == list(TITLES.values())
    printed = capsys.readouterr().out
    assert f"{len(TITLES)} of {len(TITLES)}" in printed
    assert "+ passed, . not attempted, - no notebook" in printed


def test_each_way_to_fail_has_its_name(tmp_path, capsys):
    stub = "def four_weights(x, y):\n    raise NotImplementedError\n"
    call = "check.four_weights(four_weights)"
    right = solved(WARPING).cells
    (answer,) = [cell.source for cell in right if call in cell.source]
    cases = {
        "hint": [answer.replace("int(", "floor(").replace("1 - a", "1 + a")],
        "syntax": [f"{stub}(\n{call}"],
        "raises": [f"{stub}\nundefined\n{call}"],
        "ends": ["import os\nos._exit(0)\n" + call],
        "crash": ["import os\nos._exit(3)\n" + call],
        "deleted": ["pass"],
        "magic": [
            "%matplotlib inline\n%timeit -n1 -r1 1\n!echo\nhelper = 1",
            answer.replace("return", "helper\n    return"),
        ],
        "best": [answer, f"{stub}\n{call}"],
        "writes": [f"open('written.txt', 'w')\n{answer}"],
    }
    for student, sources in cases.items():
        hand_in(tmp_path / "class" / f"{student}.ipynb", with_first(solved(WARPING), *sources))
    (tmp_path / "class" / "broken.ipynb").write_text("{", encoding="utf-8")
    hand_in(tmp_path / "class" / "index.ipynb", nbformat.read(REPOSITORY / "notebooks/00_index.ipynb", as_version=4))
    before = set(os.listdir())
    status, rows = run(tmp_path / "class")
    assert status == 0
    others = ["passed"] * 4
    assert {student: results(row) for student, row in rows.items()} == {
        "hint": ["hint", *others],
        "syntax": ["error", *others],
        "raises": ["error", *others],
        "ends": ["no check"] * 5,
        "crash": ["error"] * 5,
        "deleted": ["no check", *others],
        "magic": ["passed", *others],
        "best": ["passed", *others],
        "writes": ["passed", *others],
    }
    assert set(os.listdir()) == before
    out, err = capsys.readouterr()
    assert "02 Exercise 1: four weights: NameError: name 'undefined' is not defined" in out
    assert re.search(r"left out: .*broken\.ipynb: is no notebook that can be read", err)


def test_a_notebook_that_does_not_end_is_stopped(tmp_path):
    hand_in(tmp_path / "a.ipynb", with_first(solved(WARPING), "while True:\n    check.four_weights(lambda x, y: None)"))
    outcomes, ending = check.run(tmp_path / "a.ipynb", check.start_server(), limit=1)
    assert ending == "time limit"
    assert {outcome.result for outcome in outcomes} <= {"passed", "not attempted"}


def test_ctrl_c_leaves_the_students_who_were_checked(tmp_path, monkeypatch, capsys):
    for student in ("a", "b"):
        hand_in(tmp_path / "class" / f"{student}.ipynb", nbformat.read(WARPING, as_version=4))

    def check_student(notebooks, titles, *_):
        if "b.ipynb" in {path.name for path in notebooks}:
            raise KeyboardInterrupt
        return {key: check.Outcome(*key, "passed", "") for key in titles}

    monkeypatch.setattr(check, "start_server", lambda: None)
    monkeypatch.setattr(check, "check_student", check_student)
    status, rows = run(tmp_path / "class")
    assert status == 130
    assert list(rows) == ["a"]
    assert "stopped after 1 of 2 students" in capsys.readouterr().err


def test_of_several_notebooks_the_best_result_counts_for_each_exercise(monkeypatch, tmp_path):
    given = {"old": ["hint", "passed"], "new": ["passed", "not attempted"]}
    keys = [("nb02", "Exercise 1"), ("nb02", "Exercise 2")]
    monkeypatch.setattr(
        check, "run", lambda path, *_: ([check.Outcome(*k, r, "") for k, r in zip(keys, given[path], strict=True)], "")
    )
    bar = SimpleNamespace(update=lambda: None)
    best = check.check_student({"old": "nb02", "new": "nb02"}, [*keys, ("nb03", "Exercise 1")], None, 1, bar)
    assert [outcome.result for outcome in best.values()] == ["passed", "passed", "no notebook"]


def test_only_cells_run_that_the_checks_need():
    cells = [
        "import slow, math",
        "a = 1\nunused = [n for n in range(3)]",
        "n = a",
        "def helper(z):\n    return lambda: a + z",
        "z = 5",
        "class Net:\n    def forward(self):\n        return math.pi",
        "plot(a)",
        "not python (",
        "def f(x):\n    other = 2\n    return helper(x), Net",
        "check.name(f)",
        "a = 7",
    ]
    assert check.needed_cells(cells) == [cells[0], cells[1], cells[3], cells[5], cells[8], cells[9]]
    assert check.needed_cells(["f = 1", "check.name(f) ("]) == ["check.name(f) ("]


@pytest.mark.parametrize("text", ["no such folder", "has no notebook with exercises"])
def test_a_folder_without_notebooks_is_refused(tmp_path, text):
    folder = tmp_path / "missing" if "such" in text else tmp_path
    with pytest.raises(CommandError, match=text):
        check.students(folder)


def test_a_table_that_cannot_be_written_is_said_before_the_checks(tmp_path, monkeypatch):
    hand_in(tmp_path / "class" / "a.ipynb", nbformat.read(WARPING, as_version=4))
    monkeypatch.setattr(check, "start_server", lambda: pytest.fail("the checks began"))
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=r"can't be written .* --csv"):
        check.check_main(SimpleNamespace(folder=tmp_path / "class", csv=tmp_path / "file" / "a.csv", limit=1))
