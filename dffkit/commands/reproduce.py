"""`python -m dffkit reproduce`: every notebook run, every figure redrawn, the paper's numbers beside ours."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dffkit.commands import notebooks
from dffkit.experiments import shipping
from dffkit.experiments.runs import default_workspace
from dffkit.paper import claims, figures, result_tables
from dffkit.support.repository import find_notebooks, root


def reproduce() -> int:
    """Run the notebooks into `build/html`, redraw `figures`, score the shipped weights again, print the claims.

    Returns 1 if a score left its tolerance.
    """
    repository = root()
    pages = repository / "build" / "html"
    for path, notebook in notebooks.execute_all(find_notebooks(repository / "notebooks")):
        notebooks.export_html(notebook, pages / f"{path.stem}.html", folder=path.parent)
    drawn = figures.regenerate_all(repository / "figures")
    print(f"The notebooks, run from fresh kernels: {pages.relative_to(repository)}/00_index.html and its neighbours")
    print(f"The figures, {len(drawn)} files: figures/\n")

    table = claims.table()
    columns = ["claim", "place", "paper", "ours", "source"]
    heads = ["claim", "place", "printed in the paper", "ours", "ours is"]
    rows = [[str(row[column]) for column in columns] for row in table.to_dict("records")]
    print(align([heads, *rows]))
    print("\nrecomputed: computed on this machine, just now. read: taken from a stored result or a cited source.")
    print(f"\n{align(result_tables.table4())}")
    print("\nTable 4 as points lost to Frame. Ours: narrow networks in a rendered town, read, with 95% intervals.")
    return 0 if weights_agree() else 1


def weights_agree() -> bool:
    """Score the shipped weights on freshly rendered frames and print what comes out beside what was stored."""
    with tempfile.TemporaryDirectory() as folder:
        place = dataclasses.replace(default_workspace(), cache=Path(folder))
        rows = shipping.recheck(place)
    heads = ["shipped weights", "score", "as shipped", "here, just now", "agree"]
    cells = [
        [row["model"], row["score"], f"{row['shipped']:.4f}", f"{row['here']:.4f}", "yes" if row["agree"] else "NO"]
        for row in rows
    ]
    print(f"\n{align([heads, *cells])}")
    allowed = ", ".join(f"{task} {tolerance}" for task, tolerance in shipping.TOLERANCE.items())
    print(f"\nScored on the first {shipping.CHECK_STREETS} streets of val, in float32; allowed to differ: {allowed}.")
    return all(row["agree"] for row in rows)


def align(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out as left-aligned columns, with a rule below the first row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first, *rest = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in [first, "  ".join("-" * width for width in widths), *rest])
