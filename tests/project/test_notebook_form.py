"""The form of the numbered notebooks: head, rhythm, stored outputs, pictures with texts, exercises, links."""

import ast
import copy
import importlib
import re
import statistics
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbformat import NotebookNode

from dffkit.commands import notebooks
from dffkit.lessons import paths
from dffkit.lessons.check import NOT_ATTEMPTED, Exercise
from dffkit.support.files import find_notebooks, root

FOLDER = root() / "notebooks"
PATHS = find_notebooks(FOLDER)
LESSONS = [path for path in PATHS if not path.name.startswith(("00", "99"))]  # the index and the recap teach nothing
NOTEBOOKS = {path: nbformat.read(path, as_version=4) for path in PATHS}

every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[NotebookNode]:
    return [cell for cell in NOTEBOOKS[path].cells if cell.cell_type == "code"]


def prose(path: Path) -> str:
    return "\n\n".join(cell.source for cell in NOTEBOOKS[path].cells if cell.cell_type == "markdown")


def lines_of(cell: NotebookNode) -> int:
    return sum(bool(line.strip()) for line in cell.source.splitlines())


# Head and rhythm


@every_notebook
def test_the_head_has_its_fields(path):
    first = NOTEBOOKS[path].cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {path.name[:2]} · ")
    assert re.search(r"^\*\*The question\.\*\* [^?]+\?", first.source, re.MULTILINE)
    fields = dict(re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \|$", first.source, re.MULTILINE))
    assert list(fields) == ["You will learn", "Know first", "In the paper", "Takes", "Links"]
    assert re.search(r"\d s\b.*\d [GM]B\b.* 2 CPU cores without a GPU", fields["Takes"]), "measured time and memory"
    assert re.search(r"\d minutes|hour", fields["Takes"]), "a reader's time"
    links = fields["Links"]
    assert "next: " in links
    assert path == PATHS[0] or ("previous: " in links and "[index](00_index.ipynb)" in links)


@every_lesson
def test_the_end_says_what_was_shown_and_what_not(path):
    end = prose(path)[prose(path).rindex("## What this shows") :]
    assert re.search(r"\bnot\b", end)


@every_lesson
def test_the_reader_is_asked_to_predict_and_answers_are_folded(path):
    _, *predictions = re.split(r"\*\*Predict, then (?:run|look)\.\*\*", prose(path))
    assert len(predictions) >= 2
    for prediction in predictions:
        assert "<details><summary>Answer</summary>" in prediction, prediction[:200]


@every_lesson
def test_each_predictions_output_is_folded_until_it_is_opened_or_run(path):
    cells = nbformat.read(path, as_version=4).cells
    asked = [number for number, cell in enumerate(cells) if "**Predict, then" in cell.source]
    for number in asked:
        answer = next(cell for cell in cells[number:] if cell.get("outputs"))
        assert answer.metadata.jupyter.outputs_hidden, answer.source
        assert "hide-output" in answer.metadata.tags


@every_notebook
def test_runners_get_their_marks_as_tags(path):
    assert not [cell for cell in code_cells(path) if "NBVAL" in cell.source]


@every_notebook
def test_code_comes_in_small_portions(path):
    lengths = [lines_of(cell) for cell in code_cells(path)]
    assert statistics.median(lengths) <= 5
    assert max(lengths) <= 25


@every_notebook
def test_no_line_of_code_is_cut_off_on_a_page(path):
    assert max(len(line) for cell in code_cells(path) for line in cell.source.splitlines()) <= 105


@every_notebook
def test_there_is_more_prose_than_code(path):
    words = len(re.findall(r"\w+", re.sub(r"```.*?```", "", prose(path), flags=re.DOTALL)))
    assert words >= 6 * sum(map(lines_of, code_cells(path)))


# Core and optional

OF_THE_PAPER = [path for path in PATHS if path.name < "08"]  # the notebooks after it are optional as a whole


@pytest.mark.parametrize("path", OF_THE_PAPER, ids=lambda path: path.stem)
def test_every_section_is_marked_core_or_optional(path):
    headings = re.findall(r"^## (.+)$", re.sub(r"```.*?```", "", prose(path), flags=re.DOTALL), re.MULTILINE)
    assert headings
    assert [heading for heading in headings if not re.search(r"\w.* · (core|optional)$", heading)] == []


@every_notebook
def test_core_cells_run_without_the_optional_ones(path):
    section, subsection = "core", ""
    bound = {"core": set(), "optional": set()}
    missing = set()
    for cell in NOTEBOOKS[path].cells:
        if cell.cell_type == "markdown":
            for level, _, mark in paths.HEADING.findall(paths.CODE.sub("", cell.source)):
                section, subsection = (section, mark) if level == "###" else (mark or "core", "")
            continue
        mark = subsection or section
        for statement in ast.parse(cell.source).body:
            binds, uses = notebooks.global_names(ast.unparse(statement))
            if mark == "core":
                missing |= (uses - binds) & bound["optional"] - bound["core"]
            bound[mark] |= binds
    assert not missing


def test_the_core_is_short():
    counted = {path.stem: paths.parts(path).query("core").words.sum() for path in PATHS}
    assert sum(counted.values()) <= 9000, counted


# Stored outputs


@every_notebook
def test_outputs_come_from_a_fresh_kernel_in_order(path):
    cells = [cell for cell in code_cells(path) if cell.source.strip()]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = [output.output_type for cell in cells for output in cell.outputs]
    assert "error" not in kinds
    assert not [o for cell in cells for o in cell.outputs if o.get("name") == "stderr"], "a warning is stored"


@every_notebook
def test_the_file_is_as_the_command_stores_it(path):
    again = copy.deepcopy(NOTEBOOKS[path])
    notebooks.normalise(again)
    assert again == NOTEBOOKS[path], "run: python -m dffkit notebooks"


@every_notebook
def test_every_picture_has_a_text(path):
    for cell in NOTEBOOKS[path].cells:
        for output in cell.get("outputs", []):
            for kind in output.get("data", {}):
                if kind.startswith("image/"):
                    assert len(output.metadata.get(kind, {}).get("alt", "").split()) >= 10, cell.source
        assert "<img" not in cell.source
        for text in re.findall(r"!\[(.*?)\]\(", cell.source if cell.cell_type == "markdown" else "", re.DOTALL):
            assert len(text.split()) >= 10, text


# Exercises


class Task(NamedTuple):
    """One exercise of a notebook: the cell that sets it, the stub with its check, and the folded rest."""

    path: Path
    title: str
    text: str
    stub: NotebookNode
    folded: str


def tasks() -> list[Task]:
    found = []
    for path in PATHS:
        cells = NOTEBOOKS[path].cells
        for text, stub, folded in zip(cells, cells[1:], cells[2:], strict=False):
            if title := re.search(r"^### (Exercise \d+): ", text.source, re.MULTILINE):
                found.append(Task(path, title[1], text.source[title.start() :], stub, folded.source))
    return found


TASKS = tasks()
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.path.stem}-{task.title}")


def run_cells(task: Task, *sources: str) -> None:
    """Run the notebook's first code cell, for its imports, and then the sources."""
    namespace: dict[str, object] = {}
    for source in (code_cells(task.path)[0].source, *sources):
        exec(compile(source, f"{task.path.name}, {task.title}", "exec"), namespace)


def test_exercises_are_found():
    assert sum(task.path.name.startswith("02") for task in TASKS) == 5


@every_lesson
def test_exercises_are_numbered(path):
    titles = [task.title for task in TASKS if task.path == path]
    assert titles
    assert titles == [f"Exercise {n}" for n in range(1, len(titles) + 1)]


@every_task
def test_an_exercise_has_all_its_parts(task):
    assert re.search(r"^\*Difficulty: [\w ]+ · importance: [\w ]+ · \d+ minutes\.?\*", task.text, re.MULTILINE)
    assert task.stub.cell_type == "code"
    assert re.search(r"^check\.\w+\(\w+\)$", task.stub.source, re.MULTILINE)
    summaries = re.findall(r"<details>\s*<summary>(.+?)</summary>", task.folded)
    assert summaries == ["Hint 1", "Hint 2", "Solution"]
    assert task.folded.count("</details>") == 3


@every_task
def test_an_untouched_stub_says_so(task, capsys):
    (output,) = task.stub.outputs
    assert output.text == f"{task.title}: {NOT_ATTEMPTED}\n"
    run_cells(task, task.stub.source)
    assert capsys.readouterr().out == output.text


@every_task
def test_the_folded_solution_passes_its_check(task, capsys):
    (solution,) = re.findall(r"```python\n(.*?)```", task.folded[task.folded.index("Solution") :], re.DOTALL)
    checks = re.findall(r"^check\.\w+\(\w+\)$", task.stub.source, re.MULTILINE)
    run_cells(task, solution, *checks)
    assert capsys.readouterr().out.startswith(f"{task.title}: correct")


@every_lesson
def test_every_check_is_used(path):
    module = importlib.import_module(f"dffkit.lessons.check.nb{path.name[:2]}")
    names = {name for name, value in vars(module).items() if isinstance(value, Exercise)}
    used = {name for cell in code_cells(path) for name in re.findall(r"^check\.(\w+)\(", cell.source, re.MULTILINE)}
    assert used == names


# Links


@every_notebook
def test_links_resolve(path):
    written = [output.data["text/markdown"] for cell in code_cells(path) for output in cell.outputs
               if "text/markdown" in output.get("data", {})]  # fmt: skip
    for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join([prose(path), *written])):
        if not re.match(r"https?://|#|attachment:", target):
            assert (FOLDER / target.partition("#")[0]).exists(), f"{path.name} links to {target}"
