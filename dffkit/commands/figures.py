"""`python -m dffkit figures` and `table`: the paper's figures and tables from stored results."""

import argparse
from pathlib import Path

from dffkit.support.errors import CommandError
from dffkit.support.files import own_folder, root

FORMATS = ("text", "csv", "latex", "markdown")
TABLES = ("table2", "table3", "table4", "table5", "statements")
SETTINGS = ("segmentation", "detection", "handheld")


def add_figures_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `figures`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these of figures/README.md (default: all)")
    results_help = "your rows, by names of recipes: table4, table5 and figure3 (the default) have them beside ours"
    parser.add_argument("--results", type=Path, metavar="DIR", help=results_help)
    out_help = "write here (default: figures, or build/figures with --results)"
    parser.add_argument("--out", type=Path, metavar="DIR", help=out_help)
    moving = "render only the moving pictures; their bytes differ between versions of the image library"
    parser.add_argument("--moving", action="store_true", help=moving)


def figures_main(arguments: argparse.Namespace) -> int:
    """Draw figures, and with all of them write the READMEs' tables and the model cards; or draw the moving pictures."""
    names, results = arguments.names, arguments.results and arguments.results.resolve()
    folder = arguments.out or (own_folder() / "build" / "figures" if results else root() / "figures")
    if arguments.moving:
        from dffkit.paper import how_it_works, three_ways

        pictures = three_ways.write_three_ways, three_ways.write_one_rate, how_it_works.write_how_it_works
        written = [path for write in pictures for path in write(folder)]
    else:
        from dffkit.paper import cards, figures

        if unknown := [name for name in names if name not in figures.FIGURES]:
            raise CommandError(f"{', '.join(unknown)}: no such figure; expected some of {', '.join(figures.FIGURES)}")
        if results and not (results / "evaluation.csv").is_file():
            raise CommandError(f"--results {results}: has no evaluation.csv; expected a folder such as build/results")
        written = figures.redraw(folder, names or (figures.BESIDE if results else None), results)
        if folder == root() / "figures" and not names:
            written.append(figures.write_tables(root() / "data" / "README.md"))
            written.append(figures.write_tables(root() / "README.md", figures.headline()))
            written.append(figures.write_tables(root() / "data" / "weights" / "README.md", cards.markdown()))
    places = {path.name if path.parent == root() else f"{path.parent.name}/" for path in written}
    print(f"{len(written)} files written: {', '.join(sorted(places))}")
    return 0


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `table`."""
    name_help = "one of %(choices)s (default: table4)"
    parser.add_argument("name", nargs="?", choices=TABLES, default="table4", metavar="NAME", help=name_help)
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="default: text; latex needs booktabs")
    parser.add_argument("--setting", choices=SETTINGS, default=SETTINGS[0], help="default: segmentation")


def table_main(arguments: argparse.Namespace) -> int:
    """Print a table of the paper with our numbers and the printed ones."""
    from dffkit.paper import tables

    print(tables.render(arguments.name, arguments.setting, arguments.format).rstrip("\n"))
    return 0
