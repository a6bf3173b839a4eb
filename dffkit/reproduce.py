"""`python -m dffkit reproduce`: every notebook run, every figure redrawn, the paper's numbers beside ours."""

from collections.abc import Sequence

from dffkit import claims, figures, notebooks
from dffkit.repository import root


def reproduce() -> int:
    """Run the notebooks into `build/html`, redraw `figures`, print where they are and the table of claims."""
    repository = root()
    pages = repository / "build" / "html"
    for path, notebook in notebooks.execute_all(notebooks.find(repository / "notebooks")):
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
    return 0


def align(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out as left-aligned columns, with a rule below the first row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first, *rest = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in [first, "  ".join("-" * width for width in widths), *rest])
