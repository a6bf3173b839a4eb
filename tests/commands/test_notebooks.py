"""notebooks.py: notebooks are found, run and stored whole, and a failing cell is named."""

import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from notebook_writer import write_notebook

from dffkit.commands import notebooks
from dffkit.support import files
from dffkit.support.errors import CommandError


def test_notebooks_are_found_in_order_and_by_number(tmp_path):
    for name in ("02_b.ipynb", "00_a.ipynb", "notes.ipynb", "04_c.ipynb"):
        write_notebook(tmp_path / name)
    assert [path.name for path in files.find_notebooks(tmp_path)] == ["00_a.ipynb", "02_b.ipynb", "04_c.ipynb"]
    assert [path.name for path in files.find_notebooks(tmp_path, ("04",))] == ["04_c.ipynb"]
    with pytest.raises(CommandError, match="No notebook 07 in"):
        files.find_notebooks(tmp_path, ("04", "07"))


def test_a_notebook_is_stored_whole_and_the_same_each_time(tmp_path):
    code = "import os, sys\nprint(os.path.basename(os.getcwd()), sys.executable == EXECUTABLE)"
    path = write_notebook(
        tmp_path / "00_a.ipynb",
        new_markdown_cell("# A"),
        new_code_cell(f"EXECUTABLE = {sys.executable!r}", metadata={"scrolled": True, "tags": ["kept"]}),
        new_code_cell(code),
        new_code_cell(code),
    )
    notebooks.execute_in_place([path])
    first = path.read_text(encoding="utf-8")
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[2].outputs[0].text == f"{tmp_path.name} True\n"
    assert notebook.cells[1].metadata == {"tags": ["kept"]}
    assert notebook.metadata == notebooks.METADATA
    assert len({cell.id for cell in notebook.cells}) == 4
    notebooks.execute_in_place([path])
    assert path.read_text(encoding="utf-8") == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["00_a.ipynb"]


def test_two_at_a_time_run_side_by_side_and_come_in_order(tmp_path, monkeypatch):
    met = "\n".join((
        "import os, pathlib, time",
        "pathlib.Path('{own}').touch()",
        "while not pathlib.Path('{other}').exists(): time.sleep(0.01)",
        "print(os.environ['OMP_NUM_THREADS'])",
    ))  # fmt: skip
    paths = [
        write_notebook(tmp_path / f"0{own}.ipynb", new_code_cell(met.format(own=own, other=1 - own))) for own in (0, 1)
    ]
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    done = dict(notebooks.execute_all(paths, jobs=2))
    assert list(done) == paths
    assert [notebook.cells[0].outputs[0].text for notebook in done.values()] == ["1\n", "1\n"]


def test_the_output_that_answers_a_prediction_is_folded_and_no_other():
    ask = nbformat.v4.new_markdown_cell("**Predict, then run.** Which is larger?")
    silent, first, second = (nbformat.v4.new_code_cell(text) for text in ("x = 1", "x", "x + 1"))
    first.outputs = second.outputs = [nbformat.v4.new_output("stream", text="1\n")]
    second.metadata = nbformat.from_dict({"tags": ["hide-output", "raises"], "jupyter": {"outputs_hidden": True}})
    book = nbformat.v4.new_notebook(cells=[ask, silent, first, second])
    for _ in range(2):  # nothing is added twice
        notebooks.normalise(book)
        assert [dict(cell.metadata) for cell in book.cells] == [
            {}, {}, {"tags": ["hide-output"], "jupyter": {"outputs_hidden": True}}, {"tags": ["raises"]},
        ]  # fmt: skip
    nbformat.validate(book)


def test_a_failing_cell_is_named_with_source_and_traceback(tmp_path):
    path = write_notebook(
        tmp_path / "02_broken.ipynb",
        new_markdown_cell("# Broken"),
        new_code_cell("frames = 3"),
        new_code_cell("print('so far')\nframes / 0  # no flow"),
        new_code_cell("never = 'run'"),
    )
    before = path.read_bytes()
    with pytest.raises(CommandError) as caught:
        notebooks.execute_in_place([path])
    message = str(caught.value)
    assert message.startswith("02_broken.ipynb, cell In [2] failed:\n")
    assert "frames / 0  # no flow" in message
    assert "ZeroDivisionError" in message
    assert "\x1b" not in message
    assert path.read_bytes() == before


def test_a_cell_that_takes_too_long_is_named(tmp_path):
    path = write_notebook(tmp_path / "03_slow.ipynb", new_code_cell("while True: pass"))
    with pytest.raises(CommandError, match=r"^03_slow\.ipynb, cell In \[1\] failed(?s:.)*1 seconds"):
        notebooks.execute(path, cell_timeout=1)
