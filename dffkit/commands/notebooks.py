"""Run the notebooks from a fresh kernel and store their outputs."""

import hashlib
import os
import re
import symtable
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from dffkit.support import files
from dffkit.support.errors import CommandError

COLOURS = re.compile(r"\x1b\[[\d;]*m")  # of a terminal, in tracebacks
CELL_TIMEOUT = 120  # seconds, the same as in the tests
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
PREDICT = re.compile(r"\*\*Predict, then (?:run|look)\.\*\*")
FOLDED = "hide-output"  # the book's tag for an output that is folded until it is opened
# Fields that editors and runners write into a cell's metadata and that change from run to run.
VOLATILE = ("execution", "ExecuteTime", "collapsed", "scrolled", "trusted")


def execute(
    path: Path, *, cell_timeout: int = CELL_TIMEOUT, on_cell: Callable[[], object] = lambda: None
) -> NotebookNode:
    """Run a notebook from a fresh kernel in its own folder and return it with its outputs; the file stays as it is.

    The kernel computes on one thread, unless OMP_NUM_THREADS says otherwise. With two it is no faster, and many times
    slower while anything else runs.

    Args:
        path: the notebook.
        cell_timeout: seconds that one cell may take.
        on_cell: called after each code cell.

    Raises:
        CommandError: if a cell fails or takes too long. The message has the notebook, the cell, its source and the
            traceback.
    """
    notebook = nbformat.read(path, as_version=4)
    started: list[NotebookNode] = []
    # Without folders to search only this interpreter's kernel is found: a reader may have another named python3.
    native_only = KernelSpecManager(kernel_dirs=[])
    client = NotebookClient(
        notebook,
        AsyncKernelManager(kernel_name="python3", kernel_spec_manager=native_only),
        timeout=cell_timeout,
        resources={"metadata": {"path": str(path.parent)}},
        # The kernel warns that it listens on this machine only, which would break the progress bar.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,  # the file does not depend on how often a stream is flushed
        on_cell_execute=lambda cell, cell_index: started.append(cell),
        on_cell_executed=lambda cell, cell_index, execute_reply: on_cell(),
    )
    environment = {"OMP_NUM_THREADS": "1"} | os.environ
    try:
        client.execute(cleanup_kc=True, env=environment)  # the kernel ends
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        place = f"cell In [{len(started)}] failed:" if started else "the kernel did not start:"
        raise CommandError(f"{path.name}, {place}\n{COLOURS.sub('', str(error))}") from error
    return notebook


def execute_all(paths: list[Path], jobs: int = 1) -> Iterator[tuple[Path, NotebookNode]]:
    """Run the notebooks, `jobs` at a time, under one progress bar, which counts code cells.

    With more than one job, the times that notebooks measure come out longer.
    """
    with tqdm(total=sum(map(_code_cells, paths)), unit="cell") as bar, ThreadPoolExecutor(jobs) as pool:

        def run(path: Path) -> NotebookNode:
            bar.set_description(path.stem)
            return execute(path, on_cell=bar.update)

        # A pool of one would start the next notebook before the last one is stored, or after an error.
        yield from zip(paths, (pool.map if jobs > 1 else map)(run, paths), strict=True)


def execute_in_place(paths: list[Path]) -> None:
    """Run the notebooks and store their outputs in their own files. A notebook that fails stays as it is."""
    for path, notebook in execute_all(paths):
        normalise(notebook)
        nbformat.validate(notebook)
        files.write(path, nbformat.writes(notebook) + "\n")


def normalise(notebook: NotebookNode) -> None:
    """Remove in place what differs between runs and machines, so that a diff shows the changes of a text only.

    A cell's id becomes a hash of its source, so it stays when other cells are inserted. Widgets are removed: without
    a kernel they show an error, and the still picture beside them shows.
    """
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # the first version with cell ids
    _normalise_metadata(notebook)
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        cell.id = f"{digest}-{seen[digest]}"
        seen[digest] += 1
    _fold_answers(notebook)
    _remove_widgets(notebook)


def _fold_answers(notebook: NotebookNode) -> None:
    """Fold the output that answers "Predict, then run", until it is opened, or run in JupyterLab."""
    asked = False
    for cell in notebook.cells:
        asked = asked or (cell.cell_type == "markdown" and bool(PREDICT.search(cell.source)))
        answers = asked and bool(cell.get("outputs"))
        asked = asked and not answers
        tags = [tag for tag in cell.metadata.get("tags", []) if tag != FOLDED] + [FOLDED] * answers
        for name, value in (("tags", tags), ("jupyter", {"outputs_hidden": True} if answers else {})):
            cell.metadata.pop(name, None)
            if value:
                cell.metadata[name] = value


def without_answers(path: Path) -> str:
    """Return the content of a notebook's file without the outputs that answer "Predict, then run"."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if FOLDED in cell.metadata.get("tags", []):
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("jupyter")
    return nbformat.writes(notebook) + "\n"


def _remove_widgets(notebook: NotebookNode) -> None:
    """Leave the still picture of each widget: JupyterLab would prefer the widget, whose model ends with its kernel."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if len(output.get("data", {})) > 1:
                output.data.pop(WIDGET_VIEW, None)


def _normalise_metadata(notebook: NotebookNode) -> None:
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        for key in VOLATILE:
            cell.metadata.pop(key, None)


def before_saving(*, model: dict[str, Any], path: str, **_: Any) -> None:
    """Save widgets as their still pictures, and undo JupyterLab's changes to a numbered notebook's metadata.

    A notebook that is reopened without its kernel shows the pictures; a numbered one that is only opened and saved
    keeps its bytes. A `pre_save_hook` of jupyter_server; `commands/jupyter/jupyter_server_config.json` names it.
    """
    if model.get("type") == "notebook":
        notebook = nbformat.from_dict(model["content"])
        _remove_widgets(notebook)
        if re.fullmatch(r"/?(my_)?notebooks/\d\d_\w+\.ipynb", path):
            _normalise_metadata(notebook)
        model["content"] = notebook


def _code_cells(path: Path) -> int:
    """Return the number of cells that a run of this notebook executes."""
    cells = nbformat.read(path, as_version=4).cells
    return sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in cells)


def global_names(source: str) -> tuple[set[str], set[str]]:
    """Return the global names that code binds, and those that it uses, in its functions too; none of broken code."""
    try:
        top = symtable.symtable(source, "code", "exec")
    except SyntaxError:
        return set(), set()
    bound = {name.get_name() for name in top.get_symbols() if name.is_assigned() or name.is_imported()}
    used = {name.get_name() for name in top.get_symbols() if name.is_referenced()}
    inner = list(top.get_children())
    for table in inner:  # grows while it is read
        inner.extend(table.get_children())
        used |= {name.get_name() for name in table.get_symbols() if name.is_global()}
    return bound, used
