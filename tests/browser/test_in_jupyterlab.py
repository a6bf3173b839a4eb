"""Every notebook in JupyterLab: it runs, its widgets draw what their functions draw, and a saved file is readable."""

import re
from functools import partial
from typing import NamedTuple

import nbformat
import pytest
from jupyter_page import NotebookPage, WidgetBox
from nbformat import NotebookNode
from places import REPOSITORY

from dffkit.commands.book.widgets import positions, widgets_of
from dffkit.support.files import find_notebooks

STORED = {path.name: nbformat.read(path, as_version=4) for path in find_notebooks(REPOSITORY / "notebooks")}
EVERY = 10**9  # positions of a slider
WARPING = "02_feature_warping.ipynb"


class Run(NamedTuple):
    """An open notebook whose cells have all run; the stored notebook, and the file saved after the run."""

    page: NotebookPage
    stored: NotebookNode
    saved: NotebookNode


@pytest.fixture(scope="module", params=STORED, ids=lambda name: name[:2])
def run(request, browser, server):
    """Run a notebook from a fresh kernel, once for all tests of it."""
    page = NotebookPage(browser, server, request.param)
    page.run("notebook:run-all-cells")
    yield Run(page, STORED[request.param], page.saved())
    page.close()


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def pictures(notebook: NotebookNode) -> int:
    """Return the number of pictures in a notebook's texts and outputs."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return "".join(texts).count("![") + sum("image/png" in output.get("data", {}) for output in outputs)


def test_all_cells_run_without_an_error(run):
    cells = code_cells(run.saved)
    assert [cell.execution_count for cell in cells] == list(range(1, len(code_cells(run.stored)) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


def picture_at(explorer, values, name, value):
    """Return the picture of a widget with one of its values changed."""
    return explorer.picture(**(values | {name: value}))


def test_keys_and_mouse_move_the_widgets(run):
    """The picture in the page is the one that the widget's function draws in this process."""
    widgets = dict(widgets_of(run.stored))
    assert run.page.page.locator(".widget-vbox").count() == len(widgets)
    for number, explorer in widgets.items():
        box = WidgetBox(run.page.cell(number))
        values = {name: slider.value for name, slider in explorer.sliders.items()}
        for place, (name, choices) in enumerate(zip(values, positions(explorer, EVERY), strict=True)):
            last = values[name] == choices[-1]
            box.press_key(place, back=last)
            values[name] = choices[choices.index(values[name]) + (-1 if last else 1)]
            box.wait_for(explorer.picture(**values))
            box.drag_to_start(place)
            values[name] = choices[0]
            box.wait_for(explorer.picture(**values))
            if name == explorer.played:
                values[name] = box.play(place, partial(picture_at, explorer, values, name))


def test_a_saved_notebook_is_opened_with_its_pictures(run):
    run.page.stop_kernel()
    run.page.open()
    run.page.wait_for_pictures(pictures(run.saved))
    assert pictures(run.saved) == pictures(run.stored)
    assert "model not found" not in run.page.page.locator(".jp-Notebook").text_content()


def test_an_exercise_answers_with_a_hint_and_then_with_praise(browser, server):
    page, cells = NotebookPage(browser, server, WARPING), STORED[WARPING].cells
    imports, *_ = (number for number, cell in enumerate(cells) if cell.cell_type == "code")
    (stub,) = (number for number, cell in enumerate(cells) if "check.four_weights(" in cell.source)
    (solution,) = re.findall(r"```python\n(.*?)```", cells[stub + 1].source, re.DOTALL)
    swapped, call = solution.replace("four_weights(x, y)", "four_weights(y, x)"), "\n\ncheck.four_weights(four_weights)"
    page.run_cell(imports)
    for text, answer in ((swapped, "Exercise 1: not yet. x and y are swapped"), (solution, "Exercise 1: correct")):
        page.run_cell(stub, text + call)
        page.cell(stub).locator(".jp-OutputArea").get_by_text(answer).wait_for()
    page.close()
