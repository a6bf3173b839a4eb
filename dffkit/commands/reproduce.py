"""`python -m dffkit test`, `reproduce` and `notebooks`: the repository as a whole."""

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dffkit.support.files import find_notebooks, own_folder, root

# `loadfile` keeps the cells of a notebook together and in order. All other options are in pyproject.toml.
TWO_WORKERS = ("-n", "2", "--dist", "loadfile")
FEW_PICTURES = 30  # for a notebook's widgets; `make book` draws more, which takes over two minutes


def test_main(arguments: argparse.Namespace) -> int:
    """Run Ruff and, if it finds nothing, pytest with `arguments.rest`; return the exit status."""
    repository = root()
    lint = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=repository)
    if lint.returncode != 0:
        print("The lint failed (above), so the tests were not run.", file=sys.stderr)
        return lint.returncode

    # Two workers and their kernels share two cores: with more threads each they would slow one another down.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", *TWO_WORKERS, *arguments.rest]
    return subprocess.run(command, cwd=repository, env=environment).returncode


def reproduce_main(arguments: argparse.Namespace) -> int:
    """Run the notebooks into the book, redraw the figures, print the claims, score the shipped weights again.

    Returns:
        1 if a score differs from the shipped one by more than its tolerance, else 0.
    """
    from dffkit.commands import notebooks
    from dffkit.commands.book import site
    from dffkit.paper import figures, ledger

    repository, build = root(), own_folder() / "build"
    fresh = dict(notebooks.execute_all(find_notebooks(repository / "notebooks"), jobs=2))
    for notebook in fresh.values():
        notebooks.normalise(notebook)
    site.build(fresh, build / "book", FEW_PICTURES)
    redrawn = build / "figures"
    figures.redraw(redrawn)
    moved = figures.moved(redrawn, repository / "figures")
    print("The notebooks, run from fresh kernels: build/book/index.html")
    print("The figures, redrawn: build/figures/. Their numbers beside those in figures/:")
    print("".join(f"  moved: {line}\n" for line in moved) or "  the same within tolerance\n")

    columns = ["claim", "place", "paper", "ours", "source"]
    heads = ["claim", "place", "printed in the paper", "ours", "ours is"]
    rows = [[str(row[column]) for column in columns] for row in ledger.claims_beside_ours().to_dict("records")]
    print(align([heads, *rows]))
    print("\nrecomputed: computed on this machine, just now. read: taken from a stored result or a cited source.")
    print(f"\n{align(figures.points_lost())}")
    print("\nTable 4 as points lost to Frame. Ours: narrow networks in a rendered town, read, with 95% intervals.")
    print("".join(f"\nCompared above, {line}\n" for line in ledger.mixed_precisions()), end="")
    return 0 if weights_agree() else 1


def weights_agree() -> bool:
    """Score the shipped weights on freshly rendered frames, and print each score beside the shipped one."""
    from dffkit.experiments import runs, shipping

    with tempfile.TemporaryDirectory() as folder:
        rows = shipping.recheck(dataclasses.replace(runs.default_workspace(), cache=Path(folder)))
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


def add_notebooks_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `notebooks`."""
    parser.add_argument("numbers", nargs="*", metavar="NN", help="only these notebooks (default: all)")


def notebooks_main(arguments: argparse.Namespace) -> int:
    """Run the notebooks from fresh kernels and store their outputs in their files."""
    from dffkit.commands import notebooks

    notebooks.execute_in_place(find_notebooks(root() / "notebooks", tuple(arguments.numbers)))
    return 0
